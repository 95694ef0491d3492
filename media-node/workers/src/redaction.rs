//! Redaction before storage: of everything that was said or made up from what was said, wherever
//! it goes (transcript, slots, booking, reasons, webhooks, live viewers).

/// `text` without card numbers, identity numbers and addresses.
pub(crate) fn redact(text: &str) -> String {
    talkif_rules::redact::redact(&storable(text))
}

/// `text` without NUL, which Postgres stores in no text: one in a model's answer must not cost
/// the whole outcome.
pub(crate) fn storable(text: &str) -> String {
    text.replace('\0', "")
}

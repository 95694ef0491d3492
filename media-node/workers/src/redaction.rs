//! Redaction before storage.

/// `text` without card numbers, identity numbers and addresses. NUL, which Postgres cannot
/// store in text, goes too.
pub(crate) fn redact(text: &str) -> String {
    talkif_rules::redact::redact(&text.replace('\0', ""))
}

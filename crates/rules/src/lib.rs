//! Pure decisions: phones, consent, windows, retry, caps, routing, flows, redaction.

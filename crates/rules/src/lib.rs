//! Pure decisions: phones, consent, windows, retry, caps, routing, flows, redaction.

pub mod api_key;
pub mod artifact;
pub mod flow;
pub mod gate;
pub mod optout;
pub mod phone;
pub mod rate;
pub mod retry;
pub mod router;
pub mod secret;
pub mod signature;
pub mod template;
pub mod window;
pub mod zones;

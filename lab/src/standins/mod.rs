//! Stand-ins of the AI vendors.
//!
//! Each speaks its vendor's wire protocol, so that the product's own adapters run unchanged
//! against it, and works on real audio: the ear decodes the speech it is sent, the voice encodes
//! the text it is given. They check what the vendor checks (keys, parameters, message order),
//! because a client that the stand-in forgives would fail in production.
//!
//! They share [`Vendors`]: delays, ordered faults and the key they accept. They know nothing of
//! the phones.
//!
//! To add a vendor: a folder with its routes, a [`Vendor`] for its faults, and its routes in
//! [`routes`].

mod cartesia;
mod deepgram;
mod delays;
mod faults;
mod openai;

use axum::Router;
use base64::Engine;
use std::sync::Arc;

pub use delays::Delays;
pub use faults::{Fault, FaultKind, Faults, Vendor};

/// The voice of the text-to-speech stand-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VoiceKind {
    /// Text carried as audio: the lab's phones and ears understand it.
    #[default]
    Modem,
    /// espeak-ng: people with a softphone understand it, the lab's ears do not.
    Espeak,
}

/// What the stand-ins share.
#[derive(Debug)]
pub struct Vendors {
    /// How long they take.
    pub delays: Delays,
    /// What goes wrong.
    pub faults: Faults,
    /// The key they accept; `None` accepts any that is not empty.
    pub key: Option<String>,
    /// How the voice sounds.
    pub voice: VoiceKind,
}

impl Vendors {
    fn accepts(&self, key: Option<&str>) -> bool {
        key.is_some_and(|key| !key.is_empty() && self.key.as_deref().is_none_or(|wanted| wanted == key))
    }
}

/// The routes of all stand-ins.
pub fn routes(vendors: Arc<Vendors>) -> Router {
    Router::new()
        .merge(deepgram::routes())
        .merge(openai::routes())
        .merge(cartesia::routes())
        .with_state(vendors)
}

/// The key of an `Authorization` header with one of these schemes.
fn authorization<'a>(headers: &'a http::HeaderMap, schemes: &[&str]) -> Option<&'a str> {
    let (scheme, key) = headers.get(http::header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    schemes.iter().any(|s| s.eq_ignore_ascii_case(scheme)).then(|| key.trim())
}

/// A random identifier in the shape of a UUID.
fn request_id() -> String {
    let hex = format!("{:032x}", rand::random::<u128>());
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn now_rfc3339() -> String {
    jiff::Timestamp::now().to_string()
}

fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

//! Digest authentication of callers (RFC 3261 section 22).

use super::config::InboundDigest;
use rsipstack::dialog::authenticate::verify_digest;
use rsipstack::sip::prelude::HeadersExt;
use rsipstack::sip::typed::Authorization;
use rsipstack::sip::{Header, Request};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A challenge can be answered this long.
const NONCE_LIFE: Duration = Duration::from_secs(60);
/// Challenges open at once; the oldest make room.
const MAX_NONCES: usize = 4_096;

/// Challenges and checks.
#[derive(Debug)]
pub(super) struct Authenticator {
    digest: InboundDigest,
    nonces: Mutex<HashMap<String, Instant>>,
}

impl Authenticator {
    pub(super) fn new(digest: InboundDigest) -> Self {
        Self { digest, nonces: Mutex::default() }
    }

    /// Whether the request proves the credentials, answering one of our challenges. A challenge
    /// works once.
    pub(super) fn admits(&self, request: &Request) -> bool {
        let Some(header) = request.authorization_header() else { return false };
        let Ok(authorization) = Authorization::parse(header.value()) else { return false };
        let InboundDigest { realm, username, password } = &self.digest;
        authorization.username == *username
            && authorization.realm == *realm
            && self.redeem(&authorization.nonce)
            && verify_digest(&authorization, password, &request.method, header.value())
    }

    /// A fresh challenge.
    pub(super) fn challenge(&self) -> Header {
        let nonce = uuid::Uuid::from_u128(rand::random()).simple().to_string();
        let value =
            format!(r#"Digest realm="{}", nonce="{nonce}", algorithm=MD5, qop="auth""#, self.digest.realm);
        self.remember(nonce);
        Header::WwwAuthenticate(value.into())
    }

    fn redeem(&self, nonce: &str) -> bool {
        self.nonces().remove(nonce).is_some_and(|made| made.elapsed() < NONCE_LIFE)
    }

    fn remember(&self, nonce: String) {
        let mut nonces = self.nonces();
        if nonces.len() >= MAX_NONCES {
            nonces.retain(|_, made| made.elapsed() < NONCE_LIFE / 4);
        }
        if nonces.len() < MAX_NONCES {
            nonces.insert(nonce, Instant::now());
        }
    }

    fn nonces(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.nonces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

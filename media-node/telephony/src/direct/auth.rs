//! Digest authentication of callers (RFC 3261 section 22).
//!
//! A challenge is its own proof of origin: it carries its age and a keyed hash of it and of the
//! source. Nothing is kept of challenges that were sent, so that asking for many of them costs
//! the honest callers none. Only those that were answered rightly are kept, until they expire.

use super::config::InboundDigest;
use rsipstack::dialog::authenticate::verify_digest;
use rsipstack::sip::prelude::HeadersExt;
use rsipstack::sip::typed::Authorization;
use rsipstack::sip::{Header, Request};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A challenge can be answered this long.
const NONCE_LIFE: Duration = Duration::from_secs(60);

/// Challenges and checks.
#[derive(Debug)]
pub(super) struct Authenticator {
    digest: InboundDigest,
    started: Instant,
    secrets: [RandomState; 2],
    redeemed: Mutex<HashMap<String, Duration>>,
}

impl Authenticator {
    pub(super) fn new(digest: InboundDigest) -> Self {
        Self { digest, started: Instant::now(), secrets: Default::default(), redeemed: Mutex::default() }
    }

    /// Whether the request proves the credentials, answering a challenge we gave to `source`. A
    /// challenge works once.
    pub(super) fn admits(&self, request: &Request, source: IpAddr) -> bool {
        let Some(header) = request.authorization_header() else { return false };
        let Ok(authorization) = Authorization::parse(header.value()) else { return false };
        let InboundDigest { realm, username, password } = &self.digest;
        authorization.username == *username
            && authorization.realm == *realm
            && self.is_fresh(&authorization.nonce, source)
            && verify_digest(&authorization, password, &request.method, header.value())
            && self.redeem(&authorization.nonce)
    }

    /// A fresh challenge.
    pub(super) fn challenge(&self, source: IpAddr) -> Header {
        let (realm, nonce) = (&self.digest.realm, self.nonce(self.started.elapsed(), source));
        let value = format!(r#"Digest realm="{realm}", nonce="{nonce}", algorithm=MD5, qop="auth""#);
        Header::WwwAuthenticate(value.into())
    }

    /// `age at which it was made . proof`.
    fn nonce(&self, made: Duration, source: IpAddr) -> String {
        let made = made.as_nanos();
        let [a, b] = self.secrets.each_ref().map(|secret| secret.hash_one((made, source)));
        format!("{made:x}.{a:016x}{b:016x}")
    }

    fn is_fresh(&self, nonce: &str, source: IpAddr) -> bool {
        made(nonce).is_some_and(|made| {
            self.nonce(made, source) == nonce && self.started.elapsed().saturating_sub(made) < NONCE_LIFE
        })
    }

    /// True the first time. Expired challenges need not be remembered.
    fn redeem(&self, nonce: &str) -> bool {
        let now = self.started.elapsed();
        let mut redeemed = self.redeemed.lock().unwrap_or_else(PoisonError::into_inner);
        redeemed.retain(|_, made| now.saturating_sub(*made) < NONCE_LIFE);
        made(nonce).is_some_and(|made| redeemed.insert(nonce.to_owned(), made).is_none())
    }
}

fn made(nonce: &str) -> Option<Duration> {
    let (made, _) = nonce.split_once('.')?;
    u64::from_str_radix(made, 16).ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn authenticator() -> Authenticator {
        Authenticator::new(InboundDigest { realm: "r".into(), username: "u".into(), password: "p".into() })
    }

    #[test]
    fn a_challenge_is_ours_for_its_source_and_its_time() {
        let authenticator = authenticator();
        let nonce = authenticator.nonce(Duration::ZERO, CALLER);
        assert!(authenticator.is_fresh(&nonce, CALLER));
        assert!(!authenticator.is_fresh(&nonce, OTHER));
        assert!(!authenticator.is_fresh(&nonce.replace('.', "0."), CALLER), "another age");
        assert!(!authenticator.is_fresh("0.0", CALLER) && !authenticator.is_fresh("", CALLER));
        let later = Authenticator { started: Instant::now() - NONCE_LIFE, ..authenticator };
        assert!(!later.is_fresh(&nonce, CALLER));
    }

    #[test]
    fn a_challenge_works_once_and_floods_of_them_leave_nothing() {
        let authenticator = authenticator();
        for _ in 0..100_000 {
            authenticator.challenge(CALLER);
        }
        assert!(authenticator.redeemed.lock().unwrap().is_empty());
        let nonce = authenticator.nonce(Duration::ZERO, CALLER);
        assert!(authenticator.redeem(&nonce));
        assert!(!authenticator.redeem(&nonce));
    }
}

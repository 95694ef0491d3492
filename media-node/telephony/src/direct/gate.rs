//! Who may send us SIP, how much of it, and what strangers get to hear.
//!
//! A SIP port on the internet is scanned around the clock, so nothing reaches the stack that did
//! not pass three doors: `socket` drops datagrams before they are parsed, `streams` limits TCP
//! connections, and `door` answers whatever starts no call of ours at once and without a
//! transaction, so that a refused request leaves nothing behind.
//!
//! A source is **listed** by the configuration, a **peer** because we dialled it or are in a call
//! with it, or a **stranger**. Every source has a budget of messages; strangers share another one
//! on top, so that no number of them, real or forged, takes more than that.
//!
//! To change what an unadmitted request is told, see `door`; how much is let in, [`Limits`].

mod answer;
mod buckets;
mod door;
mod peers;
mod socket;
mod streams;

use super::config::{InboundPolicy, Limits};
use buckets::Buckets;
use ipnet::IpNet;
use peers::Peers;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

pub(super) use door::{Door, Refusal, names_a_call};
pub(super) use socket::{GuardedSocket, is_sound, looks_like_sip};
pub(super) use streams::Streams;

/// The decision for one node.
#[derive(Debug)]
pub(super) struct Gate {
    allow: Vec<IpNet>,
    anybody_may_prove: bool,
    limits: Limits,
    book: Mutex<Book>,
    dropped: AtomicU64,
}

#[derive(Debug)]
struct Book {
    buckets: Buckets,
    peers: Peers,
}

/// How a source stands with us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Named in the configuration: may call in.
    Listed,
    /// We dialled it, or it is in a call with us.
    Peer,
    /// Anybody else.
    Stranger,
}

impl Gate {
    pub(super) fn new(policy: &InboundPolicy, now: Instant) -> Self {
        Self {
            allow: policy.allow.clone(),
            anybody_may_prove: policy.allow.is_empty() && policy.digest.is_some(),
            limits: policy.limits,
            book: Mutex::new(Book { buckets: Buckets::new(&policy.limits, now), peers: Peers::default() }),
            dropped: AtomicU64::new(0),
        }
    }

    /// Whether calls from `source` are taken, if it also proves the credentials asked for.
    pub(super) fn may_call(&self, source: IpAddr) -> bool {
        self.anybody_may_prove || self.lists(source)
    }

    /// A source that is to be heard like a listed one, though it may not call.
    pub(super) fn note_peer(&self, source: IpAddr) {
        self.book().peers.note(source.to_canonical(), Instant::now());
    }

    pub(super) fn standing(&self, source: IpAddr) -> Standing {
        let source = source.to_canonical();
        match () {
            () if self.lists(source) => Standing::Listed,
            () if self.book().peers.knows(source, Instant::now()) => Standing::Peer,
            () => Standing::Stranger,
        }
    }

    /// Whether one more message of `source` fits its budget.
    pub(super) fn admits(&self, source: IpAddr) -> bool {
        let standing = self.standing(source);
        self.book().buckets.take(source.to_canonical(), standing, &self.limits, Instant::now())
    }

    pub(super) fn count_dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// Messages and connections turned away without an answer.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn lists(&self, source: IpAddr) -> bool {
        let source = source.to_canonical();
        self.allow.iter().any(|network| network.contains(&source))
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::direct::InboundDigest;

    fn gate(allow: &[&str], digest: bool) -> Gate {
        let digest = digest.then(|| InboundDigest {
            realm: "r".to_owned(),
            username: "u".to_owned(),
            password: "p".to_owned(),
        });
        let allow = allow.iter().map(|network| network.parse().unwrap()).collect();
        Gate::new(&InboundPolicy { allow, digest, ..InboundPolicy::default() }, Instant::now())
    }

    const CARRIER: &str = "192.0.2.7";
    const SCANNER: &str = "198.51.100.66";

    #[test]
    fn by_default_only_this_machine_may_call() {
        let gate = Gate::new(&InboundPolicy::default(), Instant::now());
        assert!(gate.may_call("127.0.0.1".parse().unwrap()));
        assert!(gate.may_call("::1".parse().unwrap()));
        assert!(!gate.may_call(SCANNER.parse().unwrap()));
    }

    #[test]
    fn an_empty_list_means_nobody_or_with_a_password_anybody_who_proves_it() {
        assert!(!gate(&[], false).may_call(SCANNER.parse().unwrap()));
        assert!(gate(&[], true).may_call(SCANNER.parse().unwrap()));
        assert!(!gate(&["192.0.2.0/24"], true).may_call(SCANNER.parse().unwrap()));
    }

    #[test]
    fn an_ipv4_source_that_comes_through_an_ipv6_socket_is_the_same_source() {
        assert!(gate(&["192.0.2.0/24"], false).may_call("::ffff:192.0.2.7".parse().unwrap()));
    }

    #[test]
    fn a_dialled_source_is_a_peer_but_may_not_call() {
        let gate = gate(&[], false);
        let carrier = CARRIER.parse().unwrap();
        assert_eq!(gate.standing(carrier), Standing::Stranger);
        gate.note_peer(carrier);
        assert_eq!(gate.standing(carrier), Standing::Peer);
        assert!(!gate.may_call(carrier));
    }
}

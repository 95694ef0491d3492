//! Symmetric RTP: whose packets are taken, and where ours go back to.
//!
//! Behind an address translator the far end's packets come from another port, sometimes another
//! address, than its description says; ours must go where they come from. But a stranger who
//! guesses the port must not take over the call.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// The described host gets this much time to send before anybody else may be latched on to.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// A latched source that has been silent this long may be replaced.
const ABANDONED: Duration = Duration::from_secs(3);

/// The decision for one call.
#[derive(Debug, Default)]
pub(super) struct Latch {
    expected: Option<IpAddr>,
    since: Option<Instant>,
    source: Option<Source>,
}

#[derive(Debug, Clone, Copy)]
struct Source {
    address: SocketAddr,
    last: Instant,
}

impl Latch {
    /// A description names the host that will send. A new host starts the decision afresh; the
    /// same one keeps the source that was found.
    pub(super) fn expect(&mut self, host: Option<IpAddr>, now: Instant) {
        if self.expected != host {
            *self = Self { expected: host, since: Some(now), source: None };
        }
    }

    /// Whether a packet from `from` belongs to the call.
    pub(super) fn admits(&mut self, from: SocketAddr, now: Instant) -> bool {
        let admitted = match self.source {
            Some(source) if source.address == from => true,
            Some(source) => self.is_expected(from) && now.duration_since(source.last) > ABANDONED,
            None => self.is_expected(from) || self.nobody_came(now),
        };
        if admitted {
            self.source = Some(Source { address: from, last: now });
        }
        admitted
    }

    /// Where the call's packets come from.
    pub(super) fn source(&self) -> Option<SocketAddr> {
        self.source.map(|source| source.address)
    }

    fn is_expected(&self, from: SocketAddr) -> bool {
        self.expected == Some(from.ip())
    }

    fn nobody_came(&self, now: Instant) -> bool {
        self.since.is_some_and(|since| now.duration_since(since) > PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: [u8; 4] = [192, 0, 2, 1];
    const STRANGER: [u8; 4] = [198, 51, 100, 66];

    fn expecting(host: [u8; 4]) -> (Latch, Instant) {
        let (mut latch, now) = (Latch::default(), Instant::now());
        latch.expect(Some(host.into()), now);
        (latch, now)
    }

    fn from(host: [u8; 4], port: u16) -> SocketAddr {
        SocketAddr::from((host, port))
    }

    #[test]
    fn the_described_host_is_latched_on_to_whatever_its_port() {
        let (mut latch, now) = expecting(HOST);
        assert!(latch.admits(from(HOST, 33_333), now));
        assert_eq!(latch.source(), Some(from(HOST, 33_333)));
    }

    #[test]
    fn strangers_are_ignored_before_and_after() {
        let (mut latch, now) = expecting(HOST);
        assert!(!latch.admits(from(STRANGER, 4_000), now));
        assert!(latch.admits(from(HOST, 4_000), now));
        let later = now + Duration::from_secs(60);
        assert!(!latch.admits(from(STRANGER, 4_000), later));
        assert_eq!(latch.source(), Some(from(HOST, 4_000)));
    }

    #[test]
    fn behind_an_address_translator_the_only_sender_is_taken_after_a_while() {
        let (mut latch, now) = expecting([10, 0, 0, 5]);
        assert!(!latch.admits(from(STRANGER, 4_000), now));
        assert!(latch.admits(from(STRANGER, 4_000), now + Duration::from_secs(2)));
        assert!(!latch.admits(from(HOST, 4_000), now + Duration::from_secs(2)));
    }

    #[test]
    fn a_new_description_moves_the_call_and_a_repeated_one_does_not() {
        let (mut latch, now) = expecting(HOST);
        assert!(latch.admits(from(HOST, 4_000), now));
        latch.expect(Some(HOST.into()), now);
        assert_eq!(latch.source(), Some(from(HOST, 4_000)));
        latch.expect(Some(STRANGER.into()), now);
        assert!(!latch.admits(from(HOST, 4_000), now));
        assert!(latch.admits(from(STRANGER, 5_000), now));
    }

    #[test]
    fn a_far_end_that_restarts_on_another_port_is_found_again() {
        let (mut latch, now) = expecting(HOST);
        assert!(latch.admits(from(HOST, 4_000), now));
        assert!(!latch.admits(from(HOST, 4_002), now + Duration::from_secs(1)));
        assert!(latch.admits(from(HOST, 4_002), now + Duration::from_secs(5)));
    }

    #[test]
    fn before_any_description_nothing_is_taken() {
        assert!(!Latch::default().admits(from(HOST, 1), Instant::now()));
    }
}

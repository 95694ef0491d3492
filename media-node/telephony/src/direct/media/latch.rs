//! Symmetric RTP: whose packets are taken, and where ours go back to.
//!
//! Behind an address translator the far end's packets come from another port, sometimes another
//! address, than its description says; ours must go where they come from. But a stranger who
//! guesses the port must not take over the call. So the described address always wins, the
//! described host comes next, and anybody else is believed only if the described host stays
//! silent at the start and the stranger sends an unbroken stream of what was agreed on. Once
//! somebody is believed, only the far end itself can change that.

use std::net::SocketAddr;
use std::time::{Duration, Instant};
use talkif_media::rtp::Header;

/// The described host gets this much time to send before anybody else may be latched on to.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// A latched source that has been silent this long may be replaced.
const ABANDONED: Duration = Duration::from_secs(3);
/// Packets in a row that a source must send which nobody announced.
const PROBATION: u16 = 5;
/// A candidate that pauses longer than this makes room for another one.
const CANDIDATE_PAUSE: Duration = Duration::from_millis(200);

/// Who is to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Expected {
    /// Nobody yet, or nobody at present: the call is on hold.
    #[default]
    Nobody,
    /// Who was described.
    Source(SocketAddr),
    /// The description gave a name in place of an address.
    Anybody,
}

/// The decision for one call.
#[derive(Debug, Default)]
pub(super) struct Latch {
    expected: Expected,
    since: Option<Instant>,
    source: Option<Source>,
    candidate: Option<Candidate>,
}

#[derive(Debug, Clone, Copy)]
struct Source {
    address: SocketAddr,
    last: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    source: Source,
    ssrc: u32,
    sequence: u16,
    packets: u16,
}

impl Latch {
    /// A description names who will send. Another address starts the decision afresh; the same
    /// one keeps the source that was found, and so does a hold.
    pub(super) fn expect(&mut self, expected: Expected, now: Instant) {
        let changes = expected != Expected::Nobody && self.expected != expected;
        if changes {
            *self = Self { expected, since: Some(now), ..Self::default() };
        }
    }

    /// Whether a packet from `from` belongs to the call. `agreed`: it carries what was agreed on.
    pub(super) fn admits(&mut self, from: SocketAddr, header: Header, agreed: bool, now: Instant) -> bool {
        let admitted = match self.source {
            Some(source) if source.address == from => true,
            _ if !agreed => false,
            Some(source) => self.may_replace(source, from, now),
            None => self.is_described_host(from) || self.passes_probation(from, header, now),
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

    fn may_replace(&self, source: Source, from: SocketAddr, now: Instant) -> bool {
        let same_host = self.is_described_host(from) || source.address.ip() == from.ip();
        let abandoned = now.duration_since(source.last) > ABANDONED;
        self.expected == Expected::Source(from) || (same_host && abandoned)
    }

    fn is_described_host(&self, from: SocketAddr) -> bool {
        matches!(self.expected, Expected::Source(described) if described.ip() == from.ip())
    }

    fn passes_probation(&mut self, from: SocketAddr, header: Header, now: Instant) -> bool {
        if self.since.is_none_or(|since| now.duration_since(since) <= PATIENCE) {
            return false;
        }
        let packets = match self.candidate {
            Some(candidate) if candidate.is_continued_by(from, header) => candidate.packets + 1,
            Some(candidate)
                if candidate.source.address != from
                    && now.duration_since(candidate.source.last) < CANDIDATE_PAUSE =>
            {
                return false;
            }
            _ => 1,
        };
        let source = Source { address: from, last: now };
        let Header { ssrc, sequence, .. } = header;
        self.candidate = Some(Candidate { source, ssrc, sequence, packets });
        packets >= PROBATION
    }
}

impl Candidate {
    fn is_continued_by(&self, from: SocketAddr, header: Header) -> bool {
        self.source.address == from
            && self.ssrc == header.ssrc
            && self.sequence.wrapping_add(1) == header.sequence
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: [u8; 4] = [192, 0, 2, 1];
    const STRANGER: [u8; 4] = [198, 51, 100, 66];
    const LATER: Duration = Duration::from_secs(2);

    fn from(host: [u8; 4], port: u16) -> SocketAddr {
        SocketAddr::from((host, port))
    }

    fn expecting(host: [u8; 4]) -> (Latch, Instant) {
        let (mut latch, now) = (Latch::default(), Instant::now());
        latch.expect(Expected::Source(from(host, 4_000)), now);
        (latch, now)
    }

    fn numbered(sequence: u16) -> Header {
        Header { sequence, ssrc: 9, ..Header::default() }
    }

    fn admits(latch: &mut Latch, from: SocketAddr, now: Instant) -> bool {
        latch.admits(from, numbered(0), true, now)
    }

    /// Ten packets in a row; how many are taken.
    fn stream(latch: &mut Latch, from: SocketAddr, now: Instant) -> usize {
        (0..10).filter(|n| latch.admits(from, numbered(*n), true, now)).count()
    }

    #[test]
    fn the_described_host_is_latched_on_to_whatever_its_port() {
        let (mut latch, now) = expecting(HOST);
        assert!(admits(&mut latch, from(HOST, 33_333), now));
        assert_eq!(latch.source(), Some(from(HOST, 33_333)));
    }

    #[test]
    fn strangers_are_ignored_before_and_after() {
        let (mut latch, now) = expecting(HOST);
        assert_eq!(stream(&mut latch, from(STRANGER, 4_000), now), 0);
        assert!(admits(&mut latch, from(HOST, 4_000), now));
        let later = now + Duration::from_secs(60);
        assert_eq!(stream(&mut latch, from(STRANGER, 4_000), later), 0, "not even after a long silence");
        assert_eq!(latch.source(), Some(from(HOST, 4_000)));
    }

    #[test]
    fn behind_an_address_translator_the_only_steady_sender_is_taken_after_a_while() {
        let (mut latch, now) = expecting([10, 0, 0, 5]);
        assert_eq!(stream(&mut latch, from(STRANGER, 4_000), now), 0);
        assert_eq!(stream(&mut latch, from(STRANGER, 4_000), now + LATER), 6, "after four on probation");
        assert_eq!(stream(&mut latch, from(HOST, 4_000), now + LATER), 0);
    }

    #[test]
    fn scattered_packets_and_unknown_codecs_are_never_latched_on_to() {
        let (mut latch, now) = expecting([10, 0, 0, 5]);
        for sequence in (0..100).step_by(3) {
            assert!(!latch.admits(from(STRANGER, 4_000), numbered(sequence), true, now + LATER));
        }
        for sequence in 0..100 {
            assert!(!latch.admits(from(STRANGER, 4_000), numbered(sequence), false, now + LATER));
        }
    }

    #[test]
    fn a_noisy_candidate_does_not_keep_a_steady_one_out_for_long() {
        let (mut latch, now) = expecting([10, 0, 0, 5]);
        assert!(!latch.admits(from(HOST, 1), numbered(7), true, now + LATER));
        assert_eq!(stream(&mut latch, from(STRANGER, 4_000), now + LATER), 0);
        assert_eq!(stream(&mut latch, from(STRANGER, 4_000), now + LATER + CANDIDATE_PAUSE), 6);
    }

    #[test]
    fn a_new_description_moves_the_call_and_a_repeated_one_does_not() {
        let (mut latch, now) = expecting(HOST);
        assert!(admits(&mut latch, from(HOST, 4_000), now));
        latch.expect(Expected::Source(from(HOST, 4_000)), now);
        assert_eq!(latch.source(), Some(from(HOST, 4_000)));
        latch.expect(Expected::Source(from(STRANGER, 5_000)), now);
        assert!(!admits(&mut latch, from(HOST, 4_000), now));
        assert!(admits(&mut latch, from(STRANGER, 5_000), now));
    }

    #[test]
    fn a_new_port_of_the_same_host_is_heard_at_once() {
        let (mut latch, now) = expecting(HOST);
        assert!(admits(&mut latch, from(HOST, 4_000), now));
        latch.expect(Expected::Source(from(HOST, 4_800)), now);
        assert!(admits(&mut latch, from(HOST, 4_800), now));
        assert_eq!(latch.source(), Some(from(HOST, 4_800)));
    }

    #[test]
    fn late_packets_of_an_old_call_give_way_to_the_described_source() {
        let (mut latch, now) = expecting(HOST);
        assert!(admits(&mut latch, from(HOST, 3_500), now), "the carrier's old call, on a reused port");
        assert!(admits(&mut latch, from(HOST, 4_000), now));
        assert!(!admits(&mut latch, from(HOST, 3_500), now));
        assert_eq!(latch.source(), Some(from(HOST, 4_000)));
    }

    #[test]
    fn a_hold_keeps_the_source_and_lets_in_nobody_else() {
        let (mut latch, now) = expecting(HOST);
        assert!(admits(&mut latch, from(HOST, 4_000), now));
        latch.expect(Expected::Nobody, now);
        assert_eq!(stream(&mut latch, from(STRANGER, 1), now + Duration::from_secs(60)), 0);
        assert!(admits(&mut latch, from(HOST, 4_000), now + Duration::from_secs(60)));
    }

    #[test]
    fn a_far_end_that_restarts_on_another_port_is_found_again() {
        let (mut latch, now) = expecting(HOST);
        assert!(admits(&mut latch, from(HOST, 4_001), now));
        assert!(!admits(&mut latch, from(HOST, 4_002), now + Duration::from_secs(1)));
        assert!(admits(&mut latch, from(HOST, 4_002), now + Duration::from_secs(5)));
    }

    #[test]
    fn a_translator_that_forgets_its_port_is_found_again() {
        let (mut latch, now) = expecting([10, 0, 0, 5]);
        stream(&mut latch, from(STRANGER, 4_000), now + LATER);
        assert_eq!(latch.source(), Some(from(STRANGER, 4_000)));
        assert!(admits(&mut latch, from(STRANGER, 4_777), now + LATER + Duration::from_secs(4)));
    }

    #[test]
    fn a_described_name_lets_a_steady_sender_in() {
        let (mut latch, now) = (Latch::default(), Instant::now());
        latch.expect(Expected::Anybody, now);
        assert_eq!(stream(&mut latch, from(HOST, 4_000), now + LATER), 6);
    }

    #[test]
    fn before_any_description_nothing_is_taken() {
        let (mut latch, now) = (Latch::default(), Instant::now());
        assert_eq!(stream(&mut latch, from(HOST, 1), now + LATER), 0);
    }
}

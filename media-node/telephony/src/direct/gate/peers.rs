//! Sources we have business with, though the configuration does not name them: trunks we dialled.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Peers remembered at once; the one unheard of longest makes room.
const MAX_PEERS: usize = 1_024;
/// Longer than any call.
const REMEMBERED: Duration = Duration::from_secs(24 * 3_600);

#[derive(Debug, Default)]
pub(super) struct Peers(HashMap<IpAddr, Instant>);

impl Peers {
    pub(super) fn note(&mut self, peer: IpAddr, now: Instant) {
        if self.0.len() >= MAX_PEERS && !self.0.contains_key(&peer) {
            let oldest = self.0.iter().min_by_key(|(_, noted)| **noted).map(|(peer, _)| *peer);
            oldest.and_then(|oldest| self.0.remove(&oldest));
        }
        self.0.insert(peer, now);
    }

    pub(super) fn knows(&self, peer: IpAddr, now: Instant) -> bool {
        self.0.get(&peer).is_some_and(|noted| now.saturating_duration_since(*noted) < REMEMBERED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_peer_makes_room_and_old_ones_are_forgotten() {
        let (mut peers, start) = (Peers::default(), Instant::now());
        let peer = |n: u32| IpAddr::from(n.to_be_bytes());
        for n in 0..=1_024 {
            peers.note(peer(n), start + Duration::from_millis(u64::from(n)));
        }
        assert_eq!(peers.0.len(), MAX_PEERS);
        assert!(!peers.knows(peer(0), start));
        assert!(peers.knows(peer(1), start) && peers.knows(peer(1_024), start));
        assert!(!peers.knows(peer(5), start + REMEMBERED + Duration::from_secs(1)));
    }
}

//! Token buckets: one for each source and one that all strangers share.

use super::Standing;
use crate::direct::config::Limits;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// A bucket holds what flows in during so many seconds.
const BURST_S: f64 = 2.0;
/// Sources remembered at once. Strangers cannot fill it: see [`Buckets::take`].
const MAX_SOURCES: usize = 4_096;
/// A source this long silent has a full bucket again and need not be remembered.
const FORGOTTEN: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Buckets {
    strangers: Bucket,
    sources: HashMap<IpAddr, Bucket>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Buckets {
    pub(super) fn new(limits: &Limits, now: Instant) -> Self {
        Self { strangers: Bucket::full(limits.strangers_per_second, now), sources: HashMap::new() }
    }

    /// Takes a token for a message. A stranger needs one of its own and one of all strangers';
    /// the latter is looked at first, so that forged sources cost neither memory nor time.
    pub(super) fn take(&mut self, source: IpAddr, standing: Standing, limits: &Limits, now: Instant) -> bool {
        if standing != Standing::Stranger {
            return self.of(source, limits.messages_per_second, now);
        }
        self.strangers.has(limits.strangers_per_second, now)
            && self.of(source, limits.messages_per_stranger, now)
            && self.strangers.take(limits.strangers_per_second, now)
    }

    fn of(&mut self, source: IpAddr, rate: u32, now: Instant) -> bool {
        let source = network(source);
        if self.sources.len() >= MAX_SOURCES && !self.sources.contains_key(&source) {
            self.sources.retain(|_, bucket| now.saturating_duration_since(bucket.at) < FORGOTTEN);
            if self.sources.len() >= MAX_SOURCES {
                return false;
            }
        }
        self.sources.entry(source).or_insert_with(|| Bucket::full(rate, now)).take(rate, now)
    }
}

/// Whoever has one IPv6 address has 2^64 of them.
fn network(source: IpAddr) -> IpAddr {
    match source {
        IpAddr::V4(_) => source,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

impl Bucket {
    fn full(rate: u32, now: Instant) -> Self {
        Self { left: f64::from(rate) * BURST_S, at: now }
    }

    /// Lets flow in what is due, and says whether there is a token.
    fn has(&mut self, rate: u32, now: Instant) -> bool {
        let rate = f64::from(rate);
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * rate;
        self.left = (self.left + gained).min(rate * BURST_S);
        self.at = now;
        self.left >= 1.0
    }

    fn take(&mut self, rate: u32, now: Instant) -> bool {
        let has = self.has(rate, now);
        if has {
            self.left -= 1.0;
        }
        has
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        messages_per_second: 50,
        messages_per_stranger: 5,
        strangers_per_second: 20,
        ..Limits::DEFAULT
    };

    fn address(n: u32) -> IpAddr {
        IpAddr::from((0xc633_6400 + n).to_be_bytes())
    }

    fn taken(buckets: &mut Buckets, source: IpAddr, standing: Standing, times: usize, now: Instant) -> usize {
        (0..times).filter(|_| buckets.take(source, standing, &LIMITS, now)).count()
    }

    #[test]
    fn a_source_gets_a_burst_and_then_its_rate() {
        let now = Instant::now();
        let mut buckets = Buckets::new(&LIMITS, now);
        assert_eq!(taken(&mut buckets, address(1), Standing::Listed, 1_000, now), 100);
        let later = now + Duration::from_secs(1);
        assert_eq!(taken(&mut buckets, address(1), Standing::Listed, 1_000, later), 50);
    }

    #[test]
    fn many_strangers_share_one_budget_and_do_not_touch_known_sources() {
        let now = Instant::now();
        let mut buckets = Buckets::new(&LIMITS, now);
        let all: usize =
            (0..10_000).map(|n| taken(&mut buckets, address(n), Standing::Stranger, 2, now)).sum();
        assert_eq!(all, 40);
        assert!(buckets.sources.len() <= 41, "refused strangers are not remembered");
        assert_eq!(taken(&mut buckets, address(77_777), Standing::Peer, 10, now), 10);
    }

    #[test]
    fn one_noisy_stranger_leaves_room_for_another() {
        let now = Instant::now();
        let mut buckets = Buckets::new(&LIMITS, now);
        assert_eq!(taken(&mut buckets, address(1), Standing::Stranger, 1_000, now), 10);
        assert_eq!(taken(&mut buckets, address(2), Standing::Stranger, 5, now), 5);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_forgotten_again() {
        let now = Instant::now();
        let mut buckets = Buckets::new(&LIMITS, now);
        for n in 0..10_000 {
            buckets.take(address(n), Standing::Listed, &LIMITS, now);
        }
        assert_eq!(buckets.sources.len(), MAX_SOURCES);
        assert!(buckets.take(address(99_999), Standing::Listed, &LIMITS, now + FORGOTTEN));
        assert_eq!(buckets.sources.len(), 1);
    }

    #[test]
    fn a_whole_ipv6_network_is_one_source() {
        let now = Instant::now();
        let mut buckets = Buckets::new(&LIMITS, now);
        let of = |n: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, n]);
        let all: usize = (0..100).map(|n| taken(&mut buckets, of(n), Standing::Stranger, 1, now)).sum();
        assert_eq!(all, 10);
    }
}

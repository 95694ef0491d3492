//! Chance that is the same on every machine for the same seed (SplitMix64).

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of `from..=to`.
    pub(super) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.next() % (to - from + 1)
    }

    /// True once in `n` times.
    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.next().is_multiple_of(n)
    }

    /// All of `cards` in another order.
    pub(super) fn shuffled<T: Copy>(&mut self, cards: &[T]) -> Vec<T> {
        let mut cards = cards.to_vec();
        for last in (1..cards.len()).rev() {
            cards.swap(last, self.between(0, last as u64) as usize);
        }
        cards
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            (0..5).map(|_| random.between(0, 999)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert!(draw(7).iter().all(|number| *number < 1_000));
    }

    #[test]
    fn shuffling_loses_no_card() {
        let mut cards = Random::new(3).shuffled(&[1, 2, 3, 4, 5]);
        cards.sort_unstable();
        assert_eq!(cards, [1, 2, 3, 4, 5]);
    }
}

//! Rate limits by the generic cell rate algorithm.
//!
//! A bucket of `burst` tokens refills by one token each `interval`. Its whole state is one
//! time: when the bucket will be full again. The same arithmetic is here in Rust, for tests and
//! for limits within one process, and as [`GCRA_LUA`] for Redis, where all instances of a
//! region share it in one round trip.

/// A limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Tokens in a full bucket.
    pub burst: u32,
    /// Microseconds in which one token comes back.
    pub interval_us: u32,
}

/// Leads of one account: 120 a minute for ever, and out of a full bucket the 300 that 30 seconds
/// at 600 a minute are, however they are spread over those seconds.
pub const LEADS: Limit = Limit { burst: 300, interval_us: 500_000 };

/// Leads of one account that come in lists, which have a bucket of their own: two full lists at
/// once, and one a minute for ever.
pub const LISTED_LEADS: Limit = Limit { burst: 2_000, interval_us: 60_000 };

/// When the bucket will be full again, in microseconds on the clock of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct State(pub i64);

/// What the limit says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Go on, and keep the new state.
    Allowed {
        /// To be kept.
        new_state: State,
        /// Tokens left.
        remaining: u32,
    },
    /// Not now. The state stays as it was.
    Denied {
        /// Microseconds until the same question is answered differently.
        retry_after_us: i64,
    },
}

/// Takes `cost` tokens at `now_us`; `state` is `None` for a bucket that was never used. A cost
/// above the burst is always denied.
#[must_use]
pub fn check(limit: Limit, state: Option<State>, now_us: i64, cost: u32) -> Verdict {
    let interval = i64::from(limit.interval_us);
    let capacity = i64::from(limit.burst) * interval;
    let full_at = state.map_or(now_us, |State(at)| at.max(now_us));
    let full_at = full_at.saturating_add(i64::from(cost) * interval);
    let missing = full_at.saturating_sub(now_us);
    if missing > capacity {
        return Verdict::Denied { retry_after_us: missing - capacity };
    }
    let remaining = u32::try_from((capacity - missing) / interval.max(1)).unwrap_or(0);
    Verdict::Allowed { new_state: State(full_at), remaining }
}

/// [`check`] for Redis.
///
/// `KEYS[1]` is the bucket. `ARGV` is burst, interval in microseconds, cost. The clock is
/// Redis' own. The answer is three integers, because Spin's Redis interface knows no nested
/// ones: allowed (1 or 0), tokens remaining, milliseconds to wait. The key expires when its
/// bucket is full, so an idle account costs nothing.
pub const GCRA_LUA: &str = r"
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local burst = tonumber(ARGV[1])
local interval = tonumber(ARGV[2])
local capacity = burst * interval
local full_at = tonumber(redis.call('GET', KEYS[1]) or now)
if full_at < now then full_at = now end
full_at = full_at + tonumber(ARGV[3]) * interval
local missing = full_at - now
if missing > capacity then
  return {0, 0, math.ceil((missing - capacity) / 1000)}
end
redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.max(1, math.ceil(missing / 1000)))
return {1, math.floor((capacity - missing) / interval), 0}
";

/// The script's arguments for `limit` and `cost`.
#[must_use]
pub fn lua_arguments(limit: Limit, cost: u32) -> [String; 3] {
    [limit.burst.to_string(), limit.interval_us.to_string(), cost.to_string()]
}

/// The `Retry-After` header for a wait: whole seconds, rounded up, at least one.
#[must_use]
pub const fn retry_after_s(wait_ms: i64) -> i64 {
    let seconds = wait_ms.saturating_add(999) / 1000;
    if seconds < 1 { 1 } else { seconds }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: i64 = 1_000_000;

    /// Asks once at each of `times` and counts what was allowed.
    fn allowed(times: impl Iterator<Item = i64>) -> u32 {
        let mut state = None;
        let mut count = 0;
        for now in times {
            if let Verdict::Allowed { new_state, .. } = check(LEADS, state, now, 1) {
                state = Some(new_state);
                count += 1;
            }
        }
        count
    }

    #[test]
    fn six_hundred_a_minute_pass_for_thirty_seconds() {
        let paced = |n: i64| n * SECOND / 10;
        assert_eq!(allowed((0..=300).map(paced)), 301);
        // At that pace the bucket lasts 37 seconds; after that only what comes back gets through.
        assert_eq!(allowed((0..=600).map(paced)), 300 + 120);
    }

    #[test]
    fn thirty_seconds_of_the_burst_may_come_in_one_instant() {
        assert_eq!(allowed(std::iter::repeat_n(0, 301)), 300);
        // Half now, half at the end of the 30 seconds.
        let halves = std::iter::repeat_n(0, 150).chain(std::iter::repeat_n(30 * SECOND, 150));
        assert_eq!(allowed(halves), 300);
    }

    #[test]
    fn one_hundred_twenty_a_minute_pass_for_ever() {
        assert_eq!(allowed((0..7200).map(|n| n * SECOND / 2)), 7200);
    }

    #[test]
    fn a_full_bucket_gives_its_burst_at_once_and_then_says_when() {
        assert_eq!(allowed(std::iter::repeat_n(0, 1000)), 300);
        let empty = State(300 * SECOND / 2);
        assert_eq!(check(LEADS, Some(empty), 0, 1), Verdict::Denied { retry_after_us: SECOND / 2 });
        assert_eq!(
            check(LEADS, Some(empty), SECOND / 2, 1),
            Verdict::Allowed { new_state: State(empty.0 + SECOND / 2), remaining: 0 }
        );
    }

    #[test]
    fn a_batch_costs_its_size() {
        let Verdict::Allowed { remaining, .. } = check(LEADS, None, 0, 200) else { panic!("300 are there") };
        assert_eq!(remaining, 100);
        assert!(matches!(check(LEADS, None, 0, 301), Verdict::Denied { .. }));
    }

    #[test]
    fn two_full_lists_pass_at_once_and_one_a_minute_after_that() {
        let Verdict::Allowed { new_state, .. } = check(LISTED_LEADS, None, 0, 2_000) else { panic!() };
        let wait = 60 * SECOND;
        assert_eq!(check(LISTED_LEADS, Some(new_state), 0, 1_000), Verdict::Denied { retry_after_us: wait });
        assert!(matches!(check(LISTED_LEADS, Some(new_state), wait, 1_000), Verdict::Allowed { .. }));
    }

    #[test]
    fn waiting_is_told_in_whole_seconds() {
        for (ms, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (59_999, 60)] {
            assert_eq!(retry_after_s(ms), seconds);
        }
    }

    proptest! {
        #[test]
        fn no_window_ever_passes_more_than_burst_and_refill(
            steps in proptest::collection::vec(0_i64..2 * SECOND, 1..400),
        ) {
            let mut now = 0;
            let times: Vec<i64> = steps.iter().map(|step| { now += step; now }).collect();
            let passed = i64::from(allowed(times.iter().copied()));
            let span = now - times.first().copied().unwrap_or(0);
            prop_assert!(passed <= 300 + span / 500_000);
        }

        #[test]
        fn after_the_told_wait_the_answer_is_yes(full_in in 0_i64..400 * SECOND, cost in 1_u32..=300) {
            if let Verdict::Denied { retry_after_us } = check(LEADS, Some(State(full_in)), 0, cost) {
                let again = check(LEADS, Some(State(full_in)), retry_after_us, cost);
                prop_assert!(matches!(again, Verdict::Allowed { .. }), "{again:?}");
                let early = check(LEADS, Some(State(full_in)), retry_after_us - 1, cost);
                prop_assert!(matches!(early, Verdict::Denied { .. }), "{early:?}");
            }
        }
    }
}

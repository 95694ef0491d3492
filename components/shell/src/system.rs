//! The host's clock and randomness.

use spin_sdk::wasip3::random::random::get_random_bytes;
use std::time::{SystemTime, UNIX_EPOCH};
use talkif_api::{Clock, Rng};

pub(crate) struct HostClock;

impl Clock for HostClock {
    fn now_us(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }
}

pub(crate) struct HostRng;

impl Rng for HostRng {
    fn fill(&self, bytes: &mut [u8]) {
        let mut filled = 0;
        // The host may hand out fewer bytes than were asked for.
        while filled < bytes.len() {
            let chunk = get_random_bytes((bytes.len() - filled) as u64);
            let end = (filled + chunk.len()).min(bytes.len());
            bytes[filled..end].copy_from_slice(&chunk[..end - filled]);
            filled = end;
        }
    }
}

use crate::auth::KeyCache;
use crate::ports::Ports;
use jiff::Timestamp;
use talkif_store::DbError;

/// One running instance: its ports and what it remembers between requests.
pub struct App {
    /// The world.
    pub ports: Ports,
    pub(crate) keys: KeyCache,
}

impl App {
    /// An instance over `ports`.
    #[must_use]
    pub fn new(ports: Ports) -> Self {
        Self { ports, keys: KeyCache::default() }
    }

    /// Microseconds since 1970.
    pub(crate) fn now_us(&self) -> i64 {
        self.ports.clock.now_us()
    }

    /// Random bytes.
    pub(crate) fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.ports.rng.fill(&mut bytes);
        bytes
    }

    /// What a new id is made of: the time in milliseconds and random bytes.
    pub(crate) fn id_seed(&self) -> (u64, [u8; 10]) {
        (u64::try_from(self.now_us() / 1_000).unwrap_or_default(), self.random())
    }
}

/// Microseconds since 1970 as RFC 3339, UTC, to the millisecond.
pub(crate) fn rfc3339(unix_us: i64) -> String {
    let time = Timestamp::from_microsecond(unix_us).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{time:.3}")
}

/// How long clients are asked to wait when the database is away.
const DATABASE_RETRY_SECONDS: u64 = 5;

/// A database failure as the client may see it.
pub(crate) fn database(error: DbError) -> talkif_problem::Problem {
    match error {
        DbError::Unavailable(_) => {
            talkif_problem::Problem::unavailable(error.to_string(), DATABASE_RETRY_SECONDS)
        }
        _ => talkif_problem::Problem::internal(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_in_utc() {
        assert_eq!(rfc3339(1_779_797_163_412_345), "2026-05-26T12:06:03.412Z");
    }
}

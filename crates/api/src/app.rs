use crate::auth::KeyCache;
use crate::ports::Ports;
use jiff::Timestamp;
use std::sync::OnceLock;
use talkif_problem::{Code, Problem};
use talkif_store::DbError;

/// One running instance: its ports and what it remembers between requests.
pub struct App {
    /// The world.
    pub ports: Ports,
    pub(crate) keys: KeyCache,
    /// The OpenAPI document, once somebody has asked for it.
    pub(crate) openapi: OnceLock<String>,
}

impl App {
    /// An instance over `ports`.
    #[must_use]
    pub fn new(ports: Ports) -> Self {
        Self { ports, keys: KeyCache::default(), openapi: OnceLock::new() }
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

    /// 32 hex digits.
    pub(crate) fn new_trace_id(&self) -> String {
        hex::encode(self.random::<16>())
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
pub(crate) fn database(error: DbError) -> Problem {
    match error {
        DbError::Unavailable(_) => Problem::unavailable(error.to_string(), DATABASE_RETRY_SECONDS),
        _ => Problem::internal(error.to_string()),
    }
}

/// What another account's resources look like, too.
pub(crate) fn not_found(what: &str) -> Problem {
    Problem::new(Code::ResourceNotFound, format!("There is no such {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_in_utc() {
        assert_eq!(rfc3339(1_779_797_163_412_345), "2026-05-26T12:06:03.412Z");
    }
}

//! `interval`: months, days and microseconds, which do not convert into each other.

use super::binding::wire;
use std::error::Error as StdError;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

/// Microseconds, days, months, in the order of the wire: 8, 4 and 4 bytes.
#[derive(Debug)]
pub(super) struct Interval(pub(super) wire::Interval);

impl ToSql for Interval {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        out.extend_from_slice(&self.0.micros.to_be_bytes());
        out.extend_from_slice(&self.0.days.to_be_bytes());
        out.extend_from_slice(&self.0.months.to_be_bytes());
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::INTERVAL
    }

    to_sql_checked!();
}

impl FromSql<'_> for Interval {
    fn from_sql(_: &Type, raw: &[u8]) -> Result<Interval, Box<dyn StdError + Sync + Send>> {
        let (micros, rest) = raw.split_first_chunk().ok_or("an interval is too short")?;
        let (days, rest) = rest.split_first_chunk().ok_or("an interval is too short")?;
        Ok(Interval(wire::Interval {
            micros: i64::from_be_bytes(*micros),
            days: i32::from_be_bytes(*days),
            months: i32::from_be_bytes(rest.try_into()?),
        }))
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::INTERVAL
    }
}

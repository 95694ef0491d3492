//! Statement parameters: each WIT type is sent as exactly one SQL type, or the statement fails.
//!
//! An `int32` for a `bigint` column is an error, as is a `str` for a `uuid`: so it is in Spin,
//! and a guest that works here must work there.

use super::binding::wire::ParameterValue;
use super::decimal::Decimal;
use super::interval::Interval;
use super::range::Range;
use jiff::civil::{Date, DateTime, Time};
use std::error::Error as StdError;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

/// A value ready to be sent.
pub(super) type SqlParameter = Box<dyn ToSql + Sync + Send>;

/// Converts parameters, or says what is wrong with one.
pub(super) fn to_sql(parameters: Vec<ParameterValue>) -> Result<Vec<SqlParameter>, String> {
    parameters.into_iter().map(convert).collect()
}

fn convert(parameter: ParameterValue) -> Result<SqlParameter, String> {
    Ok(match parameter {
        ParameterValue::Boolean(value) => Box::new(value),
        ParameterValue::Int8(value) => Box::new(value),
        ParameterValue::Int16(value) => Box::new(value),
        ParameterValue::Int32(value) => Box::new(value),
        ParameterValue::Int64(value) => Box::new(value),
        ParameterValue::Floating32(value) => Box::new(value),
        ParameterValue::Floating64(value) => Box::new(value),
        ParameterValue::Str(value) => Box::new(value),
        ParameterValue::Binary(value) => Box::new(value),
        ParameterValue::Date(value) => Box::new(date(value)?),
        ParameterValue::Time(value) => Box::new(time(value)?),
        ParameterValue::Datetime(value) => Box::new(datetime(value)?),
        ParameterValue::Timestamp(value) => Box::new(timestamp(value)?),
        ParameterValue::Uuid(value) => Box::new(uuid(&value)?),
        ParameterValue::Jsonb(value) => Box::new(json(&value)?),
        ParameterValue::Decimal(value) => Box::new(Decimal::parse(&value)?),
        ParameterValue::RangeInt32(value) => Box::new(Range::new(value)),
        ParameterValue::RangeInt64(value) => Box::new(Range::new(value)),
        ParameterValue::RangeDecimal(value) => {
            Box::new(Range::new(value).try_map(|text| Decimal::parse(&text))?)
        }
        ParameterValue::ArrayInt32(values) => Box::new(values),
        ParameterValue::ArrayInt64(values) => Box::new(values),
        ParameterValue::ArrayDecimal(values) => Box::new(decimals(values)?),
        ParameterValue::ArrayStr(values) => Box::new(values),
        ParameterValue::Interval(value) => Box::new(Interval(value)),
        ParameterValue::DbNull => Box::new(Null),
    })
}

/// Fits a parameter of any type.
#[derive(Debug)]
struct Null;

impl ToSql for Null {
    fn to_sql(&self, _: &Type, _: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        Ok(IsNull::Yes)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn date((year, month, day): (i32, u8, u8)) -> Result<Date, String> {
    let invalid = || format!("invalid date y={year}, m={month}, d={day}");
    let short = i16::try_from(year).map_err(|_| invalid())?;
    Date::new(short, month.cast_signed(), day.cast_signed()).map_err(|_| invalid())
}

fn time((hour, minute, second, nanosecond): (u8, u8, u8, u32)) -> Result<Time, String> {
    let (h, m, s) = (hour.cast_signed(), minute.cast_signed(), second.cast_signed());
    Time::new(h, m, s, nanosecond.cast_signed())
        .map_err(|_| format!("invalid time {hour}:{minute}:{second}:{nanosecond}"))
}

fn datetime(value: (i32, u8, u8, u8, u8, u8, u32)) -> Result<DateTime, String> {
    let (year, month, day, hour, minute, second, nanosecond) = value;
    Ok(date((year, month, day))?.to_datetime(time((hour, minute, second, nanosecond))?))
}

fn timestamp(seconds: i64) -> Result<jiff::Timestamp, String> {
    jiff::Timestamp::from_second(seconds).map_err(|_| format!("invalid epoch timestamp {seconds}"))
}

fn uuid(text: &str) -> Result<uuid::Uuid, String> {
    uuid::Uuid::parse_str(text).map_err(|error| format!("invalid UUID: {error}"))
}

fn json(text: &[u8]) -> Result<serde_json::Value, String> {
    serde_json::from_slice(text).map_err(|error| format!("invalid JSON: {error}"))
}

fn decimals(values: Vec<Option<String>>) -> Result<Vec<Option<Decimal>>, String> {
    values.into_iter().map(|value| value.map(|text| Decimal::parse(&text)).transpose()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encodes(parameter: ParameterValue, ty: &Type) -> bool {
        convert(parameter).unwrap().to_sql_checked(ty, &mut BytesMut::new()).is_ok()
    }

    #[test]
    fn each_parameter_fits_its_own_type_only() {
        assert!(encodes(ParameterValue::Int32(1), &Type::INT4));
        assert!(!encodes(ParameterValue::Int32(1), &Type::INT8));
        assert!(encodes(ParameterValue::Str("x".to_owned()), &Type::TEXT));
        assert!(!encodes(ParameterValue::Str("x".to_owned()), &Type::UUID));
        assert!(!encodes(ParameterValue::Str("{}".to_owned()), &Type::JSONB));
        assert!(encodes(ParameterValue::Timestamp(0), &Type::TIMESTAMPTZ));
        assert!(!encodes(ParameterValue::Timestamp(0), &Type::TIMESTAMP));
        assert!(encodes(ParameterValue::DbNull, &Type::TIMESTAMPTZ));
        assert!(encodes(ParameterValue::RangeInt32((None, None)), &Type::INT4_RANGE));
        assert!(!encodes(ParameterValue::RangeInt32((None, None)), &Type::INT8_RANGE));
    }

    #[test]
    fn impossible_values_are_refused_before_they_are_sent() {
        let impossible = [
            ParameterValue::Date((2026, 2, 30)),
            ParameterValue::Time((25, 0, 0, 0)),
            ParameterValue::Uuid("x".to_owned()),
            ParameterValue::Jsonb(b"{".to_vec()),
            ParameterValue::Decimal("1e5".to_owned()),
        ];
        for parameter in impossible {
            assert!(convert(parameter.clone()).is_err(), "{parameter:?}");
        }
    }
}

//! Columns and values of results, in WIT types.
//!
//! What Spin cannot read, this host does not read either: `timestamptz` is an error even when
//! NULL, and types without a WIT form (json, enums, inet, uuid[], bool[], timestamp[] and others)
//! arrive as the bytes of the wire.

use super::binding::wire::{self, DbDataType, DbValue};
use super::decimal::Decimal;
use super::errors::unreadable;
use super::interval::Interval;
use super::range::Range;
use jiff::civil::{Date, DateTime, Time};
use std::error::Error as StdError;
use tokio_postgres::types::{FromSql, Type, WrongType};

type AnyError = Box<dyn StdError + Sync + Send>;

/// A column's name and type.
pub(super) fn column(column: &tokio_postgres::Column) -> wire::Column {
    wire::Column { name: column.name().to_owned(), data_type: data_type(column.type_()) }
}

/// A row's values.
pub(super) fn row(row: &tokio_postgres::Row) -> Result<wire::Row, wire::Error> {
    let values = (0..row.len()).map(|index| row.try_get::<_, Value>(index).map(|value| value.0));
    values.collect::<Result<_, _>>().map_err(unreadable)
}

fn data_type(ty: &Type) -> DbDataType {
    match *ty {
        Type::BOOL => DbDataType::Boolean,
        Type::BYTEA => DbDataType::Binary,
        Type::FLOAT4 => DbDataType::Floating32,
        Type::FLOAT8 => DbDataType::Floating64,
        Type::INT2 => DbDataType::Int16,
        Type::INT4 => DbDataType::Int32,
        Type::INT8 => DbDataType::Int64,
        Type::TEXT | Type::VARCHAR | Type::BPCHAR => DbDataType::Str,
        Type::TIMESTAMP | Type::TIMESTAMPTZ => DbDataType::Datetime,
        Type::DATE => DbDataType::Date,
        Type::TIME => DbDataType::Time,
        Type::UUID => DbDataType::Uuid,
        Type::JSONB => DbDataType::Jsonb,
        Type::NUMERIC => DbDataType::Decimal,
        Type::INT4_RANGE => DbDataType::RangeInt32,
        Type::INT8_RANGE => DbDataType::RangeInt64,
        Type::NUM_RANGE => DbDataType::RangeDecimal,
        Type::INT4_ARRAY => DbDataType::ArrayInt32,
        Type::INT8_ARRAY => DbDataType::ArrayInt64,
        Type::NUMERIC_ARRAY => DbDataType::ArrayDecimal,
        Type::TEXT_ARRAY | Type::VARCHAR_ARRAY | Type::BPCHAR_ARRAY => DbDataType::ArrayStr,
        Type::INTERVAL => DbDataType::Interval,
        _ => DbDataType::Other(ty.name().to_owned()),
    }
}

/// One value of any type.
struct Value(DbValue);

impl<'a> FromSql<'a> for Value {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Value, AnyError> {
        value(ty, raw).map(Value)
    }

    fn from_sql_null(ty: &Type) -> Result<Value, AnyError> {
        match *ty {
            Type::TIMESTAMPTZ => Err(no_time_zone(ty)),
            _ => Ok(Value(DbValue::DbNull)),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn value(ty: &Type, raw: &[u8]) -> Result<DbValue, AnyError> {
    match *ty {
        Type::BOOL => read(ty, raw, DbValue::Boolean),
        Type::BYTEA => read(ty, raw, DbValue::Binary),
        Type::FLOAT4 => read(ty, raw, DbValue::Floating32),
        Type::FLOAT8 => read(ty, raw, DbValue::Floating64),
        Type::INT2 => read(ty, raw, DbValue::Int16),
        Type::INT4 => read(ty, raw, DbValue::Int32),
        Type::INT8 => read(ty, raw, DbValue::Int64),
        Type::TEXT | Type::VARCHAR | Type::BPCHAR => read(ty, raw, DbValue::Str),
        Type::TIMESTAMP => read(ty, raw, |value| DbValue::Datetime(datetime(value))),
        Type::TIMESTAMPTZ => Err(no_time_zone(ty)),
        Type::DATE => read(ty, raw, |value| DbValue::Date(date(value))),
        Type::TIME => read(ty, raw, |value| DbValue::Time(time(value))),
        Type::UUID => read(ty, raw, |value: uuid::Uuid| DbValue::Uuid(value.to_string())),
        Type::JSONB => {
            read(ty, raw, |value: serde_json::Value| DbValue::Jsonb(value.to_string().into_bytes()))
        }
        Type::NUMERIC => read(ty, raw, |value: Decimal| DbValue::Decimal(value.to_string())),
        Type::INT4_RANGE => read(ty, raw, |value: Range<i32>| DbValue::RangeInt32(value.into_bounds())),
        Type::INT8_RANGE => read(ty, raw, |value: Range<i64>| DbValue::RangeInt64(value.into_bounds())),
        Type::NUM_RANGE => decimal_range(ty, raw),
        Type::INT4_ARRAY => read(ty, raw, DbValue::ArrayInt32),
        Type::INT8_ARRAY => read(ty, raw, DbValue::ArrayInt64),
        Type::NUMERIC_ARRAY => read(ty, raw, |values| DbValue::ArrayDecimal(decimals(values))),
        Type::TEXT_ARRAY | Type::VARCHAR_ARRAY | Type::BPCHAR_ARRAY => read(ty, raw, DbValue::ArrayStr),
        Type::INTERVAL => read(ty, raw, |value: Interval| DbValue::Interval(value.0)),
        _ => Ok(DbValue::Unsupported(raw.to_vec())),
    }
}

fn read<'a, T: FromSql<'a>>(
    ty: &Type,
    raw: &'a [u8],
    wrap: impl FnOnce(T) -> DbValue,
) -> Result<DbValue, AnyError> {
    T::from_sql(ty, raw).map(wrap)
}

fn no_time_zone(ty: &Type) -> AnyError {
    Box::new(WrongType::new::<DateTime>(ty.clone()))
}

fn decimal_range(ty: &Type, raw: &[u8]) -> Result<DbValue, AnyError> {
    let range = Range::<Decimal>::from_sql(ty, raw)?;
    let text = range.try_map(|bound| Ok::<_, AnyError>(bound.to_string()))?;
    Ok(DbValue::RangeDecimal(text.into_bounds()))
}

fn decimals(values: Vec<Option<Decimal>>) -> Vec<Option<String>> {
    values.into_iter().map(|value| value.map(|value| value.to_string())).collect()
}

fn date(value: Date) -> (i32, u8, u8) {
    (value.year().into(), value.month().cast_unsigned(), value.day().cast_unsigned())
}

fn time(value: Time) -> (u8, u8, u8, u32) {
    let nanosecond = value.subsec_nanosecond().cast_unsigned();
    (value.hour().cast_unsigned(), value.minute().cast_unsigned(), value.second().cast_unsigned(), nanosecond)
}

fn datetime(value: DateTime) -> (i32, u8, u8, u8, u8, u8, u32) {
    let (year, month, day) = date(value.date());
    let (hour, minute, second, nanosecond) = time(value.time());
    (year, month, day, hour, minute, second, nanosecond)
}

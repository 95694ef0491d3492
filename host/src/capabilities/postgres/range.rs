//! Range types: two optional bounds, each inclusive or exclusive. An empty range reads as one
//! without bounds, as in Spin.

use super::binding::wire::RangeBoundKind;
use std::error::Error as StdError;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, Kind, ToSql, Type, to_sql_checked};

type AnyError = Box<dyn StdError + Sync + Send>;

/// One bound as in the WIT.
pub(super) type Bound<T> = Option<(T, RangeBoundKind)>;

const EMPTY: u8 = 1;
const LOWER_INCLUSIVE: u8 = 2;
const UPPER_INCLUSIVE: u8 = 4;
const LOWER_INFINITE: u8 = 8;
const UPPER_INFINITE: u8 = 16;

/// A range of `T`.
#[derive(Debug)]
pub(super) struct Range<T> {
    lower: Bound<T>,
    upper: Bound<T>,
}

impl<T> Range<T> {
    /// From the WIT's pair.
    pub(super) fn new((lower, upper): (Bound<T>, Bound<T>)) -> Range<T> {
        Range { lower, upper }
    }

    /// To the WIT's pair.
    pub(super) fn into_bounds(self) -> (Bound<T>, Bound<T>) {
        (self.lower, self.upper)
    }

    /// With bounds converted, if both can be.
    pub(super) fn try_map<U, E>(self, convert: impl Fn(T) -> Result<U, E>) -> Result<Range<U>, E> {
        let bound = |bound: Bound<T>| bound.map(|(value, kind)| Ok((convert(value)?, kind))).transpose();
        Ok(Range { lower: bound(self.lower)?, upper: bound(self.upper)? })
    }

    fn flags(&self) -> u8 {
        let flag = |bound: &Bound<T>, inclusive, infinite| match bound {
            Some((_, RangeBoundKind::Inclusive)) => inclusive,
            Some((_, RangeBoundKind::Exclusive)) => 0,
            None => infinite,
        };
        flag(&self.lower, LOWER_INCLUSIVE, LOWER_INFINITE)
            | flag(&self.upper, UPPER_INCLUSIVE, UPPER_INFINITE)
    }
}

/// The type of a range's bounds.
fn element(ty: &Type) -> Option<&Type> {
    match ty.kind() {
        Kind::Range(element) => Some(element),
        _ => None,
    }
}

impl<T: ToSql> ToSql for Range<T> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, AnyError> {
        let element = element(ty).ok_or("not a range")?;
        out.extend_from_slice(&[self.flags()]);
        for (value, _) in self.lower.iter().chain(&self.upper) {
            let mut bytes = BytesMut::new();
            value.to_sql(element, &mut bytes)?;
            out.extend_from_slice(&i32::try_from(bytes.len())?.to_be_bytes());
            out.extend_from_slice(&bytes);
        }
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        element(ty).is_some_and(T::accepts)
    }

    to_sql_checked!();
}

impl<'a, T: FromSql<'a>> FromSql<'a> for Range<T> {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Range<T>, AnyError> {
        let element = element(ty).ok_or("not a range")?;
        let (flags, mut rest) = raw.split_first().ok_or("a range is too short")?;
        let mut bound = |infinite: u8, inclusive: u8| -> Result<Bound<T>, AnyError> {
            if flags & (infinite | EMPTY) != 0 {
                return Ok(None);
            }
            let kind =
                if flags & inclusive != 0 { RangeBoundKind::Inclusive } else { RangeBoundKind::Exclusive };
            Ok(Some((T::from_sql(element, take(&mut rest)?)?, kind)))
        };
        let lower = bound(LOWER_INFINITE, LOWER_INCLUSIVE)?;
        Ok(Range { lower, upper: bound(UPPER_INFINITE, UPPER_INCLUSIVE)? })
    }

    fn accepts(ty: &Type) -> bool {
        element(ty).is_some_and(T::accepts)
    }
}

/// The next value, which has its length in front.
fn take<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], AnyError> {
    let (length, tail) = rest.split_first_chunk().ok_or("a range is too short")?;
    let length = usize::try_from(i32::from_be_bytes(*length))?;
    let (value, tail) = tail.split_at_checked(length).ok_or("a range is too short")?;
    *rest = tail;
    Ok(value)
}

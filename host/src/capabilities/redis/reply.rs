//! Replies of `execute`: one flat list, nested arrays included, as in Spin.

use super::binding::wire::{Error, RedisResult};
use redis::Value;

/// Flattens `reply`.
///
/// # Errors
/// For kinds of replies that the interface has no place for.
pub(super) fn flatten(reply: Value) -> Result<Vec<RedisResult>, Error> {
    let mut flat = Vec::new();
    append(&mut flat, reply)?;
    Ok(flat)
}

fn append(flat: &mut Vec<RedisResult>, reply: Value) -> Result<(), Error> {
    flat.push(match reply {
        Value::Nil => RedisResult::Nil,
        Value::Int(number) => RedisResult::Int64(number),
        Value::Boolean(truth) => RedisResult::Int64(truth.into()),
        Value::BulkString(bytes) => RedisResult::Binary(bytes),
        Value::Double(number) => RedisResult::Binary(number.to_string().into_bytes()),
        Value::SimpleString(text) => RedisResult::Status(text),
        Value::Okay => RedisResult::Status("OK".to_owned()),
        Value::Array(items) | Value::Set(items) => {
            return items.into_iter().try_for_each(|item| append(flat, item));
        }
        other => {
            return Err(Error::Other(format!("a reply of this kind is not supported: {}", kind(&other))));
        }
    });
    Ok(())
}

fn kind(reply: &Value) -> &'static str {
    match reply {
        Value::Map(_) => "map",
        Value::Attribute { .. } => "attribute",
        Value::VerbatimString { .. } => "string with a format",
        Value::Push { .. } => "push",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_arrays_lose_their_structure() {
        let reply = Value::Array(vec![
            Value::BulkString(b"1-0".to_vec()),
            Value::Array(vec![Value::Int(1), Value::Nil]),
            Value::Okay,
        ]);
        let flat = flatten(reply).unwrap();
        assert_eq!(format!("{flat:?}").matches("RedisResult::").count(), 4, "{flat:?}");
    }

    #[test]
    fn a_map_is_refused_by_name() {
        let error = flatten(Value::Map(Vec::new())).unwrap_err();
        assert!(matches!(error, Error::Other(text) if text.ends_with("map")));
    }
}

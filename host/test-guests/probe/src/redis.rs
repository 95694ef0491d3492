//! Runs one Redis command: `{"address", "command", "arguments": [..]}`.

use serde_json::{Value, json};
use spin_sdk::redis::{Connection, RedisParameter, RedisResult};

pub(crate) async fn run(input: &Value) -> Value {
    let connection = match Connection::open(input["address"].as_str().unwrap_or_default()).await {
        Ok(connection) => connection,
        Err(error) => return json!({"error": format!("{error:?}")}),
    };
    let arguments: Vec<_> = input["arguments"].as_array().into_iter().flatten().map(parameter).collect();
    let command = input["command"].as_str().unwrap_or_default();
    match connection.execute(command, arguments).await {
        Ok(results) => json!({"results": results.iter().map(result).collect::<Vec<_>>()}),
        Err(error) => json!({"error": format!("{error:?}")}),
    }
}

fn parameter(value: &Value) -> RedisParameter {
    match value.as_i64() {
        Some(number) => RedisParameter::Int64(number),
        None => RedisParameter::Binary(value.as_str().unwrap_or_default().as_bytes().to_vec()),
    }
}

fn result(value: &RedisResult) -> Value {
    match value {
        RedisResult::Nil => Value::Null,
        RedisResult::Status(text) => json!({"status": text}),
        RedisResult::Int64(number) => json!(number),
        RedisResult::Binary(bytes) => json!(String::from_utf8_lossy(bytes)),
    }
}

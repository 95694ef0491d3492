//! Runs one statement: `{"address", "statement", "parameters": [{"int32": 1}, ..], "execute", "sync"}`.

use serde_json::{Value, json};
use spin_sdk::pg::wit::postgres::{Column, Connection, DbValue, Error, ParameterValue};

pub(crate) async fn run(input: &Value) -> Value {
    let outcome = if input["sync"] == true { run_blocking(input) } else { run_async(input).await };
    outcome.unwrap_or_else(|error| json!({"error": format!("{error:?}")}))
}

/// Opens a transaction, runs the statement in it, and then leaves without ending it.
pub(crate) async fn begin(input: &Value) -> Value {
    let outcome = async {
        let connection = Connection::open_async(text(input, "address")).await?;
        connection.execute_async("begin".to_owned(), Vec::new()).await?;
        connection.execute_async(text(input, "statement"), Vec::new()).await
    };
    match outcome.await {
        Ok(_) if input["panic"] == true => panic!("the guest was asked to panic inside a transaction"),
        Ok(affected) => json!({"affected": affected}),
        Err(error) => json!({"error": format!("{error:?}")}),
    }
}

fn run_blocking(input: &Value) -> Result<Value, Error> {
    let connection = Connection::open(&text(input, "address"))?;
    if input["execute"] == true {
        return Ok(json!({"affected": connection.execute(&text(input, "statement"), &parameters(input))?}));
    }
    let rows = connection.query(&text(input, "statement"), &parameters(input))?;
    Ok(answer(&rows.columns, &rows.rows))
}

async fn run_async(input: &Value) -> Result<Value, Error> {
    let connection = Connection::open_async(text(input, "address")).await?;
    if input["execute"] == true {
        let affected = connection.execute_async(text(input, "statement"), parameters(input)).await?;
        return Ok(json!({"affected": affected}));
    }
    let (columns, mut stream, result) =
        connection.query_async(text(input, "statement"), parameters(input)).await?;
    let mut rows = Vec::new();
    while let Some(row) = stream.next().await {
        rows.push(row);
    }
    match result.await {
        Ok(()) => Ok(answer(&columns, &rows)),
        Err(error) => Ok(json!({"late_error": format!("{error:?}")})),
    }
}

fn answer(columns: &[Column], rows: &[Vec<DbValue>]) -> Value {
    let columns: Vec<_> = columns.iter().map(|c| json!([c.name, format!("{:?}", c.data_type)])).collect();
    let rows: Vec<Vec<_>> =
        rows.iter().map(|row| row.iter().map(|value| format!("{value:?}")).collect()).collect();
    json!({"columns": columns, "rows": rows})
}

fn text(input: &Value, key: &str) -> String {
    input[key].as_str().unwrap_or_default().to_owned()
}

fn parameters(input: &Value) -> Vec<ParameterValue> {
    let entries = input["parameters"].as_array().into_iter().flatten();
    entries
        .filter_map(|entry| entry.as_object()?.iter().next())
        .map(|(kind, value)| parameter(kind, value))
        .collect()
}

fn parameter(kind: &str, value: &Value) -> ParameterValue {
    let text = value.as_str().unwrap_or_default();
    let number = value.as_i64().unwrap_or_default();
    let items = || value.as_array().into_iter().flatten();
    match kind {
        "boolean" => ParameterValue::Boolean(value == true),
        "int16" => ParameterValue::Int16(number as i16),
        "int32" => ParameterValue::Int32(number as i32),
        "int64" => ParameterValue::Int64(number),
        "floating64" => ParameterValue::Floating64(value.as_f64().unwrap_or_default()),
        "binary" => ParameterValue::Binary(text.as_bytes().to_vec()),
        "uuid" => ParameterValue::Uuid(text.to_owned()),
        "jsonb" => ParameterValue::Jsonb(text.as_bytes().to_vec()),
        "decimal" => ParameterValue::Decimal(text.to_owned()),
        "timestamp" => ParameterValue::Timestamp(number),
        "array-str" => ParameterValue::ArrayStr(items().map(|i| i.as_str().map(str::to_owned)).collect()),
        "array-int64" => ParameterValue::ArrayInt64(items().map(Value::as_i64).collect()),
        "array-decimal" => {
            ParameterValue::ArrayDecimal(items().map(|i| i.as_str().map(str::to_owned)).collect())
        }
        "null" => ParameterValue::DbNull,
        _ => ParameterValue::Str(text.to_owned()),
    }
}

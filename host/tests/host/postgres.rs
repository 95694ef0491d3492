//! `spin:postgres` against a real server: types, errors, and what happens to transactions.

use crate::support::{Host, manifest};
use serde_json::{Value, json};
use std::time::Duration;
use talkif_embedded::testing::{TestRegion, region};

async fn start() -> (TestRegion, Host) {
    start_with(&[]).await
}

async fn start_with(arguments: &[&str]) -> (TestRegion, Host) {
    let region = region().await;
    let server = region.url.rsplit_once('@').unwrap().1.split('/').next().unwrap();
    let host =
        Host::start(&manifest(&format!("allowed_outbound_hosts = [\"postgres://{server}\"]")), arguments)
            .await;
    (region, host)
}

async fn sql(host: &Host, body: &Value) -> Value {
    host.post("/sql", &body.to_string()).await.json()
}

async fn query(region: &TestRegion, host: &Host, statement: &str, parameters: Value) -> Value {
    sql(host, &json!({"address": region.url, "statement": statement, "parameters": parameters})).await
}

async fn execute(region: &TestRegion, host: &Host, statement: &str) -> Value {
    sql(host, &json!({"address": region.url, "statement": statement, "execute": true})).await
}

#[tokio::test]
async fn every_supported_type_is_read() {
    let (region, host) = start().await;
    let cases = [
        ("true", "Boolean", "Boolean(true)"),
        ("1::int2", "Int16", "Int16(1)"),
        ("1::int4", "Int32", "Int32(1)"),
        ("1::int8", "Int64", "Int64(1)"),
        ("1.5::float4", "Floating32", "Floating32(1.5)"),
        ("1.5::float8", "Floating64", "Floating64(1.5)"),
        ("'x'::text", "Str", "Str(\"x\")"),
        ("'\\x0102'::bytea", "Binary", "Binary([1, 2])"),
        ("'2026-02-03'::date", "Date", "Date((2026, 2, 3))"),
        ("'04:05:06.5'::time", "Time", "Time((4, 5, 6, 500000000))"),
        ("'2026-02-03 04:05:06'::timestamp", "Datetime", "Datetime((2026, 2, 3, 4, 5, 6, 0))"),
        (
            "'00000000-0000-0000-0000-000000000007'::uuid",
            "Uuid",
            "Uuid(\"00000000-0000-0000-0000-000000000007\")",
        ),
        ("'{\"a\": 1}'::jsonb", "Jsonb", "Jsonb([123, 34, 97, 34, 58, 49, 125])"),
        ("-12345.0670::numeric", "Decimal", "Decimal(\"-12345.0670\")"),
        ("sum(7::int8)", "Decimal", "Decimal(\"7\")"),
        ("array[1, null]::int4[]", "ArrayInt32", "ArrayInt32([Some(1), None])"),
        ("array[2]::int8[]", "ArrayInt64", "ArrayInt64([Some(2)])"),
        ("array['a', null]", "ArrayStr", "ArrayStr([Some(\"a\"), None])"),
        ("array[1.50]::numeric[]", "ArrayDecimal", "ArrayDecimal([Some(\"1.50\")])"),
        ("null::text", "Str", "DbNull"),
    ];
    for (expression, data_type, expected) in cases {
        let reply = query(&region, &host, &format!("select {expression} as v"), json!([])).await;
        assert_eq!(reply["columns"][0], json!(["v", format!("DbDataType::{data_type}")]), "{expression}");
        assert_eq!(reply["rows"][0][0], format!("DbValue::{expected}"), "{expression}: {reply}");
    }
}

#[tokio::test]
async fn ranges_and_intervals_are_read() {
    let (region, host) = start().await;
    let cases = [
        (
            "int4range(1, 5)",
            "RangeInt32((Some((1, RangeBoundKind::Inclusive)), Some((5, RangeBoundKind::Exclusive))))",
        ),
        ("int8range(null, 5)", "RangeInt64((None, Some((5, RangeBoundKind::Exclusive))))"),
        ("numrange(1.5, null)", "RangeDecimal((Some((\"1.5\", RangeBoundKind::Inclusive)), None))"),
        ("interval '1 month 2 days 3 seconds'", "Interval(Interval { micros: 3000000, days: 2, months: 1 })"),
    ];
    for (expression, expected) in cases {
        let reply = query(&region, &host, &format!("select {expression}"), json!([])).await;
        assert_eq!(reply["rows"][0][0], format!("DbValue::{expected}"), "{expression}: {reply}");
    }
}

#[tokio::test]
async fn types_without_a_form_arrive_as_bytes() {
    let (region, host) = start().await;
    for expression in ["'{}'::json", "'10.0.0.1'::inet", "array[true]", "array[gen_random_uuid()]"] {
        let reply = query(&region, &host, &format!("select {expression}"), json!([])).await;
        assert!(
            reply["rows"][0][0].as_str().unwrap().starts_with("DbValue::Unsupported("),
            "{expression}: {reply}"
        );
    }
}

#[tokio::test]
async fn a_time_with_a_zone_cannot_be_read_not_even_null() {
    let (region, host) = start().await;
    for expression in ["now()", "null::timestamptz"] {
        let reply = query(&region, &host, &format!("select {expression}"), json!([])).await;
        let error = reply["late_error"].as_str().unwrap_or_default();
        assert!(error.contains("timestamptz"), "{expression}: {reply}");
    }
}

#[tokio::test]
async fn parameters_are_strict_about_their_types() {
    let (region, host) = start().await;
    let uuid = "00000000-0000-0000-0000-000000000007";
    let fitting = [
        ("select $1::int8", json!([{"int64": 7}])),
        ("select $1::uuid", json!([{"uuid": uuid}])),
        ("select $1::text::uuid", json!([{"str": uuid}])),
        ("select $1::jsonb", json!([{"jsonb": "{\"a\":1}"}])),
        ("select $1::numeric", json!([{"decimal": "1.25"}])),
        ("select $1::text[]", json!([{"array-str": ["a", null]}])),
        ("select $1::int8[]", json!([{"array-int64": [1]}])),
        ("select $1::numeric[]", json!([{"array-decimal": ["1.5"]}])),
        ("select $1::bytea", json!([{"binary": "x"}])),
        ("select $1::uuid is null", json!([{"null": true}])),
        ("select extract(epoch from $1::timestamptz)::int8", json!([{"timestamp": 60}])),
    ];
    for (statement, parameters) in fitting {
        let reply = query(&region, &host, statement, parameters).await;
        assert!(reply["rows"].is_array(), "{statement}: {reply}");
    }
    let unfit = [
        ("select $1::int8", json!([{"int32": 7}])),
        ("select $1::uuid", json!([{"str": uuid}])),
        ("select $1::jsonb", json!([{"str": "{}"}])),
        ("select $1::timestamptz::text", json!([{"str": "now"}])),
    ];
    for (statement, parameters) in unfit {
        let reply = query(&region, &host, statement, parameters).await;
        let error = reply["error"].as_str().unwrap_or_default();
        assert!(error.contains("WrongType") || error.contains("cannot convert"), "{statement}: {reply}");
    }
    let bad = query(&region, &host, "select $1::uuid", json!([{"uuid": "x"}])).await;
    assert!(bad["error"].as_str().unwrap().contains("BadParameter"), "{bad}");
}

#[tokio::test]
async fn a_violated_constraint_is_named_when_the_result_is_collected() {
    let (region, host) = start().await;
    execute(&region, &host, "create table t (id int4 constraint t_only_once unique)").await;
    assert_eq!(execute(&region, &host, "insert into t values (1)").await, json!({"affected": 1}));
    let reply = query(&region, &host, "insert into t values (1) returning id", json!([])).await;
    let error = reply["late_error"].as_str().unwrap();
    assert!(
        error.contains("code: \"23505\"") && error.contains("(\"constraint\", \"t_only_once\")"),
        "{error}"
    );
    assert!(
        execute(&region, &host, "insert into t values (1)").await["error"]
            .as_str()
            .unwrap()
            .contains("23505")
    );
}

#[tokio::test]
async fn a_statement_that_does_not_parse_fails_at_once() {
    let (region, host) = start().await;
    let reply = query(&region, &host, "selct 1", json!([])).await;
    assert!(reply["error"].as_str().unwrap().contains("code: \"42601\""), "{reply}");
    let several = query(&region, &host, "select 1; select 2", json!([])).await;
    assert!(several["error"].as_str().unwrap().contains("42601"), "{several}");
}

#[tokio::test]
async fn no_rows_means_no_columns() {
    let (region, host) = start().await;
    let reply = query(&region, &host, "select 1 as a where false", json!([])).await;
    assert_eq!(reply, json!({"columns": [], "rows": []}));
}

#[tokio::test]
async fn many_rows_are_streamed_in_order() {
    let (region, host) = start().await;
    let reply = query(&region, &host, "select generate_series(1, 5000)::int4", json!([])).await;
    let rows = reply["rows"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[4999][0]), (5000, &json!("DbValue::Int32(5000)")));
}

#[tokio::test]
async fn an_error_after_some_rows_is_reported_last() {
    let (region, host) = start().await;
    let reply = query(&region, &host, "select 1 / (3 - g) from generate_series(1, 5) g", json!([])).await;
    assert!(reply["late_error"].as_str().unwrap().contains("22012"), "{reply}");
}

#[tokio::test]
async fn the_blocking_functions_do_the_same() {
    let (region, host) = start().await;
    let body = json!({"address": region.url, "statement": "select 1::int4 as one", "sync": true});
    let expected = json!({"columns": [["one", "DbDataType::Int32"]], "rows": [["DbValue::Int32(1)"]]});
    assert_eq!(sql(&host, &body).await, expected);
    let body =
        json!({"address": region.url, "statement": "create table s ()", "sync": true, "execute": true});
    assert_eq!(sql(&host, &body).await, json!({"affected": 0}));
}

#[tokio::test]
async fn a_host_that_is_not_listed_is_refused() {
    let (region, host) = start().await;
    let elsewhere = region.url.replace("127.0.0.1", "localhost");
    for sync in [false, true] {
        let reply = sql(&host, &json!({"address": elsewhere, "statement": "select 1", "sync": sync})).await;
        let error = reply["error"].as_str().unwrap();
        assert!(error.contains("ConnectionFailed") && error.contains("is not permitted"), "{reply}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_a_failed_connection_without_secrets() {
    let (region, host) = start().await;
    let (front, back) = region.url.split_once("://").unwrap().1.split_once('@').unwrap();
    let user = front.split(':').next().unwrap();
    let address = format!("postgres://{user}:wrong-secret@{back}");
    let reply = sql(&host, &json!({"address": address, "statement": "select 1"})).await;
    let error = reply["error"].as_str().unwrap();
    assert!(error.contains("ConnectionFailed") && !error.contains("wrong-secret"), "{reply}");
}

/// Polls until no transaction is left open, for at most five seconds.
pub(crate) async fn settled(region: &TestRegion) -> bool {
    for _ in 0..100 {
        let open: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity where datname = current_database() \
             and pid <> pg_backend_pid() and (state like 'idle in transaction%' or state = 'active')",
        )
        .fetch_one(&region.pool)
        .await
        .unwrap();
        if open == 0 {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

#[tokio::test]
async fn an_open_transaction_is_rolled_back_when_its_handle_drops() {
    let (region, host) = start().await;
    execute(&region, &host, "create table t (id int4)").await;
    for panic in [false, true] {
        let body = json!({"address": region.url, "statement": "insert into t values (1)", "panic": panic});
        let reply = host.post("/begin", &body.to_string()).await;
        assert_eq!(reply.status, if panic { 500 } else { 200 });
        assert!(settled(&region).await, "a transaction stayed open (panic: {panic})");
        let count = query(&region, &host, "select count(*) from t", json!([])).await;
        assert_eq!(count["rows"], json!([["DbValue::Int64(0)"]]));
    }
}

#[tokio::test]
async fn a_statement_of_a_stopped_request_is_cancelled() {
    let (region, host) = start_with(&["--request-timeout=500ms"]).await;
    let body = json!({"address": region.url, "statement": "select pg_sleep(60)"});
    assert_eq!(host.post("/sql", &body.to_string()).await.status, 504);
    assert!(settled(&region).await, "the statement still runs");
}

#[tokio::test]
async fn a_changed_table_does_not_break_prepared_statements() {
    let (region, host) = start().await;
    execute(&region, &host, "create table t (id int4)").await;
    execute(&region, &host, "insert into t values (1)").await;
    let before = query(&region, &host, "select * from t", json!([])).await;
    sqlx::query("alter table t add column note text default 'n'").execute(&region.pool).await.unwrap();
    let after = query(&region, &host, "select * from t", json!([])).await;
    assert_eq!(before["rows"], json!([["DbValue::Int32(1)"]]));
    assert_eq!(after["rows"], json!([["DbValue::Int32(1)", "DbValue::Str(\"n\")"]]));
}

#[tokio::test]
async fn settings_of_one_guest_do_not_reach_the_next() {
    let (region, host) = start().await;
    execute(&region, &host, "set application_name = 'mine'").await;
    assert!(settled(&region).await);
    let reply = query(&region, &host, "select current_setting('application_name')", json!([])).await;
    assert_eq!(reply["rows"], json!([["DbValue::Str(\"\")"]]));
}

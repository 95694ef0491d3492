//! Clients that mean no good, or have a very bad line, over raw sockets.

use crate::support::{Host, Reply, manifest};
use serde_json::json;
use std::net::SocketAddr;
use std::time::Duration;
use talkif_embedded::testing::region;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// No connection lives longer in a test.
const PATIENCE: Duration = Duration::from_secs(20);

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// Everything that comes until the other side closes.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // Closing while we still write is a reset, with or without an answer before it.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("it is closed");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Sends `bytes` at once and returns everything that comes back.
async fn exchange(address: SocketAddr, bytes: &str) -> String {
    let mut stream = connect(address).await;
    stream.write_all(bytes.as_bytes()).await.unwrap();
    until_closed(&mut stream).await
}

/// Sends `start` and then a byte now and then until the other side has enough.
async fn dribble(address: SocketAddr, start: &str) -> String {
    let (mut reading, mut writing) = connect(address).await.into_split();
    writing.write_all(start.as_bytes()).await.unwrap();
    let dribbling = tokio::spawn(async move {
        while writing.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let mut bytes = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, reading.read_to_end(&mut bytes)).await.expect("it is closed");
    dribbling.abort();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Asks until `wanted` comes back.
async fn eventually(host: &Host, wanted: u16) -> Reply {
    for _ in 0..400 {
        let reply = host.get("/hello").await;
        if reply.status == wanted {
            return reply;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{wanted} never came");
}

#[tokio::test]
async fn a_head_that_dribbles_is_cut_off() {
    let host = Host::start(&manifest(""), &["--header-timeout=300ms"]).await;
    let answer = dribble(host.address, "GET /hello HTTP/1.1\r\nhost: x\r\nx-slow: ").await;
    assert!(!answer.contains("200 OK"), "{answer}");
    assert_eq!(host.get("/hello").await.status, 200);
}

#[tokio::test]
async fn a_body_that_dribbles_is_answered_with_408() {
    let host = Host::start(&manifest(""), &["--body-timeout=300ms", "--max-requests=1"]).await;
    for kind in ["content-length: 1000000", "transfer-encoding: chunked"] {
        let chunk = if kind.starts_with('t') { "fffff\r\n" } else { "" };
        let start = format!("POST /echo HTTP/1.1\r\nhost: x\r\n{kind}\r\n\r\n{chunk}");
        let answer = dribble(host.address, &start).await;
        assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("request_timeout"), "{answer}");
    }
    assert_eq!(host.get("/hello").await.status, 200);
}

#[tokio::test]
async fn a_connection_that_says_nothing_more_is_closed() {
    let host = Host::start(&manifest(""), &["--header-timeout=300ms"]).await;
    assert_eq!(until_closed(&mut connect(host.address).await).await, "");
    let answer = exchange(host.address, "GET /hello HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.ends_with("hello"), "{answer}");
}

#[tokio::test]
async fn heads_beyond_reason_are_answered_with_431() {
    let host = Host::probe("").await;
    let huge = format!("x-huge: {}\r\n", "x".repeat(300 * 1024));
    let many: String = (0..120).map(|n| format!("x-{n}: 1\r\n")).collect();
    for headers in [huge, many] {
        let request = format!("GET /hello HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
        let mut stream = connect(host.address).await;
        let _ = stream.write_all(request.as_bytes()).await;
        let answer = until_closed(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
    assert_eq!(host.get("/hello").await.status, 200);
}

#[tokio::test]
async fn a_body_beyond_the_limit_has_the_error_body_of_everything_else() {
    let host = Host::start(&manifest(""), &["--max-body=8"]).await;
    let reply = host.post("/echo", "123456789").await;
    assert_eq!(reply.status, 413);
    assert_eq!(reply.headers["content-type"], "application/problem+json");
    let body = reply.json();
    assert_eq!((&body["code"], &body["status"]), (&json!("payload_too_large"), &json!(413)));
    assert_eq!(reply.headers["x-request-id"], body["requestId"].as_str().unwrap());
}

#[tokio::test]
async fn requests_that_two_servers_could_read_differently_are_refused() {
    let host = Host::probe("").await;
    let table = [
        "content-length: 1\r\ncontent-length: 2\r\n",
        "content-length: 1, 2\r\n",
        "content-length: +1\r\n",
        "content-length: -1\r\n",
        "content-length: 0x1\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "transfer-encoding: xchunked\r\n",
        "content-length : 1\r\n",
        "x-folded: a\r\n b\r\n",
        "host: other\r\n",
    ];
    for headers in table {
        let request = format!("POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n1");
        let answer = exchange(host.address, &request).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{headers}: {answer}");
    }
    for request in [
        "GET /hello HTTP/1.1\r\nconnection: close\r\n\r\n",
        "POST /echo HTTP/1.0\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let answer = exchange(host.address, request).await;
        assert!(answer.contains(" 400 "), "{request}: {answer}");
    }
}

#[tokio::test]
async fn nothing_is_smuggled_behind_a_body_of_two_lengths() {
    let host = Host::probe("").await;
    for lengths in [
        "content-length: 4\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 4\r\n",
    ] {
        let request = format!(
            "POST /echo HTTP/1.1\r\nhost: x\r\n{lengths}\r\n0\r\n\r\nGET /count HTTP/1.1\r\nhost: x\r\n\r\n"
        );
        let answer = exchange(host.address, &request).await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "the rest is not a request: {answer}");
    }
    assert_eq!(host.get("/count").await.body, "1", "nobody has counted");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let host = Host::probe("").await;
    let answer = exchange(
        host.address,
        "GET /sleep?ms=100 HTTP/1.1\r\nhost: x\r\n\r\n\
         POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\none\
         GET /hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    )
    .await;
    let at = |text: &str| answer.find(text).unwrap_or_else(|| panic!("no {text} in {answer}"));
    assert!(at("slept") < at("\"body\":\"one\"") && at("\"body\":\"one\"") < at("hello"), "{answer}");
}

#[tokio::test]
async fn idle_connections_make_room_for_new_ones() {
    let host = Host::start(&manifest(""), &["--max-connections=8", "--header-timeout=5m"]).await;
    let mut idle = Vec::new();
    for _ in 0..40 {
        idle.push(connect(host.address).await);
    }
    assert_eq!(host.get("/hello").await.status, 200);
    // The first ones had to go.
    for stream in idle.iter_mut().take(32) {
        assert_eq!(until_closed(stream).await, "");
    }
    assert_eq!(host.get("/hello").await.status, 200);
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let host = Host::start(&manifest(""), &["--request-timeout=500ms", "--max-requests=1"]).await;
    let mut stream = connect(host.address).await;
    stream.write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut buffer = vec![0; 1 << 16];
    let all = async { while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {} };
    tokio::time::timeout(PATIENCE, all).await.expect("it ends");
    eventually(&host, 200).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let host = Host::start(&manifest(""), &["--request-timeout=500ms", "--max-requests=1"]).await;
    let mut stream = connect(host.address).await;
    stream.write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    eventually(&host, 200).await;
    drop(stream);
}

#[tokio::test]
async fn more_requests_than_allowed_are_answered_with_503_and_a_time_to_come_back() {
    let host = Host::start(&manifest(""), &["--max-requests=2", "--queue-timeout=50ms"]).await;
    let address = host.address;
    let sleepers: Vec<_> = (0..2)
        .map(|_| tokio::spawn(async move { crate::support::get(address, "/sleep?ms=4000").await }))
        .collect();
    let refused = eventually(&host, 503).await;
    assert_eq!(
        (&refused.headers["retry-after"], &refused.json()["code"]),
        (&"1".parse().unwrap(), &json!("service_unavailable"))
    );
    assert_eq!(refused.json()["meta"]["retryAfterSecs"], 1);
    for sleeper in sleepers {
        assert_eq!(sleeper.await.unwrap().body, "slept");
    }
    assert_eq!(host.get("/hello").await.status, 200);
}

#[tokio::test]
async fn a_client_that_leaves_does_not_get_past_the_limit() {
    let host = Host::start(&manifest(""), &["--max-requests=1", "--queue-timeout=50ms"]).await;
    let mut stream = connect(host.address).await;
    stream.write_all(b"GET /sleep?ms=3000 HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    drop(stream);
    eventually(&host, 503).await;
    eventually(&host, 200).await;
}

#[tokio::test]
async fn the_transaction_of_a_client_that_leaves_is_rolled_back() {
    let region = region().await;
    let server = region.url.rsplit_once('@').unwrap().1.split('/').next().unwrap();
    let allowed = format!("allowed_outbound_hosts = [\"postgres://{server}\"]");
    let host = Host::start(&manifest(&allowed), &["--max-requests=1"]).await;
    sqlx::raw_sql("create table t (id int4)").execute(&region.pool).await.unwrap();
    let body =
        json!({"address": region.url, "statement": "insert into t select 1 from pg_sleep(0.5)"}).to_string();
    let mut stream = connect(host.address).await;
    let head = format!("POST /begin HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).await.unwrap();
    drop(stream);
    // The only place is taken until the guest is done.
    assert_eq!(host.get("/hello").await.status, 200);
    assert!(crate::postgres::settled(&region).await, "a transaction stayed open");
    let rows: i64 = sqlx::query_scalar("select count(*) from t").fetch_one(&region.pool).await.unwrap();
    assert_eq!(rows, 0);
}

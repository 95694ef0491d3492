//! Requests and responses: routes, headers, bodies, variables, outgoing requests.

use crate::support::{Host, manifest};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn a_component_answers() {
    let host = Host::probe("").await;
    let reply = host.get("/hello").await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "hello"));
}

#[tokio::test]
async fn the_most_specific_route_wins() {
    let text = manifest("").replace("/...", "/a/...")
        + "[[trigger.http]]\nroute = \"/a/:id/echo\"\ncomponent = \"other\"\n\
           [component.other]\nsource = \"talkif_host_probe.wasm\"\n";
    let host = Host::start(&text, &[]).await;
    let matched = async |path: &str| header(&host.get(path).await.json(), "spin-matched-route");
    assert_eq!(matched("/a/7/echo").await, "/a/:id/echo");
    assert_eq!(matched("/a/echo").await, "/a/...");
    assert_eq!(host.get("/b/echo").await.status, 404);
}

#[tokio::test]
async fn a_guest_sees_the_headers_of_spin_and_no_forged_ones() {
    let host = Host::start(&manifest("").replace("/...", "/v1/:kind/..."), &[]).await;
    let forged = [("spin-client-addr", "6.6.6.6:6"), ("spin-path-match-kind", "forged"), ("x-own", "kept")];
    let seen = host.get_with("/v1/leads/echo?a=b", &forged).await.json();
    let address = host.address;
    assert_eq!(header(&seen, "spin-full-url"), format!("http://{address}/v1/leads/echo?a=b"));
    assert_eq!(header(&seen, "spin-path-info"), "/echo");
    assert_eq!(header(&seen, "spin-component-route"), "/v1/:kind");
    assert_eq!(header(&seen, "spin-raw-component-route"), "/v1/:kind/...");
    assert_eq!(header(&seen, "spin-path-match-kind"), "leads");
    assert!(header(&seen, "spin-client-addr").starts_with("127.0.0.1:"));
    assert_eq!(header(&seen, "x-own"), "kept");
}

#[tokio::test]
async fn bodies_pass_both_ways() {
    let host = Host::probe("").await;
    assert_eq!(host.post("/echo", "a body").await.json()["body"], "a body");
    assert_eq!(host.get("/large?bytes=3000000").await.body.len(), 3_000_000);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let host = Host::start(&manifest(""), &["--max-body=1KiB"]).await;
    assert_eq!(host.post("/echo", &"x".repeat(1024)).await.status, 200);
    assert_eq!(host.post("/echo", &"x".repeat(1025)).await.status, 413);
}

#[tokio::test]
async fn a_body_without_a_length_is_limited_too() {
    let host = Host::start(&manifest(""), &["--max-body=8"]).await;
    let mut stream = TcpStream::connect(host.address).await.unwrap();
    let request = "POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n\
                   9\r\n123456789\r\n0\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 413"), "{reply}");
}

#[tokio::test]
async fn a_component_reads_its_own_variables_and_environment() {
    let text = manifest("variables = { greeting = \"hello {{ name }}\" }\nenvironment = { MODE = \"test\" }")
        + "\n[variables]\nname = { default = \"world\" }";
    let host = Host::start(&text, &[]).await;
    assert_eq!(host.get("/variable?name=greeting").await.json(), json!({"value": "hello world"}));
    let missing = host.get("/variable?name=name").await.json();
    assert!(missing["error"].as_str().unwrap().contains("Undefined"), "{missing}");
    assert_eq!(host.get("/environment").await.json(), json!([["MODE", "test"]]));
}

#[tokio::test]
async fn outgoing_requests_reach_listed_hosts_only() {
    let port = serve_once("made it").await;
    let host = Host::probe(&format!("allowed_outbound_hosts = [\"http://127.0.0.1:{port}\"]")).await;
    let reached = host.get(&format!("/fetch?url=http://127.0.0.1:{port}/")).await.json();
    assert_eq!(reached, json!({"status": 200, "body": "made it"}));
    let blocked = host.get(&format!("/fetch?url=http://localhost:{port}/")).await.json();
    assert_eq!(blocked, json!({"error": "ErrorCode::HttpRequestDenied"}));
}

#[tokio::test]
async fn the_host_says_that_it_is_healthy() {
    let host = Host::probe("").await;
    assert_eq!(host.get("/.well-known/spin/health").await.body, "OK");
    assert_eq!(host.get("/.well-known/spin/other").await.status, 404);
}

fn header(seen: &serde_json::Value, name: &str) -> String {
    let headers = seen["headers"].as_array().unwrap();
    let found = headers.iter().find(|pair| pair[0] == name);
    found.map(|pair| pair[1].as_str().unwrap().to_owned()).unwrap_or_default()
}

/// Answers one request with `body`; returns the port.
async fn serve_once(body: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 1024];
        assert!(stream.read(&mut head).await.unwrap() > 0);
        let reply = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(reply.as_bytes()).await.unwrap();
    });
    port
}

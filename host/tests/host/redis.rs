//! `spin:redis` against a real server.

use crate::support::Host;
use serde_json::{Value, json};
use talkif_embedded::testing::{TestRegion, region};

async fn start() -> (TestRegion, Host) {
    let region = region().await;
    let server = region.redis_url.rsplit_once('@').unwrap().1.split('/').next().unwrap();
    let host = Host::probe(&format!("allowed_outbound_hosts = [\"redis://{server}\"]")).await;
    (region, host)
}

async fn run(host: &Host, address: &str, command: &str, arguments: Value) -> Value {
    let body = json!({"address": address, "command": command, "arguments": arguments});
    host.post("/redis", &body.to_string()).await.json()
}

#[tokio::test]
async fn commands_run_and_nested_replies_come_back_flat() {
    let (region, host) = start().await;
    let url = &region.redis_url;
    assert_eq!(run(&host, url, "SET", json!(["k", "v"])).await, json!({"results": [{"status": "OK"}]}));
    assert_eq!(run(&host, url, "GET", json!(["k"])).await, json!({"results": ["v"]}));
    assert_eq!(run(&host, url, "GET", json!(["none"])).await, json!({"results": [null]}));
    assert_eq!(run(&host, url, "INCRBY", json!(["n", 5])).await, json!({"results": [5]}));
    run(&host, url, "XADD", json!(["s", "1-0", "a", "b"])).await;
    assert_eq!(
        run(&host, url, "XRANGE", json!(["s", "-", "+"])).await,
        json!({"results": ["1-0", "a", "b"]})
    );
}

#[tokio::test]
async fn an_error_of_the_server_reaches_the_guest() {
    let (region, host) = start().await;
    let reply = run(&host, &region.redis_url, "NOSUCH", json!([])).await;
    assert!(reply["error"].as_str().unwrap().contains("Other"), "{reply}");
}

#[tokio::test]
async fn a_host_that_is_not_listed_is_an_invalid_address() {
    let (region, host) = start().await;
    let elsewhere = region.redis_url.replace("127.0.0.1", "localhost");
    assert_eq!(run(&host, &elsewhere, "PING", json!([])).await, json!({"error": "Error::InvalidAddress"}));
}

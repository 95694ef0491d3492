//! Bad neighbours: what one request does must not reach another.

use crate::support::{Host, manifest};
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_panic_fails_its_own_request_only() {
    let host = Host::probe("").await;
    let (sleeper, panicker) = tokio::join!(host.get("/sleep?ms=300"), host.get("/panic"));
    assert_eq!((panicker.status, &panicker.json()["code"]), (500, &"internal_error".into()));
    assert_eq!((sleeper.status, sleeper.body.as_str()), (200, "slept"));
    assert_eq!(host.get("/hello").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_loop_is_stopped_and_neighbours_go_on() {
    let host = Host::start(&manifest(""), &["--request-timeout=3s"]).await;
    let started = Instant::now();
    let neighbour = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let reply = host.get("/hello").await;
        (reply, started.elapsed())
    };
    let (looping, (hello, answered)) = tokio::join!(host.get("/loop"), neighbour);
    assert_eq!(looping.status, 504);
    assert_eq!(hello.status, 200);
    assert!(answered < Duration::from_millis(1500), "the neighbour waited for the loop: {answered:?}");
    assert_eq!(host.get("/hello").await.status, 200);
}

#[tokio::test]
async fn a_request_that_waits_too_long_is_answered_with_504() {
    let host = Host::start(&manifest(""), &["--request-timeout=300ms"]).await;
    assert_eq!(host.get("/sleep?ms=5000").await.status, 504);
    assert_eq!(host.get("/sleep?ms=10").await.status, 200);
}

#[tokio::test]
async fn memory_is_limited_per_instance() {
    let host = Host::start(&manifest(""), &["--max-instance-memory=32MiB"]).await;
    assert_eq!(host.get("/allocate?mib=16").await.status, 200);
    assert_eq!(host.get("/allocate?mib=64").await.status, 500);
    assert_eq!(host.get("/allocate?mib=16").await.status, 200);
}

#[tokio::test]
async fn an_instance_is_reused_up_to_its_count() {
    let host = Host::start(&manifest(""), &["--max-instance-reuse-count=3"]).await;
    let mut counts = Vec::new();
    for _ in 0..4 {
        counts.push(host.get("/count").await.body);
    }
    assert_eq!(counts, ["1", "2", "3", "1"]);
}

#[tokio::test]
async fn an_instance_serves_several_requests_at_once_if_told_to() {
    let host = Host::start(&manifest(""), &["--max-instance-concurrent-reuse-count=8"]).await;
    let (slept, count) = tokio::join!(host.get("/sleep?ms=300"), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        [host.get("/count").await.body, host.get("/count").await.body]
    });
    assert_eq!((slept.body.as_str(), count), ("slept", ["1".to_owned(), "2".to_owned()]));
}

#[tokio::test]
async fn an_idle_instance_is_dropped() {
    let host = Host::start(&manifest(""), &["--idle-instance-timeout=50ms"]).await;
    assert_eq!(host.get("/count").await.body, "1");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(host.get("/count").await.body, "1");
}

#[tokio::test]
async fn requests_beyond_the_limit_wait_for_their_turn() {
    let host = Host::start(&manifest(""), &["--max-requests=2"]).await;
    let requests = (0..6).map(|_| host.get("/sleep?ms=50"));
    let replies = futures::future::join_all(requests).await;
    assert!(replies.iter().all(|reply| reply.status == 200), "{replies:?}");
}

#[tokio::test]
async fn many_requests_at_once_are_all_answered() {
    let host = Host::probe("").await;
    let replies = futures::future::join_all((0..24).map(|_| host.get("/sleep?ms=20"))).await;
    assert!(replies.iter().all(|reply| reply.body == "slept"), "{replies:?}");
}

#[tokio::test]
async fn stopping_lets_a_request_in_flight_finish() {
    let host = Host::probe("").await;
    let address = host.address;
    let request = tokio::spawn(async move { crate::support::get(address, "/sleep?ms=500").await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    host.stop().await;
    assert_eq!(request.await.unwrap().body, "slept");
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "still listening");
}

#[tokio::test]
async fn stopping_does_not_wait_longer_than_allowed() {
    let host = Host::start(&manifest(""), &["--shutdown-timeout=200ms"]).await;
    let address = host.address;
    tokio::spawn(async move { crate::support::get(address, "/sleep?ms=5000").await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let started = Instant::now();
    host.stop().await;
    assert!(started.elapsed() < Duration::from_secs(2));
}

//! The stream of calls: a hint that may be lost.

use super::support::*;
use crate::dialer::CallStream;

#[tokio::test]
async fn entries_of_a_dead_consumer_are_taken_over() {
    let world = World::new().await;
    let client = redis::Client::open(world.region.redis_url.as_str()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let (_, call) = world.lead("+12025550111").await;
    add(&mut redis, &call.to_string()).await;
    let mut group = redis::cmd("XGROUP");
    group
        .arg("CREATE")
        .arg("talkif:eu-west:calls")
        .arg("dialers")
        .arg("0")
        .query_async::<()>(&mut redis)
        .await
        .unwrap();
    let mut read = redis::cmd("XREADGROUP");
    read.arg("GROUP").arg("dialers").arg("dead").arg("STREAMS").arg("talkif:eu-west:calls").arg(">");
    read.query_async::<redis::Value>(&mut redis).await.unwrap();
    // As if it had been silent for an hour.
    let mut pending = redis::cmd("XPENDING");
    pending.arg("talkif:eu-west:calls").arg("dialers").arg("-").arg("+").arg(1);
    let pending: Vec<(String, String, i64, i64)> = pending.query_async(&mut redis).await.unwrap();
    let mut age = redis::cmd("XCLAIM");
    age.arg("talkif:eu-west:calls")
        .arg("dialers")
        .arg("dead")
        .arg(0)
        .arg(&pending[0].0)
        .arg("IDLE")
        .arg(3_600_000);
    age.query_async::<redis::Value>(&mut redis).await.unwrap();

    let (node, shutdown) = (Node::new(&world), never());
    let stream = CallStream::new(client, "talkif:eu-west:calls".into(), "alive".into());
    let following = tokio::spawn(node.dialer.clone().follow(stream, shutdown.clone()));
    until(async || node.dialed() == [call]).await;
    until(async || length(&mut redis.clone()).await == 0).await;
    shutdown.ask();
    following.await.unwrap();
}

#[tokio::test]
async fn the_stream_brings_a_call_at_once_and_survives_a_redis_that_forgot_everything() {
    let world = World::new().await;
    let node = Node::new(&world);
    let client = redis::Client::open(world.region.redis_url.as_str()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let shutdown = never();
    let stream = CallStream::new(client, "talkif:eu-west:calls".into(), "node".into());
    let following = tokio::spawn(node.dialer.clone().follow(stream, shutdown.clone()));

    let (_, first) = world.lead("+12025550111").await;
    add(&mut redis, &first.to_string()).await;
    add(&mut redis, "nonsense").await;
    until(async || node.dialed() == [first]).await;

    // Redis came back empty: the stream and its group are gone.
    redis::cmd("FLUSHDB").query_async::<()>(&mut redis).await.unwrap();
    let (_, second) = world.lead("+12025550112").await;
    add(&mut redis, &second.to_string()).await;
    until(async || node.dialed() == [first, second]).await;
    until(async || length(&mut redis.clone()).await == 0).await;
    shutdown.ask();
    following.await.unwrap();
}

async fn add(redis: &mut redis::aio::MultiplexedConnection, call: &str) {
    let mut add = redis::cmd("XADD");
    add.arg("talkif:eu-west:calls").arg("*").arg("call_id").arg(call).arg("traceparent").arg("00-x");
    add.query_async::<()>(redis).await.unwrap();
}

async fn length(redis: &mut redis::aio::MultiplexedConnection) -> i64 {
    redis::cmd("XLEN").arg("talkif:eu-west:calls").query_async(redis).await.unwrap()
}

use super::courier::Receiver;
use super::support::*;
use crate::{Ports, RegionClock, Workers, WorkersConfig};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use talkif_model::{CallId, CallStatus, Region};

pub(super) fn config(world: &World, otlp: &str) -> WorkersConfig {
    WorkersConfig {
        region: Region::EuWest,
        node_id: "node-1".into(),
        slots: 4,
        sip_address: "127.0.0.1:5060".into(),
        redis_url: world.region.redis_url.clone(),
        sealing_key: Arc::clone(&world.sealing_key),
        artifacts_listen: "127.0.0.1:0".parse().unwrap(),
        artifacts_url: "http://artifacts.test".into(),
        artifacts_key: vec![1; 32],
        local_mode: true,
        otlp_endpoint: Some(otlp.to_owned()),
    }
}

async fn announce(world: &World, call: CallId) {
    let client = redis::Client::open(world.region.redis_url.as_str()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let mut add = redis::cmd("XADD");
    add.arg("talkif:eu-west:calls").arg("*").arg("call_id").arg(call.to_string());
    add.query_async::<()>(&mut redis).await.unwrap();
}

#[tokio::test]
async fn a_lead_goes_through_a_whole_node_to_its_webhooks_and_its_trace() {
    let (world, receiver, collector) = (World::new().await, Receiver::default(), Receiver::default());
    world.endpoint(&receiver.listen().await).await;
    let sessions = Arc::new(Sessions::default());
    sessions.scripts.lock().unwrap().push_back(vec![status(CallStatus::InProgress), finished(qualified())]);
    let ports = Ports {
        db: Arc::clone(&world.region.db),
        directory: Arc::clone(&world.region.db),
        clock: RegionClock::default(),
        telephony: Arc::new(Carrier::default()),
        runner: sessions,
        recordings: Arc::new(Store::default()),
    };
    let workers = Workers::start(config(&world, &collector.listen().await), ports).await.unwrap();
    let (_, call) = world.lead("+12025550111").await;
    announce(&world, call).await;

    until(async || receiver.bodies().len() == 3).await;
    let events: Vec<Value> =
        receiver.bodies().iter().map(|body| serde_json::from_str(body).unwrap()).collect();
    let names: Vec<&str> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    assert_eq!(names, ["call.started", "call.answered", "outcome.qualified"]);
    assert_eq!(events[0]["call_sid"], format!("sip-{call}"));
    until(async || {
        let exported = collector.bodies().concat();
        exported.contains("outcome.write") && exported.contains("webhook.out")
    })
    .await;
    assert_eq!(world.count("from nodes where id = 'node-1' and slots = 4").await, 1);
    let health = format!("http://{}/healthz", workers.artifacts_address());
    assert_eq!(reqwest::get(health).await.unwrap().status(), 200);

    workers.drain(Duration::from_secs(10)).await;
    assert_eq!(world.count("from nodes").await, 0);
}

use super::support::*;
use super::unsteady::Forgetful;
use crate::courier::Courier;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use uuid::Uuid;

/// Status and headers.
type Answer = (u16, Vec<(&'static str, String)>);

/// A receiver that answers as the script says, then 200.
#[derive(Clone, Default)]
pub(super) struct Receiver {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    got: Arc<Mutex<Vec<(HeaderMap, String)>>>,
}

impl Receiver {
    pub(super) async fn listen(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let app = Router::new().fallback(receive).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        url
    }

    fn answer(&self, status: u16, headers: &[(&'static str, &str)]) {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.answers.lock().unwrap().push_back((status, headers));
    }

    /// When each request says it was signed, Unix seconds.
    pub(super) fn timestamps(&self) -> Vec<i64> {
        let at = |headers: &HeaderMap| headers["webhook-timestamp"].to_str().unwrap().parse().unwrap();
        self.got.lock().unwrap().iter().map(|(headers, _)| at(headers)).collect()
    }

    /// Their `webhook-id`s.
    pub(super) fn ids(&self) -> Vec<String> {
        let id = |headers: &HeaderMap| headers["webhook-id"].to_str().unwrap().to_owned();
        self.got.lock().unwrap().iter().map(|(headers, _)| id(headers)).collect()
    }

    pub(super) fn bodies(&self) -> Vec<String> {
        self.got.lock().unwrap().iter().map(|(_, body)| body.clone()).collect()
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: String) -> Response {
    receiver.got.lock().unwrap().push((headers, body));
    let (status, headers) = receiver.answers.lock().unwrap().pop_front().unwrap_or((200, Vec::new()));
    let mut response = StatusCode::from_u16(status).unwrap().into_response();
    for (name, value) in headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

pub(super) async fn queue(world: &World, endpoint: Uuid, call: Uuid, payload: &str) -> Uuid {
    let id = Uuid::now_v7();
    world.run("insert into webhook_deliveries (id, account_id, endpoint_id, event_id, event_type, call_id, payload)
         values ($1::text::uuid, $2::text::uuid, $3::text::uuid, gen_random_uuid(), 'outcome.booked', $4::text::uuid, $5::text)", &[&id, &world.account.uuid(), &endpoint, &call, &payload]).await;
    id
}

pub(super) async fn state(world: &World, delivery: Uuid) -> String {
    world.text(&format!("select state from webhook_deliveries where id = '{delivery}'")).await.unwrap()
}

/// Runs a courier until `done`.
pub(super) async fn carry(courier: Courier, done: impl AsyncFnMut() -> bool) {
    let shutdown = never();
    let running = tokio::spawn(courier.run(shutdown.clone()));
    until(done).await;
    shutdown.ask();
    running.await.unwrap();
}

#[tokio::test]
async fn a_delivery_carries_signatures_that_the_standard_library_believes() {
    let (world, receiver) = (World::new().await, Receiver::default());
    let endpoint = world.endpoint(&receiver.listen().await).await;
    let (_, call) = world.lead("+12025550111").await;
    let delivery = queue(&world, endpoint, call.uuid(), r#"{"event":"outcome.booked"}"#).await;
    carry(world.courier(), async || state(&world, delivery).await == "delivered").await;

    let (headers, body) = receiver.got.lock().unwrap().pop().unwrap();
    standardwebhooks::Webhook::new(&world.secret).unwrap().verify(body.as_bytes(), &headers).unwrap();
    let now = crate::fresh::now_us() / 1_000_000;
    let talkif = headers["talkif-signature"].to_str().unwrap();
    talkif_rules::signature::verify_talkif(&[&world.secret], talkif, body.as_bytes(), now).unwrap();
    assert!(headers["webhook-id"].to_str().unwrap().starts_with("evt_"));
    assert!(headers["talkif-delivery-id"].to_str().unwrap().starts_with("dlv_"));
    assert!(headers["user-agent"].to_str().unwrap().starts_with("Talkif-Webhooks/"));
    assert_eq!(world.count("from spans where name = 'webhook.out'").await, 1);
}

#[tokio::test]
async fn events_of_one_call_arrive_in_order_and_wait_for_a_failed_one() {
    let (world, receiver) = (World::new().await, Receiver::default());
    let endpoint = world.endpoint(&receiver.listen().await).await;
    let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
    receiver.answer(500, &[]);
    for payload in ["1", "2", "3"] {
        queue(&world, endpoint, one, payload).await;
    }
    carry(world.courier(), async || {
        world.count("from webhook_deliveries where last_status = 500").await == 1
    })
    .await;
    queue(&world, endpoint, other, "other").await;
    carry(world.courier(), async || receiver.bodies().len() == 2).await;
    assert_eq!(receiver.bodies(), ["1", "other"]);

    let later = "select next_at between now() + interval '2 s' and now() + interval '7 s' from webhook_deliveries where payload = '1'";
    assert_eq!(world.text(later).await.as_deref(), Some("true"));
    world.sql("update webhook_deliveries set next_at = now()").await;
    // Two couriers, and still one after the other.
    let (a, b) = (world.courier(), world.courier());
    let delivered = async || world.count("from webhook_deliveries where state = 'delivered'").await == 4;
    tokio::join!(carry(a, delivered), carry(b, delivered));
    assert_eq!(receiver.bodies(), ["1", "other", "1", "2", "3"]);
}

#[tokio::test]
async fn a_receiver_that_asks_for_time_gets_it() {
    let (world, receiver) = (World::new().await, Receiver::default());
    let endpoint = world.endpoint(&receiver.listen().await).await;
    receiver.answer(429, &[("retry-after", "120")]);
    queue(&world, endpoint, Uuid::now_v7(), "{}").await;
    carry(world.courier(), async || {
        world.count("from webhook_deliveries where last_status = 429").await == 1
    })
    .await;
    let later = "select next_at > now() + interval '110 s' from webhook_deliveries";
    assert_eq!(world.text(later).await.as_deref(), Some("true"));
    assert_eq!(world.count("from webhook_endpoints where failing_since is not null").await, 1);
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_disabled() {
    let (world, receiver) = (World::new().await, Receiver::default());
    let endpoint = world.endpoint(&receiver.listen().await).await;
    receiver.answer(410, &[]);
    let delivery = queue(&world, endpoint, Uuid::now_v7(), "{}").await;
    carry(world.courier(), async || state(&world, delivery).await == "dead").await;
    assert_eq!(world.text("select disabled_reason from webhook_endpoints").await.as_deref(), Some("gone"));
}

#[tokio::test]
async fn five_days_of_failure_disable_an_endpoint_and_the_eleventh_failure_ends_a_delivery() {
    let (world, receiver) = (World::new().await, Receiver::default());
    let endpoint = world.endpoint(&receiver.listen().await).await;
    world.sql("update webhook_endpoints set failing_since = now() - interval '6 days'").await;
    receiver.answer(500, &[]);
    let delivery = queue(&world, endpoint, Uuid::now_v7(), "{}").await;
    world.sql("update webhook_deliveries set attempts = 10").await;
    carry(world.courier(), async || state(&world, delivery).await == "dead").await;
    assert_eq!(world.text("select disabled_reason from webhook_endpoints").await.as_deref(), Some("failing"));
}

#[tokio::test]
async fn a_success_makes_an_endpoint_well_again() {
    let (world, receiver) = (World::new().await, Receiver::default());
    let endpoint = world.endpoint(&receiver.listen().await).await;
    world.sql("update webhook_endpoints set failing_since = now() - interval '4 days'").await;
    let delivery = queue(&world, endpoint, Uuid::now_v7(), "{}").await;
    carry(world.courier(), async || state(&world, delivery).await == "delivered").await;
    assert_eq!(world.count("from webhook_endpoints where failing_since is null").await, 1);
}

#[tokio::test]
async fn private_addresses_are_refused_outside_local_mode() {
    let (world, receiver) = (World::new().await, Receiver::default());
    let url = receiver.listen().await;
    let by_address = world.endpoint(&url).await;
    let by_name = world.endpoint(&url.replace("127.0.0.1", "localhost")).await;
    queue(&world, by_address, Uuid::now_v7(), "{}").await;
    queue(&world, by_name, Uuid::now_v7(), "{}").await;
    let courier = Courier::new(world.courier_config(false)).unwrap();
    let refused = "from webhook_deliveries where last_error = 'the host is not on the public internet'";
    carry(courier, async || world.count(refused).await == 2).await;
    assert!(receiver.bodies().is_empty());
}

#[tokio::test]
async fn a_redirect_is_a_failure_wherever_it_leads() {
    let (world, receiver, target) = (World::new().await, Receiver::default(), Receiver::default());
    let endpoint = world.endpoint(&receiver.listen().await).await;
    receiver.answer(307, &[("location", &target.listen().await)]);
    queue(&world, endpoint, Uuid::now_v7(), "{}").await;
    carry(world.courier(), async || {
        world.count("from webhook_deliveries where last_status = 307").await == 1
    })
    .await;
    assert!(target.bodies().is_empty());
}

#[tokio::test]
async fn an_endpoint_that_fails_gets_one_delivery_at_a_time_and_no_call_is_asked_about_before_its_time() {
    let (world, receiver) = (World::new().await, Receiver::default());
    let endpoint = world.endpoint(&receiver.listen().await).await;
    receiver.answer(500, &[]);
    let call = Uuid::now_v7();
    let first = queue(&world, endpoint, call, "{}").await;
    let second = queue(&world, endpoint, call, "{}").await;
    carry(world.courier(), async || {
        world.count("from webhook_deliveries where last_status = 500").await == 1
    })
    .await;
    let together = format!(
        "select count(distinct next_at) from webhook_deliveries where id in ('{first}', '{second}') and next_at > now()"
    );
    assert_eq!(world.text(&together).await.as_deref(), Some("1"));
    for _ in 0..20 {
        queue(&world, endpoint, Uuid::now_v7(), "{}").await;
    }
    assert_eq!(world.courier().claim_for_test(20).await, [endpoint]);
    assert_eq!(world.courier().claim_for_test(20).await, Vec::<Uuid>::new());
}

#[tokio::test]
async fn deliveries_wait_three_days_for_a_disabled_endpoint_and_then_give_up() {
    let (world, receiver) = (World::new().await, Receiver::default());
    let patient = world.endpoint(&receiver.listen().await).await;
    let given_up = world.endpoint("http://127.0.0.1:9/").await;
    let waits = queue(&world, patient, Uuid::now_v7(), "{}").await;
    let dies = queue(&world, given_up, Uuid::now_v7(), "{}").await;
    for (endpoint, hours) in [(patient, 71), (given_up, 73)] {
        world.sql(&format!("update webhook_endpoints set disabled_at = now() - interval '{hours} hours', disabled_reason = 'failing' where id = '{endpoint}'")).await;
    }
    world.janitor(&Arc::default()).round().await.unwrap();
    assert_eq!(state(&world, dies).await, "dead");
    assert_eq!(world.courier().claim_for_test(20).await, Vec::<Uuid>::new());

    world.sql("update webhook_endpoints set disabled_at = null, disabled_reason = null").await;
    carry(world.courier(), async || state(&world, waits).await == "delivered").await;
}

#[tokio::test]
async fn a_delivery_whose_courier_died_after_sending_is_sent_again_under_the_same_id() {
    let (world, receiver) = (World::new().await, Receiver::default());
    let endpoint = world.endpoint(&receiver.listen().await).await;
    let delivery = queue(&world, endpoint, Uuid::now_v7(), "{}").await;
    let mut dying = world.courier_config(true);
    let inner = Arc::clone(&world.region.db);
    let loses = Mutex::new(vec!["deliveries.claim"]);
    dying.db = Arc::new(Forgetful { inner, loses });
    // The claim is committed, and nobody carries it.
    carry(Courier::new(dying).unwrap(), async || {
        world.count("from webhook_deliveries where attempts = 1").await == 1
    })
    .await;
    assert_eq!(world.courier().claim_for_test(20).await, Vec::<Uuid>::new(), "it is leased");
    world.sql("update webhook_deliveries set lease_until = now() - interval '1 s'").await;
    carry(world.courier(), async || state(&world, delivery).await == "delivered").await;
    assert_eq!(receiver.bodies().len(), 1);
}

#[tokio::test]
async fn an_endpoint_with_a_long_queue_does_not_hold_up_another() {
    let (world, busy, quiet) = (World::new().await, Receiver::default(), Receiver::default());
    let (busy_endpoint, quiet_endpoint) =
        (world.endpoint(&busy.listen().await).await, world.endpoint(&quiet.listen().await).await);
    for _ in 0..100 {
        queue(&world, busy_endpoint, Uuid::now_v7(), "{}").await;
    }
    queue(&world, quiet_endpoint, Uuid::now_v7(), "{}").await;
    let claimed = world.courier().claim_for_test(20).await;
    assert_eq!(claimed.iter().filter(|endpoint| **endpoint == quiet_endpoint).count(), 1);
    assert_eq!(claimed.len(), 20);
    assert_eq!(world.courier().claim_for_test(200).await.len(), 32 - 19, "no more to the busy one");
}

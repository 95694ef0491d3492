//! What `livekit-server` posts: taken when it is signed, and never believed.

use crate::world::{SOON, World, fresh_number, phone, request, rings};
use crate::{Case, cases};
use base64::Engine as _;
use livekit_api::access_token::AccessToken;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::Duration;
use talkif_call_engine::io::LegEnd;
use talkif_telephony::LegEvent;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

pub(crate) fn cases() -> Vec<Case> {
    cases![
        what_livekit_posts_is_taken,
        a_forged_event_is_refused,
        a_signed_lie_ends_no_call,
        a_flood_is_cut_off
    ]
}

/// Posts `body` and gives the status.
async fn post(world: &World, token: &str, body: &str) -> u16 {
    let address = world.webhook.trim_start_matches("http://").split('/').next().unwrap().to_owned();
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let head = format!(
        "POST /livekit/webhook HTTP/1.1\r\nHost: {address}\r\nAuthorization: {token}\r\n\
         Content-Type: application/webhook+json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // Whoever is refused early reads no more.
    let _ = stream.write_all(body.as_bytes()).await;
    let mut answer = [0; 12];
    timeout(SOON, stream.read_exact(&mut answer)).await.expect("an answer comes").unwrap();
    std::str::from_utf8(&answer[9..]).unwrap().parse().unwrap()
}

fn token(secret: &str, key: &str, body: &str) -> String {
    let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(body));
    let token = AccessToken::with_api_key(key, secret).with_ttl(Duration::from_secs(60));
    token.with_sha256(&hash).to_jwt().unwrap()
}

async fn what_livekit_posts_is_taken(_: Arc<World>) {
    // Of its own, so that the events are those of its one call.
    let world = World::start().await;
    let phone = phone().await;
    let mut agent = world.dial(request(phone.local_addr(), &fresh_number())).await;
    let mut person = rings(&phone).await;
    person.answer().await;
    agent.until(&LegEvent::Answered).await;
    person.hang_up();
    let room = agent.room();
    world.is_hung_up_on(&mut agent, &room, SOON).await;
    // room_started, participant_joined twice, participant_left …
    let taken = timeout(SOON, async {
        while world.telephony.webhooks().taken < 4 {
            sleep(Duration::from_millis(50)).await;
        }
    });
    assert!(taken.await.is_ok(), "{:?}", world.telephony.webhooks());
    assert_eq!(world.telephony.webhooks().refused, 0, "all that LiveKit posts is signed");
}

async fn a_forged_event_is_refused(world: Arc<World>) {
    let body = r#"{"event":"room_finished","id":"EV_forged","room":{"name":"talkif-eu-west-out-x"}}"#;
    let (key, secret) = &world.key;
    let before = world.telephony.webhooks().refused;
    for token in [
        String::new(),
        token("another-secret-of-at-least-32-characters", key, body),
        token(secret, "somebody", body),
        token(secret, key, "another body"),
    ] {
        assert_eq!(post(&world, &token, body).await, 401);
    }
    assert!(world.telephony.webhooks().refused >= before + 4);
    assert_eq!(post(&world, &token(secret, key, "{"), "{").await, 400);
}

async fn a_signed_lie_ends_no_call(world: Arc<World>) {
    let phone = phone().await;
    let request = request(phone.local_addr(), &fresh_number());
    let room = format!("talkif-eu-west-out-{}", request.call_id);
    let mut agent = world.dial(request).await;
    let mut person = rings(&phone).await;
    person.answer().await;
    agent.until(&LegEvent::Answered).await;
    for event in ["participant_left", "room_finished"] {
        let body = format!(r#"{{"event":"{event}","id":"EV_{event}","room":{{"name":"{room}"}}}}"#);
        assert_eq!(post(&world, &token(&world.key.1, &world.key.0, &body), &body).await, 200);
    }
    person.speak();
    agent.hear_from(&mut person).await;
    agent.hang_up();
    assert_eq!(agent.end().await.0, LegEnd::LocalHangup);
}

async fn a_flood_is_cut_off(world: Arc<World>) {
    let body = format!(r#"{{"event":"{}"}}"#, "x".repeat(200_000));
    assert_eq!(post(&world, &token(&world.key.1, &world.key.0, &body), &body).await, 413);
}

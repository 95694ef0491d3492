use super::support::*;
use crate::artifacts::{ArtifactServer, router};
use crate::clock::RegionClock;
use std::sync::Arc;
use talkif_model::CallId;
use talkif_rules::artifact::{self, Kind};
use tokio::net::TcpListener;

const KEY: [u8; 32] = [1; 32];

async fn serve(world: &World) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let db = Arc::clone(&world.region.db);
    let server = ArtifactServer {
        db,
        clock: RegionClock::default(),
        key: KEY.as_slice().into(),
        recordings: Arc::new(Store::default()),
    };
    tokio::spawn(async move { axum::serve(listener, router(server)).await.unwrap() });
    base
}

async fn get(url: &str) -> (u16, String) {
    let response = reqwest::get(url).await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

async fn call_with_artifacts(world: &World) -> CallId {
    let (_, call) = world.lead("+12025550111").await;
    let (id, account) = (call.uuid(), world.account.uuid());
    world
        .sql(&format!(
            "insert into turns (account_id, call_id, turn_no, speaker, text, started_ms, ended_ms)
             values ('{account}', '{id}', 1, 'caller', 'hello', 0, 400)"
        ))
        .await;
    world
        .sql(&format!(
            "insert into recordings (call_id, account_id, path, bytes, duration_ms, expires_at)
             values ('{id}', '{account}', 'a.wav', 8, 400, now() + interval '1 day')"
        ))
        .await;
    call
}

fn soon() -> i64 {
    crate::fresh::now_us() / 1_000_000 + 60
}

#[tokio::test]
async fn a_signed_address_leads_to_transcript_and_recording() {
    let world = World::new().await;
    let base = serve(&world).await;
    let call = call_with_artifacts(&world).await;
    let (status, body) = get(&artifact::url(&base, &KEY, Kind::Transcript, call, soon())).await;
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 200);
    assert_eq!(body["call_id"], call.to_string());
    assert_eq!(body["turns"][0]["text"], "hello");
    let recording = get(&artifact::url(&base, &KEY, Kind::Recording, call, soon())).await;
    assert_eq!(recording, (200, "RIFF....".to_owned()));
    assert_eq!(get(&format!("{base}/healthz")).await.0, 200);
}

#[tokio::test]
async fn nothing_is_served_without_a_valid_signature() {
    let world = World::new().await;
    let base = serve(&world).await;
    let call = call_with_artifacts(&world).await;
    let transcript = artifact::url(&base, &KEY, Kind::Transcript, call, soon());
    let recording = artifact::url(&base, &KEY, Kind::Recording, call, soon());
    for (url, status) in [
        (artifact::url(&base, &[2; 32], Kind::Transcript, call, soon()), 403),
        (transcript.replace("/t/", "/r/"), 403),
        (recording.replace("/r/", "/t/"), 403),
        (artifact::url(&base, &KEY, Kind::Transcript, call, 1), 410),
        (format!("{base}/t/{call}"), 400),
        (format!("{base}/t/nonsense?exp=1&sig=00"), 404),
    ] {
        assert_eq!(get(&url).await.0, status, "{url}");
    }
}

#[tokio::test]
async fn a_recording_is_served_in_the_part_that_is_asked_for() {
    let world = World::new().await;
    let base = serve(&world).await;
    let call = call_with_artifacts(&world).await;
    let url = artifact::url(&base, &KEY, Kind::Recording, call, soon());
    let table = [
        ("bytes=0-3", None, 206, Some("bytes 0-3/8"), "RIFF"),
        ("bytes=6-", None, 206, Some("bytes 6-7/8"), ".."),
        ("bytes=-5", None, 206, Some("bytes 3-7/8"), "F...."),
        ("bytes=8-", None, 416, Some("bytes */8"), ""),
        ("bytes=0-1,4-5", None, 200, None, "RIFF...."),
        ("bytes=0-3", Some("\"etag\""), 200, None, "RIFF...."),
    ];
    for (range, condition, status, content_range, body) in table {
        let mut request = reqwest::Client::new().get(&url).header("range", range);
        if let Some(condition) = condition {
            request = request.header("if-range", condition);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{range}");
        let said = response.headers().get("content-range").map(|value| value.to_str().unwrap());
        assert_eq!(said, content_range, "{range}");
        assert_eq!(response.text().await.unwrap(), body, "{range}");
    }
    let whole = reqwest::Client::new().head(&url).send().await.unwrap();
    assert_eq!(whole.headers()["accept-ranges"], "bytes");
    assert_eq!(whole.headers()["content-length"], "8");
}

#[tokio::test]
async fn a_recording_that_is_deleted_or_expired_is_not_served() {
    for gone in ["deleted_at = now()", "expires_at = now() - interval '1 s'"] {
        let world = World::new().await;
        let base = serve(&world).await;
        let call = call_with_artifacts(&world).await;
        world.sql(&format!("update recordings set {gone}")).await;
        assert_eq!(get(&artifact::url(&base, &KEY, Kind::Recording, call, soon())).await.0, 404, "{gone}");
    }
}

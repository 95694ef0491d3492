//! Both LiveKit servers start, survive a crash of either, and stop.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::TcpStream;
use talkif_embedded::{LiveKit, LiveKitPart};

fn port(url: &str) -> u16 {
    url.rsplit(':').next().unwrap().parse().unwrap()
}

/// Without the servers there is nothing to see here; `media-node/livekit` reports that by name.
#[tokio::test]
async fn a_killed_server_comes_back_at_its_address_and_a_stopped_pair_is_gone() {
    if let Err(lack) = LiveKit::prepare().await {
        assert!(std::env::var_os("CI").is_none(), "CI has what it takes: {lack}");
        println!("skipped: {lack}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut servers = LiveKit::start(folder.path(), None).await.unwrap();
    servers.check().unwrap();
    servers.kill(LiveKitPart::Server);
    assert!(servers.check().unwrap_err().to_string().contains("livekit-server has ended"));
    servers.restart(LiveKitPart::Server).await.unwrap();
    servers.kill(LiveKitPart::Sip);
    servers.restart(LiveKitPart::Sip).await.unwrap();
    servers.check().unwrap();
    let port = port(&servers.url());
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
    servers.stop();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

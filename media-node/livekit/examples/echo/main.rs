//! Measures calls through LiveKit: CPU and memory of an agent that echoes, how late its frames are,
//! and how long a word takes through LiveKit beside the direct leg.
//!
//! ```text
//! cargo run --release -p talkif-livekit --example echo -- servers
//! cargo run --release -p talkif-livekit --example echo -- agent URL KEY SECRET PHONE CALLS SECONDS
//! cargo run --release -p talkif-livekit --example echo -- delay URL KEY SECRET
//! ```
//! The first command starts both servers and a telephone that answers everybody with a tone, and
//! prints the other ones' arguments; `bench/livekit/official_agent.py` takes those of `agent`.
//! `bench/livekit/measure.sh` does it all.
#![expect(clippy::unwrap_used, reason = "a measuring program stops at the first surprise")]

mod agent;
mod delay;
mod phone;
mod usage;

use std::sync::Arc;
use talkif_livekit::{LiveKitConfig, LiveKitTelephony};
use talkif_model::Region;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["servers"] => phone::servers().await,
        ["agent", url, key, secret, phone, calls, seconds] => {
            let (calls, seconds) = (calls.parse().unwrap(), seconds.parse().unwrap());
            agent::run(telephony([url, key, secret]), phone.parse().unwrap(), calls, seconds).await;
        }
        ["delay", url, key, secret, ..] => delay::run(telephony([url, key, secret])).await,
        _ => eprintln!("servers | agent URL KEY SECRET PHONE CALLS SECONDS | delay URL KEY SECRET"),
    }
}

fn telephony([url, key, secret]: [&str; 3]) -> Arc<LiveKitTelephony> {
    Arc::new(LiveKitTelephony::start(LiveKitConfig {
        url: url.to_owned(),
        api_key: key.to_owned(),
        api_secret: secret.to_owned(),
        region: Region::EuWest,
        slots: 1_000,
        allow: vec!["127.0.0.0/8".to_owned()],
        numbers: None,
    }))
}

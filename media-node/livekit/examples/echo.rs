//! Measures calls through LiveKit: CPU and memory of an agent that echoes, and the time from the
//! INVITE to the first sample of the agent at the telephone.
//!
//! ```text
//! cargo run --release -p talkif-livekit --example echo -- servers
//! cargo run --release -p talkif-livekit --example echo -- agent URL KEY SECRET PHONE CALLS SECONDS
//! ```
//! The first command starts both servers and a telephone that answers everybody with a tone, and
//! prints the second one's arguments; `bench/livekit/official_agent.py` takes the same.
#![expect(clippy::unwrap_used, reason = "a measuring program stops at the first surprise")]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use talkif_embedded::LiveKit;
use talkif_livekit::{LiveKitConfig, LiveKitTelephony};
use talkif_model::{CallId, Region};
use talkif_telephony::{
    CallLeg, DialRequest, DirectConfig, DirectTelephony, FRAME, LegEvent, Pacer, Telephony, Transport, Trunk,
};

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["servers"] => servers().await,
        ["agent", url, key, secret, phone, calls, seconds] => {
            let (calls, seconds) = (calls.parse().unwrap(), seconds.parse().unwrap());
            agent([url, key, secret], phone.parse().unwrap(), calls, seconds).await;
        }
        _ => eprintln!("servers | agent URL KEY SECRET PHONE CALLS SECONDS"),
    }
}

async fn servers() {
    let folder = tempfile::tempdir().unwrap();
    let servers = LiveKit::start(folder.path(), None).await.unwrap();
    let own = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let config = DirectConfig::new(own, 0..=0, Ipv4Addr::LOCALHOST.into());
    let phone = DirectTelephony::start(config).await.unwrap();
    println!("{} {} {} {}", servers.url(), servers.api_key(), servers.api_secret(), phone.local_addr());
    while let Some(call) = phone.next_call().await {
        tokio::spawn(person(call.leg, Instant::now()));
    }
}

/// Answers after two seconds, says a tone, and notes when the agent is first heard.
async fn person(mut leg: Box<dyn CallLeg>, invited: Instant) {
    tokio::time::sleep(Duration::from_secs(2)).await;
    leg.answer().await.unwrap();
    let answered = Instant::now();
    let mut pacer = Pacer::new(FRAME);
    let (mut frame, mut first) = ([0_i16; 160], None);
    for tick in 0_usize.. {
        tokio::select! {
            event = leg.event() => if matches!(event, LegEvent::Ended { .. }) { break },
            _ = pacer.tick() => {
                leg.receive(&mut frame);
                if first.is_none() && frame.iter().any(|sample| sample.unsigned_abs() > 500) {
                    first = Some(answered.elapsed());
                }
                for (n, sample) in frame.iter_mut().enumerate() {
                    *sample = (((tick * 160 + n) as f64 * 0.35).sin() * 4_000.0) as i16;
                }
                leg.send(&frame);
            }
        }
    }
    let quality = leg.quality();
    println!(
        "first heard {:?} after the answer, which came {:?} after the INVITE; {} packets, {} lost",
        first.unwrap_or_default(),
        answered - invited,
        quality.packets_received,
        quality.packets_lost
    );
}

async fn agent([url, key, secret]: [&str; 3], phone: SocketAddr, calls: usize, seconds: u64) {
    let telephony = Arc::new(LiveKitTelephony::start(LiveKitConfig {
        url: url.to_owned(),
        api_key: key.to_owned(),
        api_secret: secret.to_owned(),
        region: Region::EuWest,
        slots: calls,
        allow: vec!["127.0.0.0/8".to_owned()],
        numbers: None,
    }));
    telephony.ready().await;
    let idle = Usage::now();
    let mut legs = Vec::new();
    for n in 0..calls {
        legs.push(tokio::spawn(echo(Arc::clone(&telephony), phone, n, Duration::from_secs(seconds))));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (begin, from) = (Usage::now(), Instant::now());
    tokio::time::sleep(Duration::from_secs(seconds.saturating_sub(7))).await;
    let (end, took) = (Usage::now(), from.elapsed());
    let late: usize = futures::future::join_all(legs).await.into_iter().map(Result::unwrap).sum();
    println!(
        "{calls} calls: {:.2} % of a core and {:.2} MiB a call; {:.1} MiB idle, {:.1} MiB in all; {late} late frames",
        (end.cpu - begin.cpu) / took.as_secs_f64() * 100.0 / calls as f64,
        (end.memory - idle.memory) / calls as f64,
        idle.memory,
        end.memory,
    );
}

/// Says what it hears; returns how many frames came more than 10 ms late.
async fn echo(telephony: Arc<LiveKitTelephony>, phone: SocketAddr, n: usize, time: Duration) -> usize {
    let mut leg = telephony.dial(request(phone, n)).await.unwrap();
    while leg.event().await != LegEvent::Answered {}
    let mut pacer = Pacer::new(FRAME);
    let (mut frame, mut late, until) = ([0_i16; 960], 0, Instant::now() + time);
    while Instant::now() < until {
        let tick = pacer.tick().await;
        late += usize::from(tick.lateness > FRAME / 2);
        leg.receive(&mut frame);
        leg.send(&frame);
    }
    leg.hang_up();
    while !matches!(leg.event().await, LegEvent::Ended { .. }) {}
    late
}

fn request(phone: SocketAddr, n: usize) -> DialRequest {
    let trunk =
        Trunk { address: phone.to_string(), transport: Transport::Udp, username: None, password: None };
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis();
    DialRequest {
        call_id: CallId::new(u64::try_from(now).unwrap(), rand::random()),
        from: "+12125550100".parse().unwrap(),
        to: format!("+1212556{n:04}").parse().unwrap(),
        trunk,
        max_ring: Duration::from_secs(30),
        headers: Vec::new(),
    }
}

/// What this process has used.
struct Usage {
    /// Seconds of a core.
    cpu: f64,
    /// Resident, MiB.
    memory: f64,
}

impl Usage {
    fn now() -> Self {
        let read = |name: &str| std::fs::read_to_string(Path::new("/proc/self").join(name)).unwrap();
        let stat = read("stat");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        // User and system time in hundredths of a second.
        let cpu = (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0;
        let pages: f64 = read("statm").split_whitespace().nth(1).unwrap().parse().unwrap();
        Self { cpu, memory: pages * 4.0 / 1_024.0 }
    }
}

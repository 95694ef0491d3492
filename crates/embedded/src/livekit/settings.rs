//! The configuration files of both servers, for loopback.

use crate::system::quiet_port;
use crate::{EmbeddedError, Redis};
use rand::Rng as _;

/// The one API key; its secret is made at each start.
pub(super) const API_KEY: &str = "talkif";

/// Below all other ports of ours.
const RTP_AREA: std::ops::Range<u16> = 10_000..18_000;
/// 1,000 calls of one even port each. `livekit-sip` passes over ports that are taken.
const RTP_WIDTH: u16 = 2_000;

/// Where everything listens.
#[derive(Debug, Clone)]
pub(super) struct Ports {
    /// API and signalling, TCP.
    pub(super) http: u16,
    /// Media of all rooms, UDP.
    pub(super) rtc: u16,
    /// SIP, UDP and TCP.
    pub(super) sip: u16,
    /// First RTP port of SIP calls.
    pub(super) rtp: u16,
}

impl Ports {
    pub(super) fn choose() -> Result<Self, EmbeddedError> {
        Ok(Self {
            http: quiet_port()?,
            rtc: quiet_port()?,
            sip: quiet_port()?,
            rtp: rand::rng().random_range(RTP_AREA) & !1,
        })
    }
}

fn redis_section(redis: &Redis) -> String {
    format!("redis:\n  address: 127.0.0.1:{}\n  password: {}\n", redis.port(), redis.password())
}

/// One mux port for all media and no TCP fallback, whose listener would have no bind address. The
/// STUN server is nobody: without one, clients are told to ask a public one.
pub(super) fn server(ports: &Ports, redis: &Redis, secret: &str, webhook: Option<&str>) -> String {
    let webhook = webhook
        .map_or_else(String::new, |url| format!("webhook:\n  api_key: {API_KEY}\n  urls: [\"{url}\"]\n"));
    format!(
        "port: {http}\nbind_addresses: [\"127.0.0.1\"]\nkeys:\n  {API_KEY}: {secret}\n{redis}\
         rtc:\n  tcp_port: 0\n  udp_port: {rtc}\n  use_external_ip: false\n  node_ip: 127.0.0.1\n  \
         enable_loopback_candidate: true\n  interfaces:\n    includes: [lo, lo0]\n  \
         stun_servers: [\"127.0.0.1:9\"]\n  allow_tcp_fallback: false\n{webhook}logging:\n  level: info\n",
        http = ports.http,
        rtc = ports.rtc,
        redis = redis_section(redis),
    )
}

/// `nat_1_to_1_ip` because it passes over loopback when it looks for its own address. A machine
/// that tests is busy, which is no reason to refuse calls, and closed calls need no drained ports.
pub(super) fn sip(ports: &Ports, redis: &Redis, secret: &str) -> String {
    format!(
        "api_key: {API_KEY}\napi_secret: {secret}\nws_url: ws://127.0.0.1:{http}\n{redis}\
         sip_port: {sip}\nlisten_ip: 127.0.0.1\nnat_1_to_1_ip: 127.0.0.1\nuse_external_ip: false\n\
         rtp_port: {first}-{last}\nrtp_draining_idle_timeout: -1s\nmedia_timeout: 15s\n\
         max_cpu_utilization: 1\nlogging:\n  level: info\n",
        http = ports.http,
        redis = redis_section(redis),
        sip = ports.sip,
        first = ports.rtp,
        last = ports.rtp + RTP_WIDTH,
    )
}

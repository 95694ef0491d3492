//! What a direct telephony needs to know at start.

use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

/// Settings of [`super::DirectTelephony`].
#[derive(Debug, Clone)]
pub struct DirectConfig {
    /// Where SIP listens, UDP and TCP; port 0 takes any free one.
    pub sip_listen: SocketAddr,
    /// Ports for RTP, of which the even ones are used; `0..=0` takes any free one for each call.
    pub rtp_ports: RangeInclusive<u16>,
    /// The address that SIP headers and SDP give to others.
    pub advertised_ip: IpAddr,
    /// `User-Agent` of all messages.
    pub user_agent: String,
    /// Who may call in.
    pub inbound: InboundPolicy,
    /// No packet this long after the answer: the call has no media.
    pub first_media: Duration,
    /// No packet this long in mid-call: the call has lost its media.
    pub media_gap: Duration,
    /// Root certificates in PEM for TLS trunks. The process must have installed a default rustls
    /// crypto provider.
    pub tls_roots: Option<Vec<u8>>,
}

/// Who may call in, and how many may wait for an answer at once.
#[derive(Debug, Clone)]
pub struct InboundPolicy {
    /// Sources that are let in; an empty list lets in everybody.
    pub allow: Vec<IpNet>,
    /// Credentials that callers must prove by digest authentication.
    pub digest: Option<InboundDigest>,
    /// Calls that may wait for an answer at once. Beyond it: 503.
    pub max_pending: usize,
    /// The same for one source address.
    pub max_pending_per_source: usize,
    /// An inbound call rings at most this long.
    pub max_ring: Duration,
}

/// Digest credentials of callers.
#[derive(Clone)]
pub struct InboundDigest {
    /// Named in the challenge.
    pub realm: String,
    /// User.
    pub username: String,
    /// Password.
    pub password: String,
}

impl std::fmt::Debug for InboundDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "InboundDigest({})", self.realm)
    }
}

impl DirectConfig {
    /// The usual settings: everybody may call in, 64 calls may wait, 16 of one source; calls
    /// without media end after 30 s at the start and 15 s later on, as `LiveKit` SIP does.
    #[must_use]
    pub fn new(sip_listen: SocketAddr, rtp_ports: RangeInclusive<u16>, advertised_ip: IpAddr) -> Self {
        Self {
            sip_listen,
            rtp_ports,
            advertised_ip,
            user_agent: concat!("Talkif/", env!("CARGO_PKG_VERSION")).to_owned(),
            inbound: InboundPolicy::default(),
            first_media: Duration::from_secs(30),
            media_gap: Duration::from_secs(15),
            tls_roots: None,
        }
    }
}

impl Default for InboundPolicy {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            digest: None,
            max_pending: 64,
            max_pending_per_source: 16,
            max_ring: Duration::from_secs(120),
        }
    }
}

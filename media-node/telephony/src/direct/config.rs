//! What a direct telephony needs to know at start.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
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
    /// The shortest session interval a caller may ask for; RFC 4028 wants 90 s.
    pub min_session: Duration,
    /// Root certificates in PEM for TLS trunks; `None` takes the system's. The process must have
    /// installed a default rustls crypto provider.
    pub tls_roots: Option<Vec<u8>>,
}

/// Who may call in, and how many may wait for an answer at once.
#[derive(Debug, Clone)]
pub struct InboundPolicy {
    /// Sources that may call in; by default only this machine. An empty list lets in nobody, or,
    /// with `digest`, everybody who proves the credentials.
    pub allow: Vec<IpNet>,
    /// Credentials that callers must prove by digest authentication, besides being on the list.
    pub digest: Option<InboundDigest>,
    /// How much may be sent to the SIP port.
    pub limits: Limits,
    /// Calls that may wait for an answer at once. Beyond it: 503.
    pub max_pending: usize,
    /// The same for one source address.
    pub max_pending_per_source: usize,
    /// An inbound call rings at most this long.
    pub max_ring: Duration,
}

/// How much the SIP port takes. What goes beyond is dropped without an answer. Budgets allow a
/// burst of two seconds' worth.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// SIP messages a second of one source that is on the list, was dialled or is in a call.
    pub messages_per_second: u32,
    /// The same for any other source.
    pub messages_per_stranger: u32,
    /// The same for all other sources together.
    pub strangers_per_second: u32,
    /// TCP connections that others may have open to us.
    pub streams: usize,
    /// The same for one source.
    pub streams_per_source: usize,
    /// A TCP connection has to bring a request of a call within this time.
    pub first_request: Duration,
}

impl Limits {
    /// Enough for carriers at hundreds of calls, too little to harm.
    pub const DEFAULT: Self = Self {
        messages_per_second: 400,
        messages_per_stranger: 5,
        strangers_per_second: 50,
        streams: 256,
        streams_per_source: 16,
        first_request: Duration::from_secs(10),
    };
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
    /// The usual settings: only this machine may call in, 64 calls may wait, 16 of one source;
    /// calls without media end after 30 s at the start and 15 s later on, as `LiveKit` SIP does.
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
            min_session: Duration::from_secs(90),
            tls_roots: None,
        }
    }
}

impl Default for InboundPolicy {
    fn default() -> Self {
        Self {
            allow: vec![
                IpNet::from(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
                IpNet::from(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
            ],
            digest: None,
            limits: Limits::DEFAULT,
            max_pending: 64,
            max_pending_per_source: 16,
            max_ring: Duration::from_secs(120),
        }
    }
}

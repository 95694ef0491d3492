//! One peer connection: a str0m machine, drained after every input.

use super::{PeerError, Target};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use str0m::change::{SdpAnswer, SdpApi, SdpOffer, SdpPendingOffer};
use str0m::net::{Protocol, Receive};
use str0m::rtp::ExtensionMap;
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

/// Candidates that wait for the description they belong to.
const MAX_EARLY: usize = 32;
/// A connection without a deadline of its own is told the time this often all the same.
const IDLE: Duration = Duration::from_secs(1);

/// A datagram to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::room) struct Datagram {
    /// From the socket of this connection.
    pub(in crate::room) from: Target,
    pub(in crate::room) to: SocketAddr,
    pub(in crate::room) contents: Vec<u8>,
}

/// One of the two connections.
pub(super) struct Side {
    target: Target,
    rtc: Rtc,
    local: SocketAddr,
    described: bool,
    early: VecDeque<Candidate>,
    deadline: Instant,
    ticked: Instant,
    last_datagram: Option<Instant>,
}

impl Side {
    /// A connection from the socket bound to `local`.
    pub(super) fn new(target: Target, local: SocketAddr, now: Instant) -> Result<Self, PeerError> {
        let mut rtc = configuration().build(now);
        rtc.add_local_candidate(Candidate::host(local, "udp").map_err(PeerError::address)?);
        Ok(Self {
            target,
            rtc,
            local,
            described: false,
            early: VecDeque::new(),
            deadline: now,
            ticked: now,
            last_datagram: None,
        })
    }

    pub(super) fn rtc(&mut self) -> &mut Rtc {
        &mut self.rtc
    }

    pub(super) const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether media can flow, as far as the connection knows.
    pub(super) fn is_connected(&self) -> bool {
        self.rtc.is_connected()
    }

    /// When the far end was last heard of.
    pub(super) const fn last_datagram(&self) -> Option<Instant> {
        self.last_datagram
    }

    /// Takes the far end's offer and returns our answer.
    pub(super) fn accept_offer(&mut self, sdp: &str) -> Result<String, PeerError> {
        let offer = SdpOffer::from_sdp_string(sdp).map_err(PeerError::description)?;
        let answer = self.rtc.sdp_api().accept_offer(offer).map_err(PeerError::description)?;
        self.now_described();
        Ok(answer.to_sdp_string())
    }

    /// Makes an offer of `changes`; none if they change nothing.
    pub(super) fn offer(
        &mut self,
        changes: impl FnOnce(&mut SdpApi<'_>),
    ) -> Option<(String, SdpPendingOffer)> {
        let mut api = self.rtc.sdp_api();
        changes(&mut api);
        let (offer, pending) = api.apply()?;
        Some((offer.to_sdp_string(), pending))
    }

    /// Takes the far end's answer to `pending`.
    pub(super) fn accept_answer(&mut self, pending: SdpPendingOffer, sdp: &str) -> Result<(), PeerError> {
        let answer = SdpAnswer::from_sdp_string(sdp).map_err(PeerError::description)?;
        self.rtc.sdp_api().accept_answer(pending, answer).map_err(PeerError::description)?;
        self.now_described();
        Ok(())
    }

    /// Takes one of the far end's addresses; early ones wait for its description.
    pub(super) fn add_candidate(&mut self, candidate: Candidate) {
        if self.described {
            self.rtc.add_remote_candidate(candidate);
        } else if self.early.len() < MAX_EARLY {
            self.early.push_back(candidate);
        }
    }

    fn now_described(&mut self) {
        self.described = true;
        for candidate in self.early.drain(..) {
            self.rtc.add_remote_candidate(candidate);
        }
    }

    /// Takes a datagram. What is none of WebRTC's is left aside.
    pub(super) fn receive(
        &mut self,
        from: SocketAddr,
        contents: &[u8],
        now: Instant,
    ) -> Result<(), PeerError> {
        let Ok(datagram) = Receive::new(Protocol::Udp, from, self.local, contents) else { return Ok(()) };
        let input = Input::Receive(now, datagram);
        if !self.rtc.accepts(&input) {
            return Ok(());
        }
        (self.last_datagram, self.ticked) = (Some(now), now);
        self.rtc.handle_input(input).map_err(PeerError::failed)
    }

    /// Lets time pass.
    pub(super) fn tick(&mut self, now: Instant) -> Result<(), PeerError> {
        self.ticked = now;
        self.rtc.handle_input(Input::Timeout(now)).map_err(PeerError::failed)
    }

    /// Takes out all that there is to send and to know. To be called after every change.
    pub(super) fn drain(
        &mut self,
        datagrams: &mut VecDeque<Datagram>,
        mut event: impl FnMut(Event),
    ) -> Result<(), PeerError> {
        loop {
            match self.rtc.poll_output().map_err(PeerError::failed)? {
                Output::Timeout(deadline) => {
                    self.deadline = deadline.min(self.ticked + IDLE);
                    return Ok(());
                }
                Output::Transmit(transmit) => datagrams.push_back(Datagram {
                    from: self.target,
                    to: transmit.destination,
                    contents: transmit.contents.into(),
                }),
                Output::Event(happened) => event(happened),
            }
        }
    }
}

/// Opus and nothing else. Without redundancy (RED), the server sends plain Opus, too. Without
/// header extensions, neither side reports the arrival of single packets twenty times a second,
/// which is for estimating bandwidth that a call does not need; streams are told apart by the
/// SSRCs of the descriptions.
fn configuration() -> RtcConfig {
    RtcConfig::new()
        .clear_codecs()
        .enable_opus(true, false)
        .set_extension_map(ExtensionMap::empty())
        .set_rtp_mode(true)
        .set_stats_interval(None)
}

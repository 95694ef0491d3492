//! The two peer connections of a participant, without sockets, signalling or clock.
//!
//! LiveKit's participants have a connection for what they publish, offered by them, and one for
//! what they are subscribed to, offered by the server. Descriptions, candidates, datagrams and
//! the time go in; descriptions, datagrams and [`PeerEvent`]s come out.

mod side;

use super::audio::{Packet, Spoken};
use side::Side;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;
use str0m::change::SdpPendingOffer;
use str0m::channel::{ChannelConfig, ChannelId, Reliability};
use str0m::media::{Direction, MediaKind, Mid};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event};

pub(super) use side::Datagram;

/// The channel that keys travel on.
const RELIABLE: &str = "_reliable";
const LOSSY: &str = "_lossy";

/// Which of the two connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// Carries our voice and keys.
    Publisher,
    /// Carries the caller's.
    Subscriber,
}

/// What happened.
#[derive(Debug, Clone)]
pub(super) enum PeerEvent {
    /// A packet of the caller's voice.
    Audio(Packet),
    /// A message on a data channel.
    Data(Vec<u8>),
    /// The server has ended a connection.
    Closed,
}

/// A connection cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum PeerError {
    #[error("address: {0}")]
    Address(String),
    #[error("session description: {0}")]
    Description(String),
    #[error("connection: {0}")]
    Failed(String),
}

impl PeerError {
    fn address(error: impl std::fmt::Display) -> Self {
        Self::Address(error.to_string())
    }

    fn description(error: impl std::fmt::Display) -> Self {
        Self::Description(error.to_string())
    }

    fn failed(error: impl std::fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Both connections.
pub(super) struct Peer {
    publisher: Side,
    subscriber: Side,
    pending: Option<SdpPendingOffer>,
    wishes: Wishes,
    voice: Option<Mid>,
    reliable: Option<ChannelId>,
    is_reliable_open: bool,
    lossy: Option<ChannelId>,
    is_lossy_open: bool,
    datagrams: VecDeque<Datagram>,
    events: VecDeque<PeerEvent>,
}

/// What the next offer shall change.
#[derive(Debug, Default)]
struct Wishes {
    channels: bool,
    /// Publish a track with this name.
    track: Option<String>,
    restart: bool,
}

impl Wishes {
    fn any(&self) -> bool {
        self.channels || self.track.is_some() || self.restart
    }
}

impl Peer {
    /// Connections from the sockets bound to `publisher` and `subscriber`.
    pub(super) fn new(
        publisher: SocketAddr,
        subscriber: SocketAddr,
        now: Instant,
    ) -> Result<Self, PeerError> {
        Ok(Self {
            publisher: Side::new(Target::Publisher, publisher, now)?,
            subscriber: Side::new(Target::Subscriber, subscriber, now)?,
            pending: None,
            wishes: Wishes { channels: true, ..Wishes::default() },
            voice: None,
            reliable: None,
            is_reliable_open: false,
            lossy: None,
            is_lossy_open: false,
            datagrams: VecDeque::new(),
            events: VecDeque::new(),
        })
    }

    /// Publish our voice as `track` with the next offer.
    pub(super) fn publish(&mut self, track: &str) {
        self.wishes.track = Some(track.to_owned());
    }

    /// Look for a new path with the next offer.
    pub(super) fn restart(&mut self) {
        self.wishes.restart = true;
    }

    /// Whether an offer of ours waits for its answer.
    pub(super) const fn is_negotiating(&self) -> bool {
        self.pending.is_some()
    }

    /// The offer that is due, if any: one at a time, and none without a change.
    pub(super) fn offer(&mut self) -> Result<Option<String>, PeerError> {
        if self.pending.is_some() || !self.wishes.any() {
            return Ok(None);
        }
        let wishes = std::mem::take(&mut self.wishes);
        let (mut reliable, mut lossy, mut voice) = (None, None, None);
        let offer = self.publisher.offer(|api| {
            if wishes.channels {
                reliable = Some(api.add_channel(RELIABLE.to_owned()));
                lossy = Some(api.add_channel_with_config(lossy_channel()));
            }
            if let Some(track) = wishes.track {
                let (kind, direction) = (MediaKind::Audio, Direction::SendOnly);
                voice = Some(api.add_media(kind, direction, Some(track.clone()), Some(track), None));
            }
            if wishes.restart {
                api.ice_restart(true);
            }
        });
        self.reliable = reliable.or(self.reliable);
        self.lossy = lossy.or(self.lossy);
        self.voice = voice.or(self.voice);
        self.drain()?;
        Ok(offer.map(|(sdp, pending)| {
            self.pending = Some(pending);
            sdp
        }))
    }

    /// Takes the server's answer to our offer. One that nothing waits for is left aside.
    pub(super) fn take_answer(&mut self, sdp: &str, now: Instant) -> Result<(), PeerError> {
        if let Some(pending) = self.pending.take() {
            self.publisher.accept_answer(pending, sdp)?;
            self.publisher.tick(now)?;
        }
        self.drain()
    }

    /// Takes the server's offer and returns our answer.
    pub(super) fn take_offer(&mut self, sdp: &str, now: Instant) -> Result<String, PeerError> {
        let answer = self.subscriber.accept_offer(sdp)?;
        // Connecting begins with the next tick: at once.
        self.subscriber.tick(now)?;
        self.drain()?;
        Ok(answer)
    }

    /// Takes one of the server's addresses, as browsers write it in JSON. TCP and what cannot be
    /// read are left aside.
    pub(super) fn take_candidate(
        &mut self,
        target: Target,
        json: &str,
        now: Instant,
    ) -> Result<(), PeerError> {
        if let Some(candidate) = parse_candidate(json) {
            self.side(target).add_candidate(candidate);
            self.side(target).tick(now)?;
        }
        self.drain()
    }

    /// Takes a datagram that came to the socket of `target`.
    pub(super) fn receive(
        &mut self,
        target: Target,
        from: SocketAddr,
        contents: &[u8],
        now: Instant,
    ) -> Result<(), PeerError> {
        self.side(target).receive(from, contents, now)?;
        self.drain()
    }

    /// Lets time pass, at [`Self::deadline`] or earlier.
    pub(super) fn tick(&mut self, now: Instant) -> Result<(), PeerError> {
        for target in [Target::Publisher, Target::Subscriber] {
            if self.side(target).deadline() <= now {
                self.side(target).tick(now)?;
            }
        }
        self.drain()
    }

    /// Sends a packet of our voice; false if there is no way for it.
    pub(super) fn speak(&mut self, spoken: Spoken<'_>, now: Instant) -> Result<bool, PeerError> {
        let Some(mid) = self.voice.filter(|_| self.publisher.is_connected()) else { return Ok(false) };
        let rtc = self.publisher.rtc();
        let Some(&pt) = rtc.media(mid).and_then(|media| media.remote_pts().first()) else { return Ok(false) };
        let mut api = rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(mid, None) else { return Ok(false) };
        let Spoken { sequence, timestamp, marker, payload } = spoken;
        stream.write_rtp(RtpWrite::new(pt, sequence.into(), timestamp, now, payload).marker(marker));
        // A packet goes out with the tick that follows it.
        self.publisher.tick(now)?;
        self.drain()?;
        Ok(true)
    }

    /// Whether [`Self::send_data`] has a way.
    pub(super) const fn can_send_data(&self) -> bool {
        self.is_reliable_open
    }

    /// Sends a message reliably; false if it cannot go yet.
    pub(super) fn send_data(&mut self, message: &[u8]) -> Result<bool, PeerError> {
        self.send_on(self.reliable, message)
    }

    /// Whether [`Self::send_lossy`] has a way.
    pub(super) const fn can_send_lossy(&self) -> bool {
        self.is_lossy_open
    }

    /// Sends a message that may be lost on its way; false if it cannot go now.
    pub(super) fn send_lossy(&mut self, message: &[u8]) -> Result<bool, PeerError> {
        self.send_on(self.lossy, message)
    }

    fn send_on(&mut self, channel: Option<ChannelId>, message: &[u8]) -> Result<bool, PeerError> {
        let channel = channel.and_then(|id| self.publisher.rtc().channel(id));
        let Some(mut channel) = channel else { return Ok(false) };
        let sent = channel.write(true, message).map_err(PeerError::failed)?;
        self.drain()?;
        Ok(sent)
    }

    /// Whether media can flow both ways, as far as the connections know.
    pub(super) fn is_connected(&self) -> bool {
        self.publisher.is_connected() && self.subscriber.is_connected()
    }

    /// When the server was last heard of on the connection that is silent for longer. A published
    /// voice makes its connection talk; before that only the other one does.
    pub(super) fn last_heard(&self) -> Option<Instant> {
        self.subscriber.last_datagram().min(self.publisher.last_datagram())
    }

    /// When [`Self::tick`] is due.
    pub(super) fn deadline(&self) -> Instant {
        self.publisher.deadline().min(self.subscriber.deadline())
    }

    /// The next datagram to send.
    pub(super) fn poll_datagram(&mut self) -> Option<Datagram> {
        self.datagrams.pop_front()
    }

    /// The next thing that happened.
    pub(super) fn poll_event(&mut self) -> Option<PeerEvent> {
        self.events.pop_front()
    }

    fn side(&mut self, target: Target) -> &mut Side {
        match target {
            Target::Publisher => &mut self.publisher,
            Target::Subscriber => &mut self.subscriber,
        }
    }

    fn drain(&mut self) -> Result<(), PeerError> {
        let Self { publisher, subscriber, datagrams, events, .. } = self;
        publisher.drain(datagrams, |event| match event {
            Event::ChannelOpen(id, _) if Some(id) == self.reliable => self.is_reliable_open = true,
            Event::ChannelOpen(id, _) if Some(id) == self.lossy => self.is_lossy_open = true,
            event => events.extend(PeerEvent::from_str0m(event)),
        })?;
        subscriber.drain(datagrams, |event| events.extend(PeerEvent::from_str0m(event)))
    }
}

impl PeerEvent {
    fn from_str0m(event: Event) -> Option<Self> {
        match event {
            Event::RtpPacket(packet) => Some(Self::Audio(Packet {
                ssrc: *packet.header.ssrc,
                sequence: packet.header.sequence_number,
                time: packet.time.numer(),
                payload: packet.payload,
            })),
            Event::ChannelData(message) if message.binary => Some(Self::Data(message.data)),
            Event::Closed => Some(Self::Closed),
            _ => None,
        }
    }
}

/// The server insists on both channels.
fn lossy_channel() -> ChannelConfig {
    ChannelConfig {
        label: LOSSY.to_owned(),
        ordered: false,
        reliability: Reliability::MaxRetransmits { retransmits: 0 },
        ..ChannelConfig::default()
    }
}

fn parse_candidate(json: &str) -> Option<Candidate> {
    let init: serde_json::Value = serde_json::from_str(json).ok()?;
    let line = init.get("candidate")?.as_str()?;
    let line = line.strip_prefix("a=").unwrap_or(line);
    Candidate::from_sdp_string(line).ok().filter(|candidate| candidate.proto() == str0m::net::Protocol::Udp)
}

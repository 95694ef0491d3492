//! The server's half of the two peer connections: another str0m, without sockets, too.

use crate::room::peer::Target;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::channel::ChannelId;
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

/// A packet of the agent's voice, as the server gets it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Heard {
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) payload: Vec<u8>,
}

/// A datagram from the socket of a connection.
pub(super) type Sent = (Target, SocketAddr, Vec<u8>);

pub(super) struct Sfu {
    publisher: Rtc,
    subscriber: Rtc,
    addresses: [SocketAddr; 2],
    pending: Option<SdpPendingOffer>,
    voice: Option<Mid>,
    reliable: Option<ChannelId>,
    is_reliable_open: bool,
    sequence: u64,
    pub(super) sent: Vec<Sent>,
    pub(super) heard: Vec<Heard>,
    pub(super) messages: Vec<Vec<u8>>,
    deadline: Instant,
}

impl Sfu {
    pub(super) fn new(publisher: SocketAddr, subscriber: SocketAddr, lite: bool, now: Instant) -> Self {
        let rtc = |address| {
            let codecs = RtcConfig::new().clear_codecs().enable_opus(true, true);
            let mut rtc = codecs.set_rtp_mode(true).set_ice_lite(lite).build(now);
            rtc.add_local_candidate(Candidate::host(address, "udp").unwrap());
            rtc
        };
        Self {
            publisher: rtc(publisher),
            subscriber: rtc(subscriber),
            addresses: [publisher, subscriber],
            pending: None,
            voice: None,
            reliable: None,
            is_reliable_open: false,
            sequence: 100,
            sent: Vec::new(),
            heard: Vec::new(),
            messages: Vec::new(),
            deadline: now,
        }
    }

    /// Answers the agent's offer.
    pub(super) fn answer(&mut self, sdp: &str, now: Instant) -> String {
        let offer = SdpOffer::from_sdp_string(sdp).unwrap();
        let answer = self.publisher.sdp_api().accept_offer(offer).unwrap().to_sdp_string();
        self.drain(now);
        answer
    }

    /// The first offer: data channels. Later ones: the caller's voice, or a new path.
    pub(super) fn offer(&mut self, with_voice: bool, restart: bool, now: Instant) -> String {
        let mut api = self.subscriber.sdp_api();
        if self.reliable.is_none() {
            self.reliable = Some(api.add_channel("_reliable".to_owned()));
            api.add_channel("_lossy".to_owned());
        }
        if with_voice && self.voice.is_none() {
            self.voice = Some(api.add_media(MediaKind::Audio, Direction::SendOnly, None, None, None));
        }
        if restart {
            api.ice_restart(true);
        }
        let (offer, pending) = api.apply().unwrap();
        self.pending = Some(pending);
        self.drain(now);
        offer.to_sdp_string()
    }

    pub(super) fn take_answer(&mut self, sdp: &str, now: Instant) {
        let answer = SdpAnswer::from_sdp_string(sdp).unwrap();
        self.subscriber.sdp_api().accept_answer(self.pending.take().unwrap(), answer).unwrap();
        self.drain(now);
    }

    /// Sends a packet of the caller's voice; false if there is no way for it yet.
    pub(super) fn speak(&mut self, payload: &[u8], now: Instant) -> bool {
        self.tick(now);
        let Some(mid) = self.voice.filter(|_| self.subscriber.is_connected()) else { return false };
        let Some(&pt) = self.subscriber.media(mid).and_then(|media| media.remote_pts().first()) else {
            return false;
        };
        self.sequence += 1;
        let (sequence, timestamp) = (self.sequence, (self.sequence * 960) as u32);
        let mut api = self.subscriber.direct_api();
        let stream = api.stream_tx_by_mid(mid, None).unwrap();
        stream.write_rtp(RtpWrite::new(pt, sequence.into(), timestamp, now, payload));
        self.drain(now);
        true
    }

    /// Sends a message on the reliable channel.
    pub(super) fn send(&mut self, message: &[u8], now: Instant) {
        assert!(self.is_reliable_open);
        let mut channel = self.subscriber.channel(self.reliable.unwrap()).unwrap();
        assert!(channel.write(true, message).unwrap());
        self.drain(now);
    }

    pub(super) const fn is_negotiating(&self) -> bool {
        self.pending.is_some()
    }

    pub(super) fn is_ready(&self) -> bool {
        self.publisher.is_connected() && self.subscriber.is_connected() && self.is_reliable_open
    }

    pub(super) const fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(super) fn tick(&mut self, now: Instant) {
        for rtc in [&mut self.publisher, &mut self.subscriber] {
            rtc.handle_input(Input::Timeout(now)).unwrap();
        }
        self.drain(now);
    }

    pub(super) fn receive(&mut self, target: Target, from: SocketAddr, contents: &[u8], now: Instant) {
        let (rtc, local) = match target {
            Target::Publisher => (&mut self.publisher, self.addresses[0]),
            Target::Subscriber => (&mut self.subscriber, self.addresses[1]),
        };
        let input = Input::Receive(now, Receive::new(Protocol::Udp, from, local, contents).unwrap());
        if rtc.accepts(&input) {
            rtc.handle_input(input).unwrap();
        }
        self.drain(now);
    }

    fn drain(&mut self, now: Instant) {
        self.deadline = now + Duration::from_millis(200);
        for target in [Target::Publisher, Target::Subscriber] {
            while let Some(event) = self.poll(target) {
                match event {
                    Event::RtpPacket(packet) => self.heard.push(Heard {
                        sequence: packet.header.sequence_number,
                        timestamp: packet.header.timestamp,
                        payload: packet.payload.to_vec(),
                    }),
                    Event::ChannelData(message) => self.messages.push(message.data),
                    Event::ChannelOpen(_, label) if target == Target::Subscriber && label == "_reliable" => {
                        self.is_reliable_open = true;
                    }
                    _ => {}
                }
            }
        }
    }

    fn poll(&mut self, target: Target) -> Option<Event> {
        let rtc = match target {
            Target::Publisher => &mut self.publisher,
            Target::Subscriber => &mut self.subscriber,
        };
        loop {
            match rtc.poll_output().unwrap() {
                Output::Timeout(at) => {
                    self.deadline = self.deadline.min(at);
                    return None;
                }
                Output::Transmit(transmit) => {
                    self.sent.push((target, transmit.destination, transmit.contents.into()));
                }
                Output::Event(event) => return Some(event),
            }
        }
    }
}

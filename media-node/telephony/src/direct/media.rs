//! The audio of one call: its socket, what comes in, and where ours goes.
//!
//! One task reads the socket into the jitter buffer. The leg's `receive` and `send` run on the
//! media clock: they take a lock for the time of a copy and never wait for the network.

mod latch;
mod outgoing;

use crate::port::{LegQuality, Received};
use latch::{Expected, Latch};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use talkif_media::g711::Law;
use talkif_media::jitter::{Arrival, Frame, JitterBuffer};
use talkif_media::plc::Concealer;
use talkif_media::quality::{Observed, loss, mos};
use talkif_media::rtp::Packet;
use talkif_media::sdp::{Agreed, Direction, Remote};
use talkif_media::telephone_event;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

pub(super) use outgoing::Outgoing;

/// Longest datagram looked at; a 60 ms packet has 492 bytes.
const MAX_DATAGRAM: usize = 2_048;

/// The audio of one call, shared by its leg, its control task and its receiving task.
#[derive(Debug)]
pub(super) struct Media {
    socket: UdpSocket,
    started: Instant,
    path: Mutex<Path>,
    incoming: Mutex<Incoming>,
}

/// Where our audio goes.
#[derive(Debug, Clone, Copy)]
struct Path {
    /// The address of the last description; none before there is one, or while on hold.
    described: Option<SocketAddr>,
    codec: Law,
    telephone_event: Option<u8>,
    /// Whether the far end wants to hear us.
    far_listens: bool,
    /// Whether the far end is expected to send.
    far_sends: bool,
}

#[derive(Debug)]
struct Incoming {
    jitter: JitterBuffer,
    concealer: Concealer,
    keys: telephone_event::Receiver,
    latch: Latch,
    telephone_event: Option<u8>,
    last_packet: Option<Instant>,
    decoded: Vec<i16>,
}

impl Media {
    /// Starts receiving on `socket` until the guard is dropped. Keys go to `keys`.
    pub(super) fn start(socket: UdpSocket, keys: mpsc::Sender<char>) -> (Arc<Self>, DropGuard) {
        let media = Arc::new(Self {
            socket,
            started: Instant::now(),
            path: Mutex::new(Path::NOWHERE),
            incoming: Mutex::new(Incoming::default()),
        });
        let stop = CancellationToken::new();
        let receiving = receive(media.clone(), keys);
        tokio::spawn(stop.clone().run_until_cancelled_owned(receiving));
        (media, stop.drop_guard())
    }

    /// The port for our descriptions.
    pub(super) fn port(&self) -> u16 {
        self.socket.local_addr().map_or(0, |address| address.port())
    }

    /// A description was agreed on: the first one, a re-INVITE, or early media.
    pub(super) fn agreed(&self, remote: &Remote, agreed: Agreed) {
        let expected = expected(remote);
        let described = match expected {
            Expected::Source(described) => Some(described),
            Expected::Nobody | Expected::Anybody => None,
        };
        *lock(&self.path) = Path {
            described,
            codec: agreed.codec,
            telephone_event: agreed.telephone_event,
            far_listens: remote.direction.listens() && remote.port != 0,
            // A far end that holds the call may play music or nothing: its silence means nothing.
            far_sends: remote.direction == Direction::SendRecv && remote.port != 0,
        };
        let mut incoming = lock(&self.incoming);
        incoming.telephone_event = agreed.telephone_event;
        incoming.latch.expect(expected, Instant::now());
        // Silence before this moment is not a gap: a hold may just have ended.
        incoming.last_packet = incoming.last_packet.map(|_| Instant::now());
    }

    /// How long nothing has come since `since` or since the last packet; `None` while the far
    /// end is not expected to send.
    pub(super) fn silence_since(&self, since: Instant) -> Option<Gap> {
        if !lock(&self.path).far_sends {
            return None;
        }
        Some(match lock(&self.incoming).last_packet {
            Some(last) if last > since => Gap::SinceLast(last.elapsed()),
            Some(_) | None => Gap::SinceStart(since.elapsed()),
        })
    }

    /// Takes the next 20 ms of what the far end says.
    pub(super) fn receive(&self, frame: &mut [i16]) -> Received {
        let now = self.now_us();
        let mut incoming = lock(&self.incoming);
        let Incoming { jitter, concealer, .. } = &mut *incoming;
        match jitter.pull(now, frame) {
            Frame::Audio => {
                concealer.good(frame);
                Received::Audio
            }
            Frame::Lost if concealer.lost(frame) => Received::Concealed,
            Frame::Lost | Frame::Silence => Received::Silence,
        }
    }

    /// Quality of the receiving side.
    pub(super) fn quality(&self) -> LegQuality {
        let incoming = lock(&self.incoming);
        let counters = incoming.jitter.counters();
        let (jitter_ms, buffer_ms) = (incoming.jitter.jitter_ms(), incoming.jitter.depth_ms());
        let loss = loss(counters);
        LegQuality {
            packets_received: counters.received,
            packets_lost: counters.lost,
            packets_late: counters.late,
            jitter_ms,
            buffer_ms,
            mos: mos(Observed { loss, jitter_ms, buffer_ms, network_ms: 0.0 }),
        }
    }

    /// Where to send now: where the far end's packets come from, or else where it said.
    fn target(&self) -> Option<(SocketAddr, Path)> {
        let path = *lock(&self.path);
        let latched = lock(&self.incoming).latch.source();
        let target = latched.or(path.described).filter(|_| path.far_listens)?;
        Some((target, path))
    }

    /// Keys can go as telephone-events; otherwise SIP INFO has to carry them.
    pub(super) fn takes_telephone_events(&self) -> bool {
        lock(&self.path).telephone_event.is_some()
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Takes a datagram; returns a key if it carried the first news of one.
    fn take(&self, datagram: &[u8], from: SocketAddr) -> Option<char> {
        let packet = Packet::parse(datagram).ok()?;
        let now = Instant::now();
        let now_us = self.now_us();
        let mut incoming = lock(&self.incoming);
        let agreed = incoming.agreed_on(packet.header.payload_type);
        if !incoming.latch.admits(from, packet.header, agreed, now) {
            return None;
        }
        incoming.last_packet = Some(now);
        incoming.take(packet, now_us)
    }
}

/// How long no packet has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gap {
    /// There has been none at all.
    SinceStart(Duration),
    /// Since the last one.
    SinceLast(Duration),
}

impl Path {
    const NOWHERE: Self =
        Self { described: None, codec: Law::Mu, telephone_event: None, far_listens: false, far_sends: false };
}

impl Default for Incoming {
    fn default() -> Self {
        Self {
            jitter: JitterBuffer::default(),
            concealer: Concealer::default(),
            keys: telephone_event::Receiver::default(),
            latch: Latch::default(),
            telephone_event: None,
            last_packet: None,
            decoded: Vec::with_capacity(480),
        }
    }
}

impl Incoming {
    /// Whether a payload type may open a stream: audio we decode, or keys.
    fn agreed_on(&self, payload_type: u8) -> bool {
        Law::of_payload_type(payload_type).is_some() || self.telephone_event == Some(payload_type)
    }

    fn take(&mut self, packet: Packet<'_>, now_us: u64) -> Option<char> {
        let header = packet.header;
        let Some(law) = Law::of_payload_type(header.payload_type) else {
            self.jitter.pass(header.sequence, header.ssrc);
            let is_key = self.telephone_event == Some(header.payload_type);
            return is_key.then(|| self.keys.receive(header.timestamp, packet.payload)).flatten();
        };
        self.decoded.clear();
        law.decode_all(packet.payload, &mut self.decoded);
        let arrival = Arrival {
            sequence: header.sequence,
            timestamp: header.timestamp,
            ssrc: header.ssrc,
            samples: &self.decoded,
        };
        self.jitter.push(arrival, now_us);
        None
    }
}

/// The receiving task.
async fn receive(media: Arc<Media>, keys: mpsc::Sender<char>) {
    let mut datagram = [0; MAX_DATAGRAM];
    loop {
        // An error is an ICMP answer to something we sent: the far end's port is not open yet.
        let Ok((length, from)) = media.socket.recv_from(&mut datagram).await else {
            tokio::task::yield_now().await;
            continue;
        };
        let key = datagram.get(..length).and_then(|datagram| media.take(datagram, from));
        if let Some(key) = key
            && keys.try_send(key).is_err()
        {
            tracing::debug!("a key was dropped: nobody reads them");
        }
    }
}

/// Whose packets a description announces.
fn expected(remote: &Remote) -> Expected {
    match remote.address() {
        Some(ip) if ip.is_unspecified() || remote.port == 0 => Expected::Nobody,
        Some(ip) => Expected::Source(SocketAddr::new(ip, remote.port)),
        None => Expected::Anybody,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Audio state stays usable whatever a panicking holder left in it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

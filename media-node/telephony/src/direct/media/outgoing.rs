//! The packets we send: audio every tick, keys in between, one unbroken time line.

use super::Media;
use crate::port::FRAME;
use std::time::Instant;
use talkif_media::rtp::{Header, Stamper};
use talkif_media::telephone_event::{Outgoing as KeyPacket, Sender as Keys};

/// Samples of a tick.
const TICK_SAMPLES: u32 = 160;
/// The media clock may be late by so many ticks before the time line follows the real time.
const SLACK_TICKS: u64 = 2;

/// The sending side of a call; its leg owns it.
#[derive(Debug)]
pub(in crate::direct) struct Outgoing {
    stamper: Stamper,
    keys: Keys,
    /// When the first tick was sent, and how many ticks the time line has since advanced.
    started: Option<Instant>,
    ticks: u64,
    /// The next audio packet follows a pause.
    resumes: bool,
    payload: Vec<u8>,
    datagram: Vec<u8>,
}

impl Outgoing {
    /// A stream with the random numbers RFC 3550 asks for.
    pub(in crate::direct) fn new(ssrc: u32, sequence: u16, timestamp: u32) -> Self {
        Self {
            stamper: Stamper::new(ssrc, sequence, timestamp),
            keys: Keys::default(),
            started: None,
            ticks: 0,
            resumes: true,
            payload: Vec::with_capacity(160),
            datagram: Vec::with_capacity(200),
        }
    }

    /// Queues keys as telephone-events.
    pub(in crate::direct) fn push_keys(&mut self, keys: &str) {
        let queued = self.keys.push(keys);
        if queued < keys.chars().count() {
            tracing::debug!(queued, "some keys could not be queued");
        }
    }

    /// Sends one tick.
    pub(in crate::direct) fn tick(&mut self, frame: &[i16], media: &Media) {
        self.follow_the_clock(Instant::now());
        if let Some((target, path)) = media.target() {
            match path.telephone_event.and_then(|event| Some((event, self.key_packet()?))) {
                Some((event, packet)) => self.write_key(event, packet),
                None => self.write_audio(path.codec, frame),
            }
            // A full socket buffer or an ICMP error loses a packet, as any network may.
            let _ = media.socket.try_send_to(&self.datagram, target);
        } else {
            self.resumes = true;
        }
        self.stamper.advance(TICK_SAMPLES);
        self.ticks += 1;
    }

    fn key_packet(&mut self) -> Option<KeyPacket> {
        self.keys.tick(self.stamper.timestamp())
    }

    fn write_key(&mut self, payload_type: u8, packet: KeyPacket) {
        let header = self.stamper.stamp_at(payload_type, packet.marker, packet.timestamp);
        self.write(header, &packet.event.to_bytes());
        self.resumes = true;
    }

    fn write_audio(&mut self, codec: talkif_media::g711::Law, frame: &[i16]) {
        let mut payload = std::mem::take(&mut self.payload);
        payload.clear();
        codec.encode_all(frame, &mut payload);
        let header = self.stamper.stamp(codec.payload_type(), self.resumes);
        self.write(header, &payload);
        self.payload = payload;
        self.resumes = false;
    }

    fn write(&mut self, header: Header, payload: &[u8]) {
        self.datagram.clear();
        header.write(payload, &mut self.datagram);
    }

    /// Ticks that the media clock dropped are time that passed: without them the far end would
    /// take all later packets for delayed ones.
    fn follow_the_clock(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(*self.started.get_or_insert(now));
        let due = u64::try_from(elapsed.as_micros() / FRAME.as_micros()).unwrap_or(self.ticks);
        let behind = due.saturating_sub(self.ticks);
        if behind > SLACK_TICKS {
            let samples = u32::try_from(behind).unwrap_or(u32::MAX).saturating_mul(TICK_SAMPLES);
            self.stamper.advance(samples);
            self.ticks = due;
            self.resumes = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use talkif_media::g711::Law;
    use talkif_media::rtp::Packet;

    /// The header of the packet sent at `at`.
    fn send(outgoing: &mut Outgoing, start: Instant, at: Duration) -> Header {
        outgoing.follow_the_clock(start + at);
        outgoing.write_audio(Law::Mu, &[0; 160]);
        outgoing.stamper.advance(TICK_SAMPLES);
        outgoing.ticks += 1;
        Packet::parse(&outgoing.datagram).unwrap().header
    }

    #[test]
    fn after_a_pause_of_three_seconds_one_packet_follows_with_the_time_that_passed() {
        let (mut outgoing, start) = (Outgoing::new(1, 10, 0), Instant::now());
        let tick = |n: u32| FRAME * n;
        for n in 0..50 {
            let header = send(&mut outgoing, start, tick(n));
            assert_eq!((header.timestamp, header.marker), (n * 160, n == 0));
        }
        let after = send(&mut outgoing, start, tick(49) + Duration::from_secs(3));
        assert_eq!(after.sequence, 60, "the pause is no loss");
        assert_eq!(after.timestamp, (49 + 150) * 160);
        assert!(after.marker, "a new spurt");
        assert_eq!(send(&mut outgoing, start, tick(200)).timestamp, 200 * 160);
    }

    #[test]
    fn a_tick_that_is_a_little_late_changes_nothing() {
        let (mut outgoing, start) = (Outgoing::new(1, 0, 0), Instant::now());
        for n in 0..500 {
            let late = Duration::from_millis(u64::from(n % 3) * 19);
            assert_eq!(send(&mut outgoing, start, FRAME * n + late).timestamp, n * 160);
        }
    }
}

//! The caller's voice: packets in as they come, frames out at the session's pace.

use super::ordered::Ordered;
use std::collections::VecDeque;
use std::sync::Arc;
use talkif_media::jitter::{Frame, JitterBuffer, Stamp};
use talkif_media::quality::{Observed, mos};
use talkif_telephony::{LegQuality, Received};

/// Units of Opus' clock in one of the jitter buffer's time line.
const CLOCK: u64 = 6;
/// Streams that have ended and are not listened to any more.
const RETIRED: usize = 8;

/// A received packet of Opus.
#[derive(Debug, Clone)]
pub(in crate::room) struct Packet {
    pub(in crate::room) ssrc: u32,
    pub(in crate::room) sequence: u16,
    /// On Opus' clock, on a line that does not wrap.
    pub(in crate::room) time: u64,
    pub(in crate::room) payload: Arc<[u8]>,
}

/// The receiving side of a leg.
///
/// A caller's second track reuses the first one's place in the session; only its SSRC is new. So
/// a new SSRC is a new stream, with a decoder of its own, and stragglers of the old one are left
/// aside.
#[derive(Default)]
pub(in crate::room) struct Listening {
    jitter: JitterBuffer<Ordered>,
    ssrc: Option<u32>,
    retired: VecDeque<u32>,
}

impl Listening {
    /// Takes a packet that arrived at `now_us` microseconds.
    pub(in crate::room) fn packet(&mut self, packet: &Packet, now_us: u64) {
        if self.retired.contains(&packet.ssrc) {
            return;
        }
        if let Some(old) = self.ssrc.replace(packet.ssrc).filter(|old| *old != packet.ssrc) {
            self.retire(old);
        }
        let Packet { ssrc, sequence, .. } = *packet;
        #[expect(clippy::cast_possible_truncation, reason = "the jitter buffer's timestamps wrap")]
        let timestamp = (packet.time / CLOCK) as u32;
        if packet.payload.len() <= 1 {
            // The sender says that there is nothing to hear.
            self.jitter.pass(sequence, ssrc);
        } else {
            self.jitter.push_packet(Stamp { sequence, timestamp, ssrc }, &packet.payload, now_us);
        }
    }

    /// Fills the next 20 ms.
    pub(in crate::room) fn receive(&mut self, frame: &mut [i16], now_us: u64) -> Received {
        match self.jitter.pull(now_us, frame) {
            Frame::Audio => Received::Audio,
            Frame::Lost if self.conceal(frame) => Received::Concealed,
            Frame::Lost | Frame::Silence => {
                frame.fill(0);
                Received::Silence
            }
        }
    }

    /// Quality so far.
    pub(in crate::room) fn quality(&self) -> LegQuality {
        let counters = self.jitter.counters();
        let (jitter_ms, buffer_ms) = (self.jitter.jitter_ms(), self.jitter.depth_ms());
        let loss = ratio(counters.lost + counters.late, counters.received + counters.lost);
        LegQuality {
            packets_received: counters.received,
            packets_lost: counters.lost,
            packets_late: counters.late,
            jitter_ms,
            buffer_ms,
            mos: mos(Observed { loss, jitter_ms, buffer_ms, network_ms: 0.0 }),
        }
    }

    fn conceal(&mut self, frame: &mut [i16]) -> bool {
        self.jitter.content().is_some_and(|content| content.conceal(frame))
    }

    fn retire(&mut self, ssrc: u32) {
        if self.retired.len() == RETIRED {
            self.retired.pop_front();
        }
        self.retired.push_back(ssrc);
    }
}

#[expect(clippy::cast_precision_loss, reason = "packets of a call")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "test signals are small")]
mod tests {
    use super::*;
    use crate::room::audio::FRAME;
    use crate::room::audio::opus::Encoder;

    const TICK_US: u64 = 20_000;

    /// A rising chirp, so that every frame differs from every other.
    fn voice(from: usize) -> Vec<i16> {
        let at = |n: usize| {
            let t = n as f64 / 48_000.0;
            (9_000.0 * (std::f64::consts::TAU * (300.0 + 60.0 * t) * t).sin()) as i16
        };
        (from..from + FRAME).map(at).collect()
    }

    fn packets(count: usize) -> Vec<Packet> {
        let mut encoder = Encoder::new();
        let packet = |n: usize| Packet {
            ssrc: 7,
            sequence: 65_500_u16.wrapping_add(n as u16),
            time: u64::from(u32::MAX) - 96_000 + (n * FRAME) as u64,
            payload: encoder.encode(&voice(n * FRAME)).unwrap().into(),
        };
        (0..count).map(packet).collect()
    }

    /// Plays `ticks` ticks, 7 ms after the packets' own; `arrive` brings those of each tick.
    fn play(ticks: u64, mut arrive: impl FnMut(u64, &mut Listening)) -> (Vec<i16>, Vec<Received>, Listening) {
        let mut listening = Listening::default();
        let (mut heard, mut kinds) = (Vec::new(), Vec::new());
        for tick in 0..ticks {
            arrive(tick, &mut listening);
            let mut frame = [0; FRAME];
            kinds.push(listening.receive(&mut frame, tick * TICK_US + 7_000));
            heard.extend(frame);
        }
        (heard, kinds, listening)
    }

    fn level(samples: &[i16]) -> f64 {
        samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>()
    }

    /// The share of the said power that is not heard, at the delay where both fit best.
    fn difference(said: &[i16], heard: &[i16]) -> f64 {
        let fits = (0..6_000).step_by(40).map(|delay| {
            let rest: Vec<i16> = said.iter().zip(&heard[delay..]).map(|(a, b)| a.wrapping_sub(*b)).collect();
            level(&rest) / level(&said[..rest.len()])
        });
        fits.fold(f64::MAX, f64::min)
    }

    #[test]
    fn an_undisturbed_stream_is_heard_whole_and_in_order_across_the_wrap_of_its_clock() {
        let packets = packets(200);
        let (heard, kinds, listening) =
            play(200, |tick, listening| listening.packet(&packets[tick as usize], tick * TICK_US));
        let audio = kinds.iter().filter(|kind| **kind == Received::Audio).count();
        assert!(audio >= 198, "{audio}");
        assert!(!kinds.contains(&Received::Concealed));
        let said: Vec<i16> = (0..195).flat_map(|n| voice(n * FRAME)).collect();
        assert!(difference(&said[..150_000], &heard) < 0.01);
        assert_eq!(listening.quality().packets_lost, 0);
    }

    #[test]
    fn swapped_packets_are_decoded_in_their_order() {
        let packets = packets(200);
        let arrive = |tick: u64, listening: &mut Listening| {
            let swapped = if tick >= 20 && tick % 10 < 2 { tick ^ 1 } else { tick };
            listening.packet(&packets[swapped as usize], tick * TICK_US);
        };
        let (heard, ..) = play(200, arrive);
        let said: Vec<i16> = (40..190).flat_map(|n| voice(n * FRAME)).collect();
        let heard = &heard[40 * FRAME..];
        assert!(difference(&said[..100_000], heard) < 0.02, "{}", difference(&said[..100_000], heard));
    }

    #[test]
    fn a_lost_packet_is_concealed_by_the_decoder() {
        let packets = packets(200);
        let arrive = |tick: u64, listening: &mut Listening| {
            if tick % 50 != 25 {
                listening.packet(&packets[tick as usize], tick * TICK_US);
            }
        };
        let (heard, kinds, listening) = play(198, arrive);
        assert_eq!(kinds.iter().filter(|kind| **kind == Received::Concealed).count(), 4);
        assert_eq!(listening.quality().packets_lost, 4);
        let hole = kinds.iter().position(|kind| *kind == Received::Concealed).unwrap();
        let concealed = level(&heard[hole * FRAME..][..FRAME]);
        assert!(concealed > level(&voice(0)) / 4.0, "no gap is heard: {concealed}");
    }

    #[test]
    fn a_new_stream_is_heard_at_once_and_stragglers_of_the_old_one_are_not() {
        let packets = packets(200);
        let arrive = |tick: u64, listening: &mut Listening| {
            let packet = &packets[tick as usize];
            if tick < 100 {
                listening.packet(packet, tick * TICK_US);
            } else {
                listening.packet(&Packet { ssrc: 8, ..packet.clone() }, tick * TICK_US);
                listening.packet(&Packet { time: packet.time + 311, ..packet.clone() }, tick * TICK_US + 1);
            }
        };
        let (_, kinds, listening) = play(200, arrive);
        assert!(kinds[105..].iter().all(|kind| *kind == Received::Audio));
        assert_eq!(listening.quality().packets_received, 200);
    }

    #[test]
    fn odd_steps_of_the_clock_and_packets_without_sound_do_no_harm() {
        let packets = packets(200);
        let arrive = |tick: u64, listening: &mut Listening| {
            let packet = &packets[tick as usize];
            let odd = Packet { time: packet.time + tick / 40 * 311, ..packet.clone() };
            listening.packet(&odd, tick * TICK_US);
            listening.packet(&Packet { payload: Arc::from([0x78].as_slice()), ..odd }, tick * TICK_US);
        };
        let (_, kinds, _) = play(200, arrive);
        assert!(kinds[5..].iter().filter(|kind| **kind == Received::Audio).count() > 180);
    }
}

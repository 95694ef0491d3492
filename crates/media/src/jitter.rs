//! The adaptive jitter buffer of one received stream, 20 to 120 ms.
//!
//! Packets go in as they arrive, of any length and in any order; 20 ms frames come out at the
//! reader's pace. Two quantities steer it, both measured from arrival times against timestamps:
//! how late packets come compared with the fastest of the last seconds (`delay`), which sets
//! the target, and how far the play position lies from where that target wants it. The latter is
//! corrected by dropping or inserting a frame, in silence wherever possible; the same correction
//! takes care of clocks that drift.
//!
//! A sender that changes its SSRC, jumps in time or comes back after a pause is simply buffered
//! afresh.
//!
//! The time line counts eighths of a millisecond whatever the codec's clock, which are samples
//! for telephone audio. What a packet holds is up to its [`Content`]: decoded samples
//! ([`Samples`]), or, for a codec with a memory, packets that are decoded in their order when
//! they are played.

mod content;
mod delay;
mod samples;

use crate::rtp::{sequence_distance, timestamp_distance};
pub use content::Content;
use delay::DelayTracker;
pub use samples::Samples;

/// Units of the time line per millisecond.
const SAMPLES_PER_MS: i64 = 8;
/// A frame, in units of the time line.
const FRAME: i64 = 160;
/// Least and greatest target delay, milliseconds.
const MIN_TARGET_MS: i64 = 20;
const MAX_TARGET_MS: i64 = 120;
/// The play position may be off the target by so much before a frame is dropped or inserted in
/// silence: less than a frame, more than measuring noise.
const TOLERANCE: i64 = 15 * SAMPLES_PER_MS;
/// Beyond this it is corrected in the middle of speech too: a short glitch, but the conversation
/// would lag for the rest of the call.
const INTOLERABLE: i64 = 140 * SAMPLES_PER_MS;
/// Beyond this, one leap is better than double speed.
const HOPELESS: i64 = 300 * SAMPLES_PER_MS;
/// A timestamp this far from the expected one is a new time line of the sender.
const JUMP: i64 = 2_000 * SAMPLES_PER_MS;
/// A sequence number this far from the last one is a new count of the sender, not a loss (RFC
/// 3550 A.1).
const MAX_DROPOUT: i64 = 3_000;
/// So many late packets in a row mean that the play position is wrong, not the packets.
const LATE_IN_A_ROW: u32 = 5;
/// Waiting for a delayed packet, the play position stands still for at most this many frames.
/// After that the stream counts as paused.
const MAX_STANDSTILL: i64 = 6;
/// A frame counts as silent below this mean magnitude, about −50 dBFS …
const QUIET: u32 = 100;
/// … or, on a noisy line, below this multiple of the quietest recent frames, if it is not loud.
const QUIET_OVER_FLOOR: u32 = 2;
const LOUD: u32 = 500;

/// The place of a received packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// RTP sequence number.
    pub sequence: u16,
    /// RTP timestamp, in eighths of a millisecond.
    pub timestamp: u32,
    /// The stream.
    pub ssrc: u32,
}

/// One received packet, decoded.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// RTP sequence number.
    pub sequence: u16,
    /// RTP timestamp.
    pub timestamp: u32,
    /// The stream.
    pub ssrc: u32,
    /// Its audio, 8 kHz.
    pub samples: &'a [i16],
}

/// What [`JitterBuffer::pull`] put into the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// Received audio.
    Audio,
    /// Nothing: a packet is missing and wants concealing.
    Lost,
    /// Nothing: no stream, or it pauses.
    Silence,
}

/// What has happened so far.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Counters {
    /// Packets received, without duplicates.
    pub received: u64,
    /// Packets that never came, by sequence numbers (RFC 3550 A.3).
    pub lost: u64,
    /// Packets that came after their time.
    pub late: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Frames left out to catch up.
    pub dropped_frames: u64,
    /// Frames inserted to slow down.
    pub inserted_frames: u64,
    /// Times the stream was buffered afresh in mid-stream.
    pub resets: u64,
}

/// The buffer of one stream.
#[derive(Debug, Clone)]
pub struct JitterBuffer<C = Samples> {
    stream: Option<Stream<C>>,
    counters: Counters,
    jitter: f64,
    last_transit: Option<i64>,
    floor: u32,
}

/// What belongs to one SSRC's time line.
#[derive(Debug, Clone)]
struct Stream<C> {
    ssrc: u32,
    last_timestamp: u32,
    /// `last_timestamp` on a line that does not wrap.
    last_position: i64,
    sequences: Sequences,
    delays: DelayTracker,
    store: C,
    play: Play,
    late_in_a_row: u32,
}

#[derive(Debug, Clone, Copy)]
enum Play {
    /// Filling up to the target.
    Buffering,
    /// The next sample to play, and for how many samples the position has stood still.
    At { position: i64, stood_still: i64 },
}

#[derive(Debug, Clone, Copy)]
struct Sequences {
    first: i64,
    highest: i64,
    received: u64,
    /// Lost in earlier counts of this sender.
    lost_before: u64,
}

impl<C> Default for JitterBuffer<C> {
    fn default() -> Self {
        Self { stream: None, counters: Counters::default(), jitter: 0.0, last_transit: None, floor: 0 }
    }
}

impl JitterBuffer {
    /// Takes a packet that arrived at `now_us` microseconds.
    pub fn push(&mut self, packet: Arrival<'_>, now_us: u64) {
        let Arrival { sequence, timestamp, ssrc, samples } = packet;
        self.push_packet(Stamp { sequence, timestamp, ssrc }, samples, now_us);
    }
}

impl<C: Content> JitterBuffer<C> {
    /// Takes a packet that arrived at `now_us` microseconds.
    pub fn push_packet(&mut self, packet: Stamp, payload: &C::Packet, now_us: u64) {
        let length = C::length(payload);
        if length <= 0 {
            return;
        }
        let position = self.place(packet, now_us);
        let Some(stream) = &mut self.stream else { return };
        if !stream.store.insert(position, payload) {
            self.counters.duplicates += 1;
            return;
        }
        self.counters.received += 1;
        stream.count(packet.sequence);
        stream.delays.observe(transit(now_us, position), now_us);
        self.measure_jitter(position, now_us);
        self.note_lateness(position, length);
    }

    /// What is kept of the present stream, such as for concealing with its decoder.
    pub fn content(&mut self) -> Option<&mut C> {
        self.stream.as_mut().map(|stream| &mut stream.store)
    }

    /// Notes a packet of the same stream that holds no audio, such as a telephone-event, so that
    /// its sequence number does not count as lost.
    pub fn pass(&mut self, sequence: u16, ssrc: u32) {
        if let Some(stream) = self.stream.as_mut().filter(|stream| stream.ssrc == ssrc) {
            stream.count(sequence);
        }
    }

    /// Fills `frame` with the next 20 ms, at `now_us`. Call it every 20 ms.
    pub fn pull(&mut self, now_us: u64, frame: &mut [i16]) -> Frame {
        frame.fill(0);
        let pulled = self.play(now_us, frame);
        if pulled != Frame::Audio {
            // Of what is not whole, nothing is played: the beginning of a frame would only click.
            frame.fill(0);
        }
        pulled
    }

    fn play(&mut self, now_us: u64, frame: &mut [i16]) -> Frame {
        let Some(stream) = &mut self.stream else { return Frame::Silence };
        let Some((position, stood_still)) = stream.playing(now_us) else { return Frame::Silence };
        let end = position + FRAME;
        let behind = stream.behind(position, now_us);
        if stream.store.copy(position, frame) {
            let quiet = is_quiet(frame, &mut self.floor);
            self.correct(position, behind, quiet, frame)
        } else if let Some(next) = stream.store.first_after(position) {
            self.bridge(position, next, stood_still, frame)
        } else if stood_still < MAX_STANDSTILL * FRAME {
            stream.play = Play::At { position, stood_still: stood_still + FRAME };
            Frame::Lost
        } else {
            stream.store.forget_before(end);
            stream.play = Play::Buffering;
            Frame::Silence
        }
    }

    /// Counters so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let lost = self.stream.as_ref().map_or(0, |stream| stream.sequences.lost());
        Counters { lost: self.counters.lost + lost, ..self.counters }
    }

    /// Interarrival jitter (RFC 3550 A.8), milliseconds.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "8 samples per millisecond")]
    pub fn jitter_ms(&self) -> f64 {
        self.jitter / SAMPLES_PER_MS as f64
    }

    /// Present depth: audio that has arrived and waits, milliseconds.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a few thousand samples")]
    pub fn depth_ms(&self) -> f64 {
        let depth = self.stream.as_ref().map_or(0, |stream| match stream.play {
            Play::Buffering => stream.store.kept(),
            Play::At { position, .. } => stream.store.end().map_or(0, |end| (end - position).max(0)),
        });
        depth as f64 / SAMPLES_PER_MS as f64
    }

    /// The delay the buffer aims at, milliseconds.
    #[must_use]
    pub fn target_ms(&self) -> i64 {
        self.stream.as_ref().map_or(MIN_TARGET_MS, |stream| stream.target() / SAMPLES_PER_MS)
    }

    /// Where the packet lies on the stream's time line; starts a new line where it must.
    fn place(&mut self, packet: Stamp, now_us: u64) -> i64 {
        if let Some(stream) = &mut self.stream {
            let position = stream.position_of(packet.timestamp);
            let expected = stream.delays.expected_position(now_us).unwrap_or(position);
            if stream.ssrc == packet.ssrc && (position - expected).abs() < JUMP {
                return position;
            }
            self.abandon();
        }
        self.stream = Some(Stream::starting_with(packet));
        0
    }

    /// Gives up the present stream, keeping its losses in the counters.
    fn abandon(&mut self) {
        self.counters = Counters { resets: self.counters.resets + 1, ..self.counters() };
        self.last_transit = None;
        self.stream = None;
    }

    fn measure_jitter(&mut self, position: i64, now_us: u64) {
        let transit = transit(now_us, position);
        if let Some(last) = self.last_transit.replace(transit) {
            #[expect(clippy::cast_precision_loss, reason = "differences of milliseconds")]
            let difference = (transit - last).abs() as f64;
            self.jitter += (difference - self.jitter) / 16.0;
        }
    }

    fn note_lateness(&mut self, position: i64, length: i64) {
        let Some(stream) = &mut self.stream else { return };
        let late = matches!(stream.play, Play::At { position: next, .. } if position + length <= next);
        if !late {
            stream.late_in_a_row = 0;
            return;
        }
        self.counters.late += 1;
        stream.late_in_a_row += 1;
        if stream.late_in_a_row >= LATE_IN_A_ROW {
            // The sender's clock went back a little: follow it.
            stream.late_in_a_row = 0;
            stream.play = Play::Buffering;
            stream.delays = DelayTracker::default();
            self.counters.resets += 1;
        }
    }

    /// Plays a frame that is there, and moves the play position towards the target.
    fn correct(&mut self, position: i64, behind: i64, quiet: bool, frame: &mut [i16]) -> Frame {
        let Some(stream) = &mut self.stream else { return Frame::Silence };
        let mut next = position + FRAME;
        if behind > HOPELESS {
            next += behind;
            self.counters.dropped_frames += u64::try_from(behind / FRAME).unwrap_or(0);
        } else if behind > INTOLERABLE || (behind > TOLERANCE && quiet) {
            // What follows is there already, so nothing is missed but a frame's time.
            if stream.store.copy(next, frame) {
                next += FRAME;
                self.counters.dropped_frames += 1;
            }
        } else if behind < -TOLERANCE && quiet {
            next = position;
            self.counters.inserted_frames += 1;
        }
        stream.store.forget_before(next);
        stream.play = Play::At { position: next, stood_still: 0 };
        Frame::Audio
    }

    /// A packet is missing but later ones are there. What was already concealed while the
    /// position stood still is not concealed again.
    fn bridge(&mut self, position: i64, next: i64, stood_still: i64, frame: &mut [i16]) -> Frame {
        let Some(stream) = &mut self.stream else { return Frame::Silence };
        let gap = next - position;
        let skip = if gap > MAX_TARGET_MS * SAMPLES_PER_MS { gap } else { gap.min(stood_still) };
        let from = position + skip;
        let whole = stream.store.copy(from, frame);
        stream.store.forget_before(from + FRAME);
        stream.play = Play::At { position: from + FRAME, stood_still: 0 };
        if whole { Frame::Audio } else { Frame::Lost }
    }
}

impl<C: Content> Stream<C> {
    fn starting_with(packet: Stamp) -> Self {
        let sequence = i64::from(packet.sequence);
        Self {
            ssrc: packet.ssrc,
            last_timestamp: packet.timestamp,
            last_position: 0,
            sequences: Sequences::starting_at(sequence),
            delays: DelayTracker::default(),
            store: C::default(),
            play: Play::Buffering,
            late_in_a_row: 0,
        }
    }

    fn position_of(&mut self, timestamp: u32) -> i64 {
        self.last_position += i64::from(timestamp_distance(self.last_timestamp, timestamp));
        self.last_timestamp = timestamp;
        self.last_position
    }

    fn count(&mut self, sequence: u16) {
        let last = self.sequences.highest;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the low 16 bits are wanted"
        )]
        let distance = i64::from(sequence_distance(last as u16, sequence));
        if distance.abs() > MAX_DROPOUT {
            let lost_before = self.sequences.lost();
            self.sequences = Sequences { lost_before, ..Sequences::starting_at(i64::from(sequence)) };
        }
        self.sequences.count(if distance.abs() > MAX_DROPOUT {
            i64::from(sequence)
        } else {
            last + distance
        });
    }

    fn target(&self) -> i64 {
        self.delays.target().clamp(MIN_TARGET_MS * SAMPLES_PER_MS, MAX_TARGET_MS * SAMPLES_PER_MS)
    }

    /// The play position, once enough has been buffered.
    fn playing(&mut self, now_us: u64) -> Option<(i64, i64)> {
        if let Play::At { position, stood_still } = self.play {
            return Some((position, stood_still));
        }
        let first = self.store.first()?;
        let behind = self.behind(first, now_us);
        if behind < 0 {
            return None;
        }
        // What piled up, in a pause of this process or of the network, is too old to be played.
        let start = if behind > INTOLERABLE { first + behind } else { first };
        self.store.forget_before(start);
        self.play = Play::At { position: start, stood_still: 0 };
        Some((start, 0))
    }

    /// How much older than the target wants it a sample at `position` is, if played at `now_us`.
    fn behind(&self, position: i64, now_us: u64) -> i64 {
        let newest = self.delays.expected_position(now_us).unwrap_or(position);
        newest - self.target() - position
    }
}

impl Sequences {
    fn starting_at(sequence: i64) -> Self {
        Self { first: sequence, highest: sequence, received: 0, lost_before: 0 }
    }

    fn count(&mut self, extended: i64) {
        self.highest = extended.max(self.highest);
        self.first = extended.min(self.first);
        self.received += 1;
    }

    fn lost(&self) -> u64 {
        let expected = u64::try_from(self.highest - self.first + 1).unwrap_or(0);
        self.lost_before + expected.saturating_sub(self.received)
    }
}

/// Arrival time minus position, in samples; only differences of it mean anything.
fn transit(now_us: u64, position: i64) -> i64 {
    delay::to_samples(now_us) - position
}

/// Whether dropping or doubling the frame goes unnoticed. `floor` follows the quietest frames.
fn is_quiet(frame: &[i16], floor: &mut u32) -> bool {
    let sum: u32 = frame.iter().map(|sample| u32::from(sample.unsigned_abs())).sum();
    let level = sum / u32::try_from(frame.len()).unwrap_or(1).max(1);
    *floor = if level < *floor { level } else { *floor + (level - *floor) / 64 };
    level <= (QUIET_OVER_FLOOR * *floor).clamp(QUIET, LOUD)
}

#[cfg(test)]
mod tests;

//! Packets on a media port, into the jitter buffer and out again as a call takes them.

use crate::bytes::Bytes;
use talkif_media::g711::Law;
use talkif_media::jitter::{Arrival, Content, Frame, JitterBuffer};
use talkif_media::plc::Concealer;
use talkif_media::quality::{Observed, loss, mos};
use talkif_media::rtp::{Header, Packet};
use talkif_media::{TELEPHONE_FRAME, telephone_event};

/// The longest datagram a media port looks at.
const MAX_DATAGRAM: usize = 2_048;
/// What the buffer may keep, whatever comes: a second and the packet that crosses it.
const MAX_KEPT: i64 = 8_000 + MAX_DATAGRAM as i64;
/// A packet may be ahead of its time, but not for longer than delays are remembered.
const SOON_SILENT_US: u64 = 10_000_000;
/// Packets of one input; more would only be slower.
const MAX_PACKETS: usize = 200;

/// Reads each packet of a run of them, `length (2 bytes) pause (1 byte, ms) datagram`, and plays
/// what they carry.
///
/// # Panics
/// If a packet does not survive being written, or the buffer grows or counts beyond its bounds.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let mut call = Call::default();
    for _ in 0..MAX_PACKETS {
        if bytes.is_empty() {
            break;
        }
        let length = usize::from(bytes.short()) % (MAX_DATAGRAM + 1);
        call.wait(u64::from(bytes.byte()) * 1_000);
        call.take(bytes.take(length));
    }
    call.wait(SOON_SILENT_US);
    assert!(!call.wait(1_000_000), "there is sound when nothing comes any more");
}

/// The receiving side of one call, in virtual time.
#[derive(Default)]
struct Call {
    now_us: u64,
    next_frame_us: u64,
    taken: u64,
    buffer: JitterBuffer,
    concealer: Concealer,
    keys: telephone_event::Receiver,
}

impl Call {
    fn take(&mut self, datagram: &[u8]) {
        let Ok(packet) = Packet::parse(datagram) else { return };
        survives_writing(packet);
        let Header { payload_type, sequence, timestamp, ssrc, .. } = packet.header;
        self.taken += 1;
        if let Some(law) = Law::of_payload_type(payload_type) {
            let mut samples = Vec::new();
            law.decode_all(packet.payload, &mut samples);
            self.buffer.push(Arrival { sequence, timestamp, ssrc, samples: &samples }, self.now_us);
        } else {
            self.buffer.pass(sequence, ssrc);
            let key = self.keys.receive(timestamp, packet.payload);
            assert!(key.is_none_or(|key| telephone_event::code_of(key).is_some()));
        }
        self.stays_within_bounds();
    }

    /// Plays until `pause_us` later; whether there was anything to play.
    fn wait(&mut self, pause_us: u64) -> bool {
        self.now_us += pause_us;
        let mut sound = false;
        while self.next_frame_us <= self.now_us {
            let mut frame = [0; TELEPHONE_FRAME];
            let pulled = self.buffer.pull(self.next_frame_us, &mut frame);
            assert!(pulled == Frame::Audio || frame == [0; TELEPHONE_FRAME], "{pulled:?} with sound");
            sound |= pulled != Frame::Silence;
            match pulled {
                Frame::Audio => self.concealer.good(&mut frame),
                Frame::Lost => drop(self.concealer.lost(&mut frame)),
                Frame::Silence => {}
            }
            self.next_frame_us += 20_000;
        }
        self.stays_within_bounds();
        sound
    }

    fn stays_within_bounds(&mut self) {
        let counters = self.buffer.counters();
        assert!(counters.received + counters.duplicates <= self.taken, "{counters:?}");
        assert!((20..=120).contains(&self.buffer.target_ms()), "{}", self.buffer.target_ms());
        let kept = self.buffer.content().map_or(0, |content| content.kept());
        assert!(kept <= MAX_KEPT, "{kept}");
        let (jitter_ms, buffer_ms) = (self.buffer.jitter_ms(), self.buffer.depth_ms());
        assert!(jitter_ms.is_finite() && jitter_ms >= 0.0 && buffer_ms >= 0.0);
        let score = mos(Observed { loss: loss(counters), jitter_ms, buffer_ms, network_ms: 0.0 });
        assert!((1.0..=4.5).contains(&score), "{score}");
    }
}

fn survives_writing(packet: Packet<'_>) {
    let mut written = Vec::new();
    packet.header.write(packet.payload, &mut written);
    assert_eq!(Packet::parse(&written), Ok(packet));
}

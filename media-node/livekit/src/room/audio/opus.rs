//! Opus as the room speaks it: 48 kHz, mono, 20 ms. Why this crate and these settings:
//! `docs/decisions/007-opus-in-rust.md`.

use opus_rs::range_coder::RangeCoder;
use opus_rs::{CeltEncoder, OpusDecoder, modes};

/// Samples per second of every Opus stream's clock, and of our frames.
pub(in crate::room) const RATE: u32 = 48_000;
/// Samples of a frame of 20 ms.
pub(in crate::room) const FRAME: usize = 960;
/// Enough for wide-band speech without audible loss; the server is near.
const BITRATE: i32 = 48_000;
/// The search for transients and tones takes half the time and is for music.
const COMPLEXITY: i32 = 0;
/// Bands up to 8 kHz: no telephone carries more, and the bits are better spent on what it does.
const BANDS: usize = 17;
/// The first byte of every packet (RFC 6716, 3.1): such bands, 20 ms, mono, one frame.
const TOC: u8 = 23 << 3;
/// A packet of 20 ms has about 120 bytes; this is what a loud attack may take.
const MAX_PACKET: u32 = 600;
/// Longest packet that there may be: 120 ms.
const MAX_SAMPLES: usize = 5_760;

/// Frames to packets, with the half of Opus that is for low delay. The other half, for the lowest
/// bit rates, would take as much memory again.
pub(in crate::room) struct Encoder {
    celt: Box<CeltEncoder>,
    coder: RangeCoder,
    samples: Vec<f32>,
    packet: Vec<u8>,
}

impl Encoder {
    pub(in crate::room) fn new() -> Self {
        let mut celt = Box::new(CeltEncoder::new(modes::default_mode(), 1));
        celt.complexity = COMPLEXITY;
        celt.set_end_band(BANDS);
        celt.set_bitrate(BITRATE);
        celt.set_vbr(true);
        Self { celt, coder: RangeCoder::new_encoder(MAX_PACKET), samples: Vec::new(), packet: Vec::new() }
    }

    /// The packet of a frame of [`FRAME`] samples.
    pub(in crate::room) fn encode(&mut self, frame: &[i16]) -> Option<&[u8]> {
        if frame.len() != FRAME {
            return None;
        }
        self.samples.clear();
        self.samples.extend(frame.iter().map(|sample| f32::from(*sample) / 32_768.0));
        self.coder.reset_for_encode(MAX_PACKET);
        let bits = i32::try_from(MAX_PACKET * 8).ok()?;
        self.celt.encode_with_budget_vbr(&self.samples, FRAME, &mut self.coder, 0, bits, true);
        self.coder.done();
        let coded = self.coder.buf.get(..self.coder.storage as usize)?;
        self.packet.clear();
        self.packet.push(TOC);
        self.packet.extend_from_slice(coded);
        (self.coder.error == 0).then_some(&self.packet)
    }
}

/// Packets to samples.
pub(in crate::room) struct Decoder {
    opus: OpusDecoder,
    /// As long as the longest packet so far.
    decoded: Vec<f32>,
}

impl Decoder {
    /// None only if the codec does not know its own rate.
    pub(in crate::room) fn new() -> Option<Self> {
        let opus = OpusDecoder::new(i32::try_from(RATE).ok()?, 1).ok()?;
        Some(Self { opus, decoded: Vec::new() })
    }

    /// The samples of the stream's next packet; none if it cannot be understood.
    pub(in crate::room) fn decode(&mut self, packet: &[u8]) -> Option<impl Iterator<Item = i16>> {
        self.run(packet, samples_of(packet)?)
    }

    /// Samples that go on from what was decoded last, fading out.
    pub(in crate::room) fn conceal(&mut self, samples: usize) -> Option<impl Iterator<Item = i16>> {
        self.run(&[], samples)
    }

    fn run(&mut self, packet: &[u8], samples: usize) -> Option<impl Iterator<Item = i16>> {
        if self.decoded.len() < samples {
            self.decoded.resize(samples, 0.0);
        }
        // The decoder clears what it does not need.
        let room = self.decoded.get_mut(..samples)?;
        let made = self.opus.decode(packet, samples, room).ok()?;
        Some(self.decoded.get(..made)?.iter().map(to_sample))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "float to integer casts saturate")]
fn to_sample(value: &f32) -> i16 {
    (value * 32_768.0).round() as i16
}

/// How many samples a packet holds (RFC 6716, 3.1); none if it makes no sense or is empty of
/// sound.
pub(in crate::room) fn samples_of(packet: &[u8]) -> Option<usize> {
    let (toc, rest) = packet.split_first()?;
    let configuration = toc >> 3;
    let position = usize::from(configuration & 3);
    let frame = match configuration {
        0..12 => [480, 960, 1_920, 2_880][position],
        12..16 => [480, 960][position & 1],
        _ => [120, 240, 480, 960][position],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => usize::from(rest.first()? & 63),
    };
    let samples = frame * frames;
    (!rest.is_empty() && (1..=MAX_SAMPLES).contains(&samples)).then_some(samples)
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "test signals are small")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tone(from: usize) -> Vec<i16> {
        let at = |n: usize| (8_000.0 * (n as f32 * 440.0 * std::f32::consts::TAU / RATE as f32).sin()) as i16;
        (from..from + FRAME).map(at).collect()
    }

    #[test]
    fn a_tone_comes_back_120_samples_later_with_its_level() {
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new().unwrap());
        let mut heard: Vec<i16> = Vec::new();
        for n in 0..20 {
            let packet = encoder.encode(&tone(n * FRAME)).unwrap();
            assert_eq!(samples_of(packet), Some(FRAME));
            heard.extend(decoder.decode(packet).unwrap());
        }
        let said: Vec<i16> = (0..20).flat_map(|n| tone(n * FRAME)).collect();
        let pairs = said[9_600..14_400].iter().zip(&heard[9_720..]);
        let worst = pairs.map(|(a, b)| (i32::from(*a) - i32::from(*b)).abs()).max().unwrap();
        assert!(worst < 800, "{worst}");
    }

    #[test]
    fn a_concealed_frame_goes_on_with_the_tone_and_then_fades() {
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new().unwrap());
        for n in 0..20 {
            let packet = encoder.encode(&tone(n * FRAME)).unwrap();
            assert_eq!(decoder.decode(packet).unwrap().count(), FRAME);
        }
        let level = |samples: Vec<i16>| samples.iter().map(|s| i64::from(s.unsigned_abs())).sum::<i64>();
        let first = level(decoder.conceal(FRAME).unwrap().collect());
        assert!(first > level(tone(0)) / 2, "{first}");
        let last = (0..20).map(|_| level(decoder.conceal(FRAME).unwrap().collect())).last().unwrap();
        assert!(last < first / 4, "{last} of {first}");
    }

    #[test]
    fn lengths_are_those_of_the_standard() {
        for (packet, samples) in [
            (&[0x78, 1][..], Some(960)),
            (&[0x00, 1], Some(480)),
            (&[0x18, 1], Some(2_880)),
            (&[0x80, 1], Some(120)),
            (&[0xf9, 1], Some(1_920)),
            (&[0xfb, 3, 0], Some(2_880)),
            (&[0xfb, 0], None),
            (&[0x1b, 3], None),
            (&[0x78], None),
            (&[], None),
        ] {
            assert_eq!(samples_of(packet), samples, "{packet:?}");
        }
    }

    proptest! {
        #[test]
        fn any_packets_can_be_decoded_without_a_panic(
            packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..20)
        ) {
            let mut decoder = Decoder::new().unwrap();
            for packet in packets {
                if let Some(samples) = decoder.decode(&packet) {
                    prop_assert!(samples.count() <= MAX_SAMPLES);
                }
            }
        }
    }
}

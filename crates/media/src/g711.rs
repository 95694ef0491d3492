//! ITU-T G.711: µ-law and A-law, table driven.
//!
//! The tables are computed at compile time from the recommendation's segment rule. µ-law keeps
//! 14 bits of a sample and A-law 13; the lower bits of an `i16` are dropped.

use std::fmt;

/// Which of the two laws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Law {
    /// PCMU: North America, Japan.
    Mu,
    /// PCMA: the rest of the world.
    A,
}

impl Law {
    /// The static RTP payload type (RFC 3551).
    #[must_use]
    pub const fn payload_type(self) -> u8 {
        match self {
            Self::Mu => 0,
            Self::A => 8,
        }
    }

    /// The law of a static RTP payload type.
    #[must_use]
    pub const fn of_payload_type(payload_type: u8) -> Option<Self> {
        match payload_type {
            0 => Some(Self::Mu),
            8 => Some(Self::A),
            _ => None,
        }
    }

    /// The name in SDP.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mu => "PCMU",
            Self::A => "PCMA",
        }
    }

    /// One sample to its code.
    #[must_use]
    pub fn encode(self, sample: i16) -> u8 {
        match self {
            Self::Mu => MU_ENCODE[usize::from(sample.cast_unsigned() >> 2)],
            Self::A => A_ENCODE[usize::from(sample.cast_unsigned() >> 4)],
        }
    }

    /// One code to its sample.
    #[must_use]
    pub fn decode(self, code: u8) -> i16 {
        match self {
            Self::Mu => MU_DECODE[usize::from(code)],
            Self::A => A_DECODE[usize::from(code)],
        }
    }

    /// Appends the codes of `samples` to `into`.
    pub fn encode_all(self, samples: &[i16], into: &mut Vec<u8>) {
        into.extend(samples.iter().map(|&sample| self.encode(sample)));
    }

    /// Appends the samples of `codes` to `into`.
    pub fn decode_all(self, codes: &[u8], into: &mut Vec<i16>) {
        into.extend(codes.iter().map(|&code| self.decode(code)));
    }

    /// The code of silence.
    #[must_use]
    pub fn silence(self) -> u8 {
        self.encode(0)
    }
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Offset that makes every µ-law segment start at a power of two, in 14-bit units.
const MU_BIAS: i32 = 33;
/// The largest 14-bit magnitude µ-law can tell apart.
const MU_CLIP: i32 = 8158;

static MU_DECODE: [i16; 256] = mu_decode_table();
static MU_ENCODE: [u8; 1 << 14] = mu_encode_table();
static A_DECODE: [i16; 256] = a_decode_table();
static A_ENCODE: [u8; 1 << 12] = a_encode_table();

#[expect(clippy::cast_possible_truncation, reason = "all values fit by the recommendation's own bounds")]
const fn mu_decode_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        let bits = !(code as i32) & 0xff;
        let (segment, step) = ((bits >> 4) & 7, bits & 15);
        let magnitude = (((step << 1) + MU_BIAS) << segment) - MU_BIAS;
        let sample = if bits & 0x80 == 0 { magnitude } else { -magnitude };
        table[code] = (sample * 4) as i16;
        code += 1;
    }
    table
}

#[expect(clippy::cast_possible_truncation, reason = "a code is 8 bits by construction")]
#[expect(clippy::cast_sign_loss, reason = "a code is not negative")]
const fn mu_encode_table() -> [u8; 1 << 14] {
    let mut table = [0; 1 << 14];
    let mut index = 0;
    while index < 1 << 14 {
        let (magnitude, negative) = magnitude_of(index as i32, 1 << 14);
        let clipped = if magnitude > MU_CLIP { MU_CLIP } else { magnitude };
        let mut segment = 0;
        while (clipped + MU_BIAS) >> (segment + 6) != 0 {
            segment += 1;
        }
        let step = ((clipped + MU_BIAS) >> (segment + 1)) & 15;
        let sign = if negative { 0x80 } else { 0 };
        table[index] = !(sign | (segment << 4) | step) as u8;
        index += 1;
    }
    table
}

#[expect(clippy::cast_possible_truncation, reason = "all values fit by the recommendation's own bounds")]
const fn a_decode_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        let bits = (code as i32) ^ 0x55;
        let (segment, step) = ((bits >> 4) & 7, bits & 15);
        let magnitude = if segment == 0 { (step << 4) + 8 } else { ((step << 4) + 0x108) << (segment - 1) };
        table[code] = (if bits & 0x80 == 0 { -magnitude } else { magnitude }) as i16;
        code += 1;
    }
    table
}

#[expect(clippy::cast_possible_truncation, reason = "a code is 8 bits by construction")]
#[expect(clippy::cast_sign_loss, reason = "a code is not negative")]
const fn a_encode_table() -> [u8; 1 << 12] {
    let mut table = [0; 1 << 12];
    let mut index = 0;
    while index < 1 << 12 {
        let (magnitude, negative) = magnitude_of(index as i32, 1 << 12);
        let mut segment = 0;
        while magnitude >> (segment + 5) != 0 {
            segment += 1;
        }
        // Segments 0 and 1 share one step size, so their 32 codes are the magnitude itself.
        let bits =
            if segment == 0 { magnitude } else { ((segment + 1) << 4) | ((magnitude >> segment) & 15) };
        let sign = if negative { 0 } else { 0x80 };
        table[index] = ((sign | bits) ^ 0x55) as u8;
        index += 1;
    }
    table
}

/// Magnitude and sign of a two's complement table index. Negative numbers use one's complement,
/// as the ITU's reference code does, so that both signs have equally many codes.
const fn magnitude_of(index: i32, range: i32) -> (i32, bool) {
    if index < range / 2 { (index, false) } else { (range - 1 - index, true) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decoder outputs of the recommendation's tables 2a and 2b: first value and spacing of each
    /// segment of 16, in 14-bit units.
    const MU_SEGMENTS: [(i16, i16); 8] =
        [(0, 2), (33, 4), (99, 8), (231, 16), (495, 32), (1023, 64), (2079, 128), (4191, 256)];
    /// Tables 1a and 1b, in 13-bit units.
    const A_SEGMENTS: [(i16, i16); 8] =
        [(1, 2), (33, 2), (66, 4), (132, 8), (264, 16), (528, 32), (1056, 64), (2112, 128)];

    #[test]
    fn mu_law_decodes_to_the_values_of_the_recommendation() {
        for (segment, (first, spacing)) in (0_u8..).zip(MU_SEGMENTS) {
            for step in 0_u8..16 {
                let value = (first + spacing * i16::from(step)) * 4;
                let positive = 0xff - (segment * 16 + step);
                assert_eq!(Law::Mu.decode(positive), value, "code {positive:#x}");
                assert_eq!(Law::Mu.decode(positive & 0x7f), -value, "code {:#x}", positive & 0x7f);
            }
        }
    }

    #[test]
    fn a_law_decodes_to_the_values_of_the_recommendation() {
        for (segment, (first, spacing)) in (0_u8..).zip(A_SEGMENTS) {
            for step in 0_u8..16 {
                let value = (first + spacing * i16::from(step)) * 8;
                let positive = (0x80 | (segment * 16 + step)) ^ 0x55;
                assert_eq!(Law::A.decode(positive), value, "code {positive:#x}");
                assert_eq!(Law::A.decode(positive ^ 0x80), -value, "code {:#x}", positive ^ 0x80);
            }
        }
    }

    #[test]
    fn every_code_survives_decoding_and_encoding() {
        for law in [Law::Mu, Law::A] {
            for code in 0..=255 {
                let again = law.encode(law.decode(code));
                // µ-law has two zeros; the negative one becomes the positive one.
                let expected = if law == Law::Mu && code == 0x7f { 0xff } else { code };
                assert_eq!(again, expected, "{law} {code:#x}");
            }
        }
    }

    #[test]
    fn the_extremes_and_zero_have_the_codes_of_the_recommendation() {
        assert_eq!([0, i16::MAX, i16::MIN].map(|s| Law::Mu.encode(s)), [0xff, 0x80, 0x00]);
        assert_eq!([0, -1, i16::MAX, i16::MIN].map(|s| Law::A.encode(s)), [0xd5, 0x55, 0xaa, 0x2a]);
    }

    #[test]
    fn decision_values_at_segment_ends_fall_into_the_upper_segment() {
        // Decision values x17, x33, x49 … of table 2a, 14-bit units.
        for (decision, above) in [(31, 33), (95, 99), (223, 231), (479, 495), (991, 1023), (4063, 4191)] {
            assert_eq!(Law::Mu.decode(Law::Mu.encode(decision * 4)), above * 4);
        }
        for (decision, above) in [(32, 33), (64, 66), (128, 132), (2048, 2112)] {
            assert_eq!(Law::A.decode(Law::A.encode(decision * 8)), above * 8);
        }
    }

    #[test]
    fn no_sample_is_off_by_more_than_about_three_percent() {
        for law in [Law::Mu, Law::A] {
            for sample in i16::MIN..=i16::MAX {
                let error = (i32::from(law.decode(law.encode(sample))) - i32::from(sample)).abs();
                let bound = (i32::from(sample).abs() / 30).max(16) + 8;
                assert!(error <= bound, "{law} {sample}: {error} > {bound}");
            }
        }
    }
}

//! The symbols of the modem: 12 groups of 4 tones, one tone of each group at a time.
//!
//! Tones lie 62.5 Hz apart from 375 to 3313 Hz. A symbol lasts 20 ms and is read through a 16 ms
//! window, one period of the spacing, so the reader may be 2 ms off in either direction and DC
//! and all other tones vanish. Which tone of a group is loudest is all that counts: gain, phase
//! and the slope of the line do not matter.

use std::f32::consts::TAU;

/// Groups, each carrying two bits.
pub(super) const GROUPS: usize = 12;
/// Tones of a group.
pub(super) const TONES: usize = 4;
const SPACING_HZ: f32 = 62.5;
const LOWEST: usize = 6;
/// −20 dBFS of all tones together: a tenth of full scale.
const RMS: f32 = 3277.0;

/// Which tone of each group sounds.
pub(super) type Digits = [u8; GROUPS];

/// Marks the start of a block. Data are mixed with [`MASK`], so they rarely look like it, and
/// when they do the checksum says no.
pub(super) const SYNC: Digits = [0, 3, 1, 2, 2, 0, 3, 1, 1, 2, 0, 3];
/// Keeps constant data (zero padding, repeated letters) from becoming a constant tone.
const MASK: [u8; 5] = [0x5a, 0x93, 0xe4, 0x2d, 0xb6];

/// Frequency of a tone, Hz.
pub(super) fn frequency(group: usize, tone: usize) -> f32 {
    SPACING_HZ * (LOWEST + TONES * group + tone) as f32
}

/// Three bytes, the `position`-th of a block, as digits.
pub(super) fn digits(bytes: &[u8], position: usize) -> Digits {
    std::array::from_fn(|group| {
        let byte = bytes[group / 4] ^ mask(position, group / 4);
        byte >> (6 - 2 * (group % 4)) & 3
    })
}

/// Undoes [`digits`].
pub(super) fn bytes(digits: &Digits, position: usize) -> [u8; 3] {
    std::array::from_fn(|index| {
        let byte = digits[4 * index..4 * index + 4].iter().fold(0, |byte, digit| byte << 2 | digit);
        byte ^ mask(position, index)
    })
}

fn mask(position: usize, index: usize) -> u8 {
    MASK[(position * 3 + index) % MASK.len()]
}

/// Appends one symbol at `rate` samples per second to `out`.
pub(super) fn render(digits: &Digits, rate: u32, out: &mut Vec<i16>) {
    let length = rate as usize / 50;
    let ramp = length / 20;
    let amplitude = RMS * (2.0 / GROUPS as f32).sqrt();
    for n in 0..length {
        let seconds = n as f32 / rate as f32;
        let sum: f32 = digits
            .iter()
            .enumerate()
            .map(|(group, tone)| {
                let turns = frequency(group, usize::from(*tone)) * seconds + crest_phase(group);
                (TAU * turns.fract()).sin()
            })
            .sum();
        let edge = n.min(length - 1 - n);
        let gain = if edge < ramp { (edge as f32 + 0.5) / ramp as f32 } else { 1.0 };
        out.push((sum * amplitude * gain) as i16);
    }
}

/// Phases, in turns, growing with the square of the group: they keep the peaks of the sum low.
fn crest_phase(group: usize) -> f32 {
    let group = group as f32;
    (group * group / (2.0 * GROUPS as f32)).fract()
}

//! The filter and the coarse spectrum the detector looks at.

use std::f32::consts::TAU;

/// Bands of about 200 Hz from 250 to 3450 Hz.
const BANDS: usize = 16;
const BAND_HERTZ: f32 = 200.0;
const LOWEST_HERTZ: f32 = 250.0;
/// Probes per band; a frame of 20 ms resolves 50 Hz.
const PROBES: usize = 4;
const RATE: f32 = 8_000.0;
/// Bands this far below the strongest one do not matter.
const FAR_BELOW: f32 = 1e-4;

/// A fourth-order high-pass at 200 Hz: 50 and 60 Hz hum loses 42 dB and more, the first
/// harmonic 17 dB and more.
#[derive(Debug, Clone, Default)]
pub(super) struct HighPass {
    first: Section,
    second: Section,
}

#[derive(Debug, Clone, Default)]
struct Section {
    x: [f32; 2],
    y: [f32; 2],
}

/// A second-order Butterworth high-pass at 200 Hz for 8 kHz.
const B: [f32; 3] = [0.894_858_6, -1.789_717_2, 0.894_858_6];
const A: [f32; 2] = [-1.778_632_2, 0.800_802_65];

impl HighPass {
    pub(super) fn next(&mut self, sample: i16) -> f32 {
        self.second.next(self.first.next(f32::from(sample)))
    }
}

impl Section {
    fn next(&mut self, x: f32) -> f32 {
        let y = B[0] * x + B[1] * self.x[0] + B[2] * self.x[1] - A[0] * self.y[0] - A[1] * self.y[1];
        self.x = [x, self.x[0]];
        self.y = [y, self.y[0]];
        y
    }
}

/// Power by band.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bands([f32; BANDS]);

impl Bands {
    pub(super) fn of(samples: &[f32]) -> Self {
        let mut bands = [1e-3; BANDS];
        let mut hertz = LOWEST_HERTZ;
        for band in &mut bands {
            for _ in 0..PROBES {
                *band += power_at(samples, hertz);
                hertz += BAND_HERTZ / PROBES as f32;
            }
        }
        Self(bands)
    }

    /// Geometric over arithmetic mean: 1 is white.
    pub(super) fn flatness(&self) -> f32 {
        let count = BANDS as f32;
        let geometric = (self.0.iter().map(|power| power.ln()).sum::<f32>() / count).exp();
        geometric / (self.0.iter().sum::<f32>() / count)
    }

    /// Mean change of the bands that matter, in dB.
    pub(super) fn distance_db(&self, earlier: &Self) -> f32 {
        let strongest = self.0.iter().copied().fold(0.0, f32::max);
        let pairs = self.0.iter().zip(&earlier.0).filter(|(now, _)| **now > strongest * FAR_BELOW);
        let (mut sum, mut count) = (0.0, 0.0);
        for (now, before) in pairs {
            sum += (10.0 * (now / before.max(1e-3)).log10()).abs();
            count += 1.0;
        }
        sum / f32::max(count, 1.0)
    }
}

/// Goertzel's algorithm with a Hann window.
fn power_at(samples: &[f32], hertz: f32) -> f32 {
    let coefficient = 2.0 * (TAU * hertz / RATE).cos();
    let length = samples.len() as f32;
    let (mut s1, mut s2) = (0.0, 0.0);
    for (n, sample) in samples.iter().enumerate() {
        let window = 0.5 - 0.5 * (TAU * (n as f32 + 0.5) / length).cos();
        let s0 = sample * window + coefficient * s1 - s2;
        (s2, s1) = (s1, s0);
    }
    s1 * s1 + s2 * s2 - coefficient * s1 * s2
}

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

/// What measures bands: a window and the probes' coefficients, computed once.
#[derive(Debug, Clone)]
pub(super) struct Analyser {
    window: Vec<f32>,
    coefficients: [f32; BANDS * PROBES],
    windowed: Vec<f32>,
}

impl Analyser {
    /// For frames of `length` samples.
    pub(super) fn new(length: usize) -> Self {
        // Hann's window.
        let at = |n: usize| 0.5 - 0.5 * (TAU * (n as f32 + 0.5) / length as f32).cos();
        let hertz = |probe: usize| LOWEST_HERTZ + probe as f32 * BAND_HERTZ / PROBES as f32;
        Self {
            window: (0..length).map(at).collect(),
            coefficients: std::array::from_fn(|probe| 2.0 * (TAU * hertz(probe) / RATE).cos()),
            windowed: Vec::with_capacity(length),
        }
    }

    /// Power by band of a frame.
    pub(super) fn bands(&mut self, samples: &[f32]) -> Bands {
        self.windowed.clear();
        self.windowed.extend(samples.iter().zip(&self.window).map(|(sample, weight)| sample * weight));
        let mut bands = [1e-3; BANDS];
        for (band, coefficients) in bands.iter_mut().zip(self.coefficients.as_chunks::<PROBES>().0) {
            *band += powers(&self.windowed, *coefficients).iter().sum::<f32>();
        }
        Bands(bands)
    }
}

impl Bands {
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

/// Goertzel's algorithm for several frequencies at once, which the processor does in parallel.
fn powers(samples: &[f32], coefficients: [f32; PROBES]) -> [f32; PROBES] {
    let (mut s1, mut s2) = ([0.0; PROBES], [0.0; PROBES]);
    for sample in samples {
        for probe in 0..PROBES {
            let s0 = sample + coefficients[probe] * s1[probe] - s2[probe];
            (s2[probe], s1[probe]) = (s1[probe], s0);
        }
    }
    std::array::from_fn(|at| s1[at] * s1[at] + s2[at] * s2[at] - coefficients[at] * s1[at] * s2[at])
}

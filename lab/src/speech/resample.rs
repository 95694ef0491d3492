//! Changes the sample rate of a whole recording.

use std::f64::consts::PI;

/// Zero crossings of the kernel on each side.
const HALF_WIDTH: f64 = 24.0;

/// Resamples by a Hann-windowed sinc, cut off just under the lower Nyquist frequency.
#[must_use]
pub fn resample(samples: &[i16], from: u32, to: u32) -> Vec<i16> {
    if from == to || from == 0 || to == 0 {
        return samples.to_vec();
    }
    let ratio = f64::from(to) / f64::from(from);
    let cutoff = ratio.min(1.0) * 0.97;
    let length = (samples.len() as f64 * ratio).round() as usize;
    (0..length).map(|n| interpolate(samples, n as f64 / ratio, cutoff)).collect()
}

fn interpolate(samples: &[i16], at: f64, cutoff: f64) -> i16 {
    let reach = HALF_WIDTH / cutoff;
    let first = (at - reach).ceil().max(0.0) as usize;
    let last = ((at + reach).floor() as usize).min(samples.len().saturating_sub(1));
    let sum: f64 = (first..=last).map(|i| f64::from(samples[i]) * kernel(at - i as f64, cutoff, reach)).sum();
    sum.round().clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i16
}

fn kernel(x: f64, cutoff: f64, reach: f64) -> f64 {
    let hann = 0.5 + 0.5 * (PI * x / reach).cos();
    let phase = PI * x * cutoff;
    let sinc = if phase.abs() < 1e-9 { 1.0 } else { phase.sin() / phase };
    cutoff * sinc * hann
}

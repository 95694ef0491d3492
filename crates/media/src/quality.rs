//! Call quality by the E-model (ITU-T G.107), for G.711 with packet loss concealment.

use crate::jitter::Counters;

/// Rating of a perfect narrow-band connection with default values (G.107 section 7.1).
const BASE_RATING: f64 = 93.2;
/// Robustness of G.711 with concealment against random loss (G.113 appendix I).
const LOSS_ROBUSTNESS: f64 = 25.1;
/// One-way delay beyond which conversation suffers, milliseconds.
const DELAY_KNEE_MS: f64 = 177.3;
/// Codec and packetisation, where nothing better is known, milliseconds.
const FIXED_DELAY_MS: f64 = 20.0;

/// What the receiving side knows about a connection.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Observed {
    /// Share of packets that were not played: lost or too late, 0 to 1.
    pub loss: f64,
    /// Interarrival jitter (RFC 3550), milliseconds.
    pub jitter_ms: f64,
    /// Depth of the jitter buffer, milliseconds.
    pub buffer_ms: f64,
    /// One-way network delay, milliseconds; half the round trip, or 0 if unknown.
    pub network_ms: f64,
}

/// Share of packets that were not played: lost, or too late to be.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "packets of a call")]
pub fn loss(counters: Counters) -> f64 {
    let Counters { received, lost, late, .. } = counters;
    let sent = received + lost;
    if sent == 0 { 0.0 } else { (lost + late) as f64 / sent as f64 }
}

/// The transmission rating factor R, 0 to 93.2.
#[must_use]
pub fn rating(observed: Observed) -> f64 {
    // Jitter that the buffer does not absorb turns into delay or loss; the usual estimate adds
    // twice the jitter where the buffer is shallower than that.
    let buffer = observed.buffer_ms.max(2.0 * observed.jitter_ms);
    let delay = observed.network_ms.max(0.0) + buffer + FIXED_DELAY_MS;
    let delay_impairment = 0.024 * delay + 0.11 * (delay - DELAY_KNEE_MS).max(0.0);
    let loss = 100.0 * observed.loss.clamp(0.0, 1.0);
    let loss_impairment = 95.0 * loss / (loss + LOSS_ROBUSTNESS);
    (BASE_RATING - delay_impairment - loss_impairment).max(0.0)
}

/// The mean opinion score, 1 to 4.5 (G.107 annex B).
#[must_use]
pub fn mos(observed: Observed) -> f64 {
    let r = rating(observed);
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).clamp(1.0, 4.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(loss: f64, buffer_ms: f64) -> f64 {
        mos(Observed { loss, buffer_ms, ..Observed::default() })
    }

    #[test]
    fn a_clean_line_is_as_good_as_the_telephone_gets() {
        assert!((4.3..=4.5).contains(&at(0.0, 40.0)), "{}", at(0.0, 40.0));
    }

    #[test]
    fn five_percent_of_loss_is_heard_and_total_loss_is_the_worst() {
        assert!((3.6..4.0).contains(&at(0.05, 40.0)), "{}", at(0.05, 40.0));
        assert!(at(1.0, 40.0) < 1.5);
    }

    #[test]
    fn more_loss_or_delay_is_never_better() {
        for step in 0..100 {
            let step = f64::from(step);
            assert!(at(step / 100.0, 40.0) >= at((step + 1.0) / 100.0, 40.0));
            assert!(at(0.0, step * 10.0) >= at(0.0, (step + 1.0) * 10.0));
        }
    }
}

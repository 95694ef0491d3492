//! The caller's speech, measured on the leg's own frames.

use talkif_call_engine::io::{Input, Time};
use talkif_media::resample::UnsupportedRates;
use talkif_media::vad::{Change, Config, Vad};

/// Length of a frame, microseconds.
const FRAME_US: u64 = 20_000;

/// Turns frames into the engine's speech inputs.
pub(crate) struct Listener {
    vad: Vad,
}

impl Listener {
    pub(crate) fn new(rate: u32) -> Result<Self, UnsupportedRates> {
        Ok(Self { vad: Vad::new(rate, Config::default())? })
    }

    /// Takes the frame that has just been received, so its last sample is `now`.
    pub(crate) fn hear(&mut self, frame: &[i16], now: Time) -> Option<Input> {
        let change = self.vad.process(frame, now.0.saturating_sub(FRAME_US))?;
        Some(match change {
            Change::Started { at_us } => Input::SpeechStarted { at: Time(at_us) },
            Change::Ended { at_us } => Input::SpeechEnded { at: Time(at_us) },
        })
    }
}

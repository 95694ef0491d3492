//! The frames of a call: what the caller says goes to the ears, what the agent says to the wire,
//! and both to the recording.

use super::Call;
use std::time::Duration;
use talkif_call_engine::io::{Generation, Input, Time};
use talkif_telephony::Tick;

impl Call {
    /// Every 20 ms: the caller's frame in, the agent's frame out.
    pub(super) async fn tick(&mut self, tick: Tick) {
        if !self.answered || self.leg_ended {
            return;
        }
        let ticked = self.clock.now();
        self.leg.receive(&mut self.caller_frame);
        self.ears.push(&self.caller_frame);
        let speech = self.listener.hear(&self.caller_frame, self.clock.now());
        if let Some(speech) = speech {
            self.note_speech(&speech);
            self.feed(speech).await;
        }
        if let Some(deaf) = self.ears.rotate_if_deaf() {
            self.heard(deaf).await;
        }
        let fading = self.playout.is_fading();
        let played = if self.waking.is_mute(tick, ticked) {
            self.agent_frame.fill(0);
            Vec::new()
        } else {
            let played = self.playout.next_frame(&mut self.agent_frame);
            self.transfers.add_music(&mut self.agent_frame);
            played
        };
        self.leg.send(&self.agent_frame);
        self.note_frame(tick, ticked, fading);
        self.record();
        self.feed_all(played).await;
    }

    fn note_frame(&mut self, tick: Tick, ticked: Time, fading: bool) {
        let now = self.clock.now();
        self.punctuality.sent(tick, Duration::from_micros(now.0.saturating_sub(ticked.0)));
        if !fading {
            let ordered = self.punctuality.silence_kept(now);
            ordered.into_iter().for_each(|ordered| self.journal.silenced(ordered, now));
        }
    }

    fn note_speech(&mut self, speech: &Input) {
        if matches!(speech, Input::SpeechStarted { .. }) {
            self.ears.speech_started();
        } else {
            self.ears.speech_ended();
        }
    }

    fn record(&mut self) {
        let Some(tap) = &mut self.tap else { return };
        if tap.record(&self.caller_frame, &self.agent_frame).is_err() {
            self.tap = None;
            self.journal.trouble("the recording has stopped".to_owned());
        }
    }

    pub(super) fn note_silencing(&mut self, generation: Generation) {
        if self.playout.is_sounding(generation) {
            self.punctuality.silence_ordered(self.clock.now());
        }
    }
}

//! The record of turns: numbers, times, and the two clocks of each answer.

use crate::caller::Said;
use crate::io::Time;
use crate::utterance::Utterance;
use talkif_model::{Personal, Speaker, Turn, TurnLatency};

/// The caller's turn that the agent is about to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Answering {
    last_speech: Time,
    final_at: Time,
    committed: Time,
}

/// The agent's turn that is not over yet: all it says until the caller's next word.
#[derive(Debug, Clone, PartialEq)]
struct Running {
    started: Time,
    ended: Time,
    text: String,
    latency: Option<TurnLatency>,
}

/// Numbers the turns and times them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turns {
    answered: Time,
    count: u32,
    callers: u32,
    answering: Option<Answering>,
    running: Option<Running>,
}

impl Turns {
    /// The call was answered: turns are timed from here.
    pub(crate) fn call_answered(&mut self, now: Time) {
        self.answered = now;
    }

    /// Whether the caller has had a turn.
    pub(crate) fn caller_has_spoken(&self) -> bool {
        self.callers > 0
    }

    /// The caller's turn is over, and `awaits_answer` or not.
    pub(crate) fn caller(&mut self, said: &Said, awaits_answer: bool, now: Time) -> Turn {
        self.callers += 1;
        let (last_speech, final_at) = (said.ended, said.final_at);
        self.answering = awaits_answer.then_some(Answering { last_speech, final_at, committed: now });
        self.turn(Speaker::Caller, said.text.clone(), said.started, said.ended)
    }

    /// The first sample of an utterance is on the wire.
    pub(crate) fn first_sample(&mut self, utterance: &Utterance, now: Time) {
        if self.running.is_none() {
            let latency = self.answering.take().map(|answering| latency(answering, utterance, now));
            self.running = Some(Running { started: now, ended: now, text: String::new(), latency });
        }
    }

    /// An utterance is over; `heard` is what was played of it.
    pub(crate) fn utterance_over(&mut self, heard: &str, now: Time) {
        let Some(running) = &mut self.running else { return };
        running.ended = now;
        if !running.text.is_empty() && !heard.is_empty() {
            running.text.push(' ');
        }
        running.text.push_str(heard);
    }

    /// The agent's turn is over. `None` if nothing of it was heard.
    pub(crate) fn agent_over(&mut self, interrupted: bool) -> Option<Turn> {
        let running = self.running.take()?;
        if running.text.is_empty() {
            return None;
        }
        let turn = self.turn(Speaker::Agent, running.text, running.started, running.ended);
        Some(Turn { interrupted, latency: running.latency, ..turn })
    }

    fn turn(&mut self, speaker: Speaker, text: String, started: Time, ended: Time) -> Turn {
        self.count += 1;
        let since_answer = |time: Time| time.0.saturating_sub(self.answered.0) / 1_000;
        Turn {
            number: self.count,
            speaker,
            text: Personal(text),
            started_ms: since_answer(started),
            ended_ms: since_answer(ended),
            interrupted: false,
            latency: None,
        }
    }
}

/// All stages between the caller's last sample and the agent's first. A stage that was over
/// before its predecessor, thanks to speculation, counts 0.
fn latency(turn: Answering, utterance: &Utterance, now: Time) -> TurnLatency {
    let started = utterance.started.unwrap_or(now);
    let after_asking = |time: Time| utterance.asked.map_or(0.0, |asked| time.ms_since(asked.at));
    TurnLatency {
        engine_ms: now.ms_since(turn.committed),
        heard_ms: now.ms_since(turn.last_speech),
        endpointing_ms: turn.committed.ms_since(turn.last_speech),
        stt_final_ms: turn.final_at.ms_since(turn.last_speech),
        llm_first_token_ms: utterance.asked.map_or(0.0, |asked| after_asking(asked.first_token)),
        first_sentence_ms: after_asking(utterance.opened),
        tts_first_byte_ms: started.ms_since(utterance.opened),
        #[expect(clippy::cast_precision_loss, reason = "seconds, not millennia")]
        leading_silence_ms: utterance.leading_silence_ms as f64,
        playout_ms: now.ms_since(started),
    }
}

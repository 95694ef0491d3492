//! Plays a script in virtual time: recogniser, model, voice and line, each simple and exact.

use super::scenario::{Answer, Habits, Scenario, Step};
use super::timeline;
use std::collections::{BTreeMap, VecDeque};
use talkif_call_engine::io::{
    DeadlineReason, Ending, Generation, Input, LegEnd, Output, Provider, Time, TransferEnd, Word,
};
use talkif_call_engine::{Engine, EngineConfig};
use talkif_model::{CallStatus, EndReason, Outcome};

/// Speaking rate of the simulated voice.
const MS_PER_CHAR: u64 = 60;
const FRAME_MS: u64 = 20;

/// One utterance in the simulated voice and line.
#[derive(Debug, Clone, Default)]
struct Voiced {
    number: usize,
    ready_at: Time,
    audio_ms: u64,
    played_ms: u64,
    done: bool,
    playing: bool,
    heard: bool,
}

pub struct World {
    engine: Engine,
    config: EngineConfig,
    now: Time,
    steps: VecDeque<Step>,
    answers: VecDeque<Answer>,
    habits: Habits,
    agenda: BTreeMap<(Time, u64), Input>,
    sequence: u64,
    voiced: BTreeMap<Generation, Voiced>,
    cancelled: Vec<Generation>,
    script_free_at: Time,
    heard_utterances: usize,
    awaited_utterance: Option<usize>,
    done_since: Option<Time>,
    pub timeline: String,
    pub inputs: Vec<(Time, Input)>,
    pub outputs: Vec<(Time, Output)>,
}

impl World {
    pub fn new(scenario: Scenario) -> Self {
        let Scenario { config, steps, answers, habits } = scenario;
        Self {
            engine: Engine::new(config.clone(), Time(0)),
            config,
            now: Time(0),
            steps,
            answers,
            habits,
            agenda: BTreeMap::new(),
            sequence: 0,
            voiced: BTreeMap::new(),
            cancelled: Vec::new(),
            script_free_at: Time(0),
            heard_utterances: 0,
            awaited_utterance: None,
            done_since: None,
            timeline: String::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// Plays to the end, millisecond by millisecond.
    pub fn play(mut self) -> Self {
        self.give(Input::Start);
        while !self.engine.is_over() {
            assert!(self.now < Time::from_ms(600_000), "the call never ends:\n{}", self.timeline);
            self.now = self.now.plus_ms(1);
            self.run_script();
            self.run_agenda();
            if self.now.ms().is_multiple_of(FRAME_MS) {
                self.run_line();
            }
            while self.engine.deadline().is_some_and(|deadline| deadline.at <= self.now) {
                self.wake();
            }
        }
        self.check_end();
        self
    }

    pub fn config(&self) -> EngineConfig {
        self.config.clone()
    }

    pub fn ending(&self) -> &Ending {
        match self.outputs.last() {
            Some((_, Output::Ended(ending))) => ending,
            other => panic!("the last output is no end: {other:?}"),
        }
    }

    /// The end in three words.
    pub fn end(&self) -> (CallStatus, EndReason, Option<Outcome>) {
        let ending = self.ending();
        (ending.status, ending.end_reason, ending.outcome)
    }

    fn check_end(&mut self) {
        let ends = self.outputs.iter().filter(|(_, output)| matches!(output, Output::Ended(_))).count();
        assert_eq!(ends, 1, "{}", self.timeline);
        self.ending();
        self.engine.handle(Input::Wake, self.now.plus_ms(60_000));
        assert_eq!((self.engine.poll(), self.engine.deadline()), (None, None));
    }

    fn wake(&mut self) {
        let reason = self.engine.deadline().map(|deadline| deadline.reason);
        if let Some(reason) = reason.filter(|r| *r != DeadlineReason::GoodbyeTail) {
            self.note(&format!("deadline: {reason:?}"));
        }
        self.give(Input::Wake);
    }

    fn note(&mut self, text: &str) {
        self.timeline.push_str(&timeline::line(self.now, text));
    }

    fn give(&mut self, input: Input) {
        if let Some(text) = timeline::of_input(&input) {
            self.note(&text);
        }
        self.inputs.push((self.now, input.clone()));
        self.engine.handle(input, self.now);
        while let Some(output) = self.engine.poll() {
            let text = timeline::of_output(&output);
            if text != "  = partial" {
                self.note(&text);
            }
            self.outputs.push((self.now, output.clone()));
            self.perform(output);
        }
    }

    fn later(&mut self, after_ms: u64, input: Input) {
        self.sequence += 1;
        self.agenda.insert((self.now.plus_ms(after_ms), self.sequence), input);
    }

    fn run_agenda(&mut self) {
        while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let input = entry.remove();
            if !self.is_cancelled(&input) {
                self.give(input);
            }
        }
    }

    /// What was cancelled may still be on its way; half of it is dropped here, half is left to
    /// the engine's comparison of generations.
    fn is_cancelled(&self, input: &Input) -> bool {
        matches!(input, Input::LlmTool { generation, .. } if self.cancelled.contains(generation))
    }

    // --- the script -----------------------------------------------------------------------

    fn run_script(&mut self) {
        while self.script_free_at <= self.now {
            let Some(step) = self.steps.pop_front() else { return };
            if !self.step(&step) {
                self.steps.push_front(step);
                return;
            }
        }
    }

    /// Whether the step is done.
    fn step(&mut self, step: &Step) -> bool {
        match step {
            Step::Wait(ms) => self.script_free_at = self.now.plus_ms(*ms),
            Step::AgentDone(ms) => return self.agent_done_for(*ms),
            Step::AgentHeard(ms) => return self.agent_heard(*ms),
            Step::Speak { ms, finals, overlap } => self.speak(*ms, finals, *overlap),
            Step::Input(input) => self.give((**input).clone()),
        }
        true
    }

    /// The agent is done when it waits for nothing but the caller, and nothing is on its way.
    fn agent_done_for(&mut self, ms: u64) -> bool {
        let waits = |reason| matches!(reason, DeadlineReason::NoInput | DeadlineReason::MaxCallLength);
        let done = self.engine.deadline().is_some_and(|deadline| waits(deadline.reason))
            && self.voiced.is_empty()
            && self.agenda.is_empty();
        if !done {
            self.done_since = None;
            return false;
        }
        let since = *self.done_since.get_or_insert(self.now);
        let long_enough = self.now >= since.plus_ms(ms);
        if long_enough {
            self.done_since = None;
        }
        long_enough
    }

    fn agent_heard(&mut self, ms: u64) -> bool {
        let awaited = *self.awaited_utterance.get_or_insert(self.heard_utterances);
        if self.heard_utterances <= awaited {
            return false;
        }
        self.awaited_utterance = None;
        self.script_free_at = self.now.plus_ms(ms);
        true
    }

    fn speak(&mut self, ms: u64, finals: &[String], overlap: bool) {
        let at = self.now;
        self.later(60, Input::SpeechStarted { at });
        self.later(ms + 200, Input::SpeechEnded { at: at.plus_ms(ms) });
        if !self.habits.stt_deaf {
            self.recognise(ms, finals);
        }
        if !overlap {
            self.script_free_at = at.plus_ms(ms);
        }
    }

    fn recognise(&mut self, ms: u64, finals: &[String]) {
        for (index, text) in finals.iter().enumerate() {
            let end_of_turn = None;
            let half: Vec<&str> = text.split(' ').collect();
            let half = half[..half.len().div_ceil(2)].join(" ");
            if ms >= 600 && index == 0 {
                self.later(ms / 2 + 150, Input::Transcript { text: half, is_final: false, end_of_turn });
            }
            let parts = finals.len() as u64;
            let end = ms * (index as u64 + 1) / parts + self.habits.stt_final_ms;
            self.later(end, Input::Transcript { text: text.clone(), is_final: true, end_of_turn });
        }
    }

    // --- model, voice, leg ------------------------------------------------------------------

    fn perform(&mut self, output: Output) {
        match output {
            Output::StartLlm { generation, .. } => self.answer(generation),
            Output::CancelLlm { generation } => self.cancelled.push(generation),
            Output::Speak { generation, text } => self.voice(generation, &text),
            Output::SpeakDone { generation } => self.voice_done(generation),
            Output::Play { generation } | Output::Resume { generation } => self.set_playing(generation, true),
            Output::Pause { generation } => self.set_playing(generation, false),
            Output::Stop { generation, .. } => drop(self.voiced.remove(&generation)),
            Output::CallTool { id, .. } => {
                self.later(400, Input::ToolResult { id, result: "{\"free\":[\"15:30\"]}".to_owned() });
            }
            Output::Transfer { .. } => {
                if let Some(how) = self.habits.transfer_ends {
                    self.later(4_000, Input::TransferEnded { how });
                }
            }
            Output::HandOver => self.later(50, Input::TransferEnded { how: TransferEnd::HandedOver }),
            Output::HangUp if !self.habits.leg_never_ends => {
                self.later(30, Input::LegEnded { how: LegEnd::LocalHangup });
            }
            _ => {}
        }
    }

    fn answer(&mut self, generation: Generation) {
        let answer = self.answers.pop_front().unwrap_or_else(|| Answer::says("Okay."));
        if answer.hangs {
            return;
        }
        if answer.fails {
            let detail = "no model left".to_owned();
            let failed = Input::ProviderFailed { provider: Provider::Llm, generation, detail };
            return self.later(answer.delay_ms, failed);
        }
        let mut at = answer.delay_ms;
        for piece in answer.text.split_inclusive(' ') {
            self.later(at, Input::LlmText { generation, delta: piece.to_owned() });
            at += 15;
        }
        for (index, (name, arguments)) in answer.tools.iter().enumerate() {
            let id = format!("call_{}_{index}", generation.0);
            let (name, arguments) = (name.clone(), arguments.clone());
            self.later(at, Input::LlmTool { generation, id, name, arguments });
        }
        let last = if answer.breaks {
            Input::ProviderFailed {
                provider: Provider::Llm,
                generation,
                detail: "the stream broke".to_owned(),
            }
        } else {
            Input::LlmDone { generation }
        };
        self.later(at + 5, last);
    }

    fn voice(&mut self, generation: Generation, text: &str) {
        let number = self.voiced.get(&generation).map_or(self.count_voiced() + 1, |voiced| voiced.number);
        if self.habits.tts_silent.contains(&number) {
            self.voiced.entry(generation).or_insert(Voiced { number, ..Voiced::default() });
            return;
        }
        let ready_at = self.now.plus_ms(self.habits.tts_ms);
        if !self.voiced.contains_key(&generation) {
            self.later(self.habits.tts_ms, Input::TtsStarted { generation, leading_silence_ms: 40 });
            self.voiced.insert(generation, Voiced { number, ready_at, ..Voiced::default() });
        }
        let Some(voiced) = self.voiced.get_mut(&generation) else { return };
        let words = words(text, voiced.audio_ms);
        voiced.audio_ms += MS_PER_CHAR * (text.chars().count() as u64 + 1);
        if self.habits.tts_words {
            self.later(self.habits.tts_ms, Input::TtsWords { generation, words });
        }
    }

    /// Utterances so far, stopped ones included: generations count up, so the record of outputs
    /// tells.
    fn count_voiced(&self) -> usize {
        let mut seen: Vec<Generation> = Vec::new();
        for (_, output) in &self.outputs {
            if let Output::Speak { generation, .. } = output
                && !seen.contains(generation)
            {
                seen.push(*generation);
            }
        }
        seen.len().saturating_sub(1)
    }

    fn voice_done(&mut self, generation: Generation) {
        let Some(voiced) = self.voiced.get_mut(&generation) else { return };
        if !self.habits.tts_silent.contains(&voiced.number) {
            voiced.done = true;
            let audio_ms = voiced.audio_ms;
            self.later(self.habits.tts_ms, Input::TtsDone { generation, audio_ms });
        }
    }

    fn set_playing(&mut self, generation: Generation, playing: bool) {
        if let Some(voiced) = self.voiced.get_mut(&generation) {
            voiced.playing = playing;
        }
    }

    /// One frame on the wire.
    fn run_line(&mut self) {
        let playing = self.voiced.iter().find(|(_, voiced)| voiced.playing).map(|(g, _)| *g);
        let Some(generation) = playing else { return };
        let now = self.now;
        let stalls = self.habits.stalls;
        let Some(voiced) = self.voiced.get_mut(&generation) else { return };
        let stalled = stalls == Some(voiced.number) && voiced.played_ms >= 400;
        if voiced.audio_ms == 0 || now < voiced.ready_at || stalled {
            return;
        }
        voiced.played_ms = (voiced.played_ms + FRAME_MS).min(voiced.audio_ms);
        let (played_ms, first) = (voiced.played_ms, !voiced.heard);
        voiced.heard = true;
        if voiced.done && played_ms == voiced.audio_ms {
            self.voiced.remove(&generation);
            return self.give(Input::PlayoutFinished { generation, played_ms });
        }
        if first {
            self.heard_utterances += 1;
            self.note(&format!("agent is heard (#{})", generation.0));
        }
        if first || played_ms.is_multiple_of(100) {
            self.give(Input::Played { generation, played_ms });
        }
    }
}

fn words(text: &str, from_ms: u64) -> Vec<Word> {
    let mut start_ms = from_ms;
    text.split(' ')
        .map(|word| {
            let end_ms = start_ms + MS_PER_CHAR * (word.chars().count() as u64);
            let word = Word { text: word.to_owned(), start_ms, end_ms };
            start_ms = end_ms + MS_PER_CHAR;
            word
        })
        .collect()
}

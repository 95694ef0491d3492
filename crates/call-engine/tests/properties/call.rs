//! A call to which anything happens in any order, and what must hold at every step of it.

use super::acts::{Act, TEXTS, TOOLS, WORDS};
use super::flow;
use std::collections::{BTreeMap, BTreeSet};
use talkif_call_engine::Engine;
use talkif_call_engine::io::{
    Command, Generation, Input, LegEnd, LlmRequest, Message, Output, Provider, Time, Word,
};
use talkif_model::{Direction, EndReason};

/// An engine, what went in, what came out, and what the outside knows from it.
pub(crate) struct Call {
    engine: Engine,
    pub(crate) direction: Direction,
    now: Time,
    pub(crate) inputs: Vec<(Time, Input)>,
    pub(crate) outputs: Vec<(Time, Output)>,
    /// How many outputs there were before each input.
    first_outputs: Vec<usize>,
    latest_request: u64,
    /// Every utterance in the order of its opening.
    spoken: BTreeMap<Generation, String>,
    front: Option<Generation>,
    ended: bool,
    /// Utterances that were not released yet.
    held: BTreeSet<Generation>,
    on_wire: BTreeSet<Generation>,
    paused: BTreeSet<Generation>,
    /// Utterances whose text is whole: only these can be played to their end.
    whole: BTreeSet<Generation>,
    stopped: BTreeSet<Generation>,
    played: BTreeSet<Generation>,
}

impl Call {
    pub(crate) fn new(direction: Direction) -> Self {
        let mut call = Self {
            engine: Engine::new(flow::config(direction), Time(0)),
            direction,
            now: Time(0),
            inputs: Vec::new(),
            outputs: Vec::new(),
            first_outputs: Vec::new(),
            latest_request: 0,
            spoken: BTreeMap::new(),
            front: None,
            ended: false,
            held: BTreeSet::new(),
            on_wire: BTreeSet::new(),
            paused: BTreeSet::new(),
            whole: BTreeSet::new(),
            stopped: BTreeSet::new(),
            played: BTreeSet::new(),
        };
        call.give(Input::Start);
        call
    }

    pub(crate) fn give(&mut self, input: Input) {
        self.inputs.push((self.now, input.clone()));
        self.first_outputs.push(self.outputs.len());
        self.engine.handle(input, self.now);
        while let Some(output) = self.engine.poll() {
            assert!(!self.ended, "after the end: {output:?}");
            self.learn(&output);
            self.outputs.push((self.now, output));
        }
        let over = self.engine.is_over();
        assert_eq!(over, self.ended);
        assert_eq!(over, self.engine.deadline().is_none(), "a deadline or the end");
    }

    fn learn(&mut self, output: &Output) {
        match output {
            Output::StartLlm { generation, request } => {
                self.latest_request = generation.0;
                self.check_history(request);
            }
            Output::Speak { generation, text } => {
                if !self.spoken.contains_key(generation) {
                    self.held.insert(*generation);
                }
                let spoken = self.spoken.entry(*generation).or_default();
                if !spoken.is_empty() {
                    spoken.push(' ');
                }
                spoken.push_str(text);
            }
            Output::SpeakDone { generation } => drop(self.whole.insert(*generation)),
            Output::Play { generation } => {
                self.front = Some(*generation);
                self.held.remove(generation);
                self.on_wire.insert(*generation);
            }
            Output::Pause { generation } => drop(self.paused.insert(*generation)),
            Output::Resume { generation } => drop(self.paused.remove(generation)),
            Output::Stop { generation, .. } => {
                self.off_wire(*generation);
                self.stopped.insert(*generation);
            }
            Output::Ended(_) => self.ended = true,
            _ => {}
        }
    }

    fn off_wire(&mut self, generation: Generation) {
        self.held.remove(&generation);
        self.paused.remove(&generation);
        self.on_wire.remove(&generation);
    }

    /// The agent's words in the history are the begin of something it said, and of what was
    /// stopped before its first sample there is nothing.
    fn check_history(&self, request: &LlmRequest) {
        for message in &request.messages {
            let Message::Assistant { text, .. } = message else { continue };
            let was_heard = self.spoken.iter().any(|(generation, spoken)| {
                let silent = self.stopped.contains(generation) && !self.played.contains(generation);
                spoken.starts_with(text.as_str()) && !silent
            });
            assert!(text.is_empty() || was_heard, "never heard: {text}");
        }
    }

    pub(crate) fn act(&mut self, act: &Act, serial: usize) {
        match act {
            Act::Wait(ms) => self.now = self.now.plus_ms(*ms),
            Act::FollowDeadline => self.follow_deadline(),
            Act::CallerTurn => {
                let words = Act::Words(3, true, None);
                self.act_all(&[Act::SpeechStarted(0), Act::Wait(700), Act::SpeechEnded(200), words], serial);
                self.follow_deadline();
            }
            Act::Answer(text, tool) => {
                self.act_all(&[Act::Wait(200), Act::LlmText(0, *text)], serial);
                self.act_all(
                    &tool.map(|tool| Act::LlmTool(0, tool, 0)).into_iter().collect::<Vec<_>>(),
                    serial,
                );
                self.act(&Act::LlmDone(0), serial);
            }
            Act::AnswerOverSpeech(text) => {
                let sound = Act::SpeechStarted(0);
                self.act_all(&[sound.clone(), Act::Answer(*text, None), sound], serial);
            }
            Act::AgentFinishes => {
                let begin = [Act::TtsStarted(0), Act::Played(0, 20), Act::TtsDone(0, 1_500), Act::Wait(400)];
                self.act_all(&begin, serial);
                self.act(&Act::PlayoutFinished(0, 1_500), serial);
            }
            other => {
                if let Some(input) = self.input(other, serial) {
                    self.give(input);
                }
            }
        }
    }

    fn act_all(&mut self, acts: &[Act], serial: usize) {
        for act in acts {
            self.act(act, serial);
        }
    }

    fn follow_deadline(&mut self) {
        let Some(deadline) = self.engine.deadline() else { return };
        self.now = self.now.max(deadline.at);
        self.give(Input::Wake);
        let next = self.engine.deadline();
        assert!(next.is_none_or(|next| next.at > self.now), "no progress: {deadline:?} then {next:?}");
    }

    fn request(&self, stale: u64) -> Generation {
        Generation(self.latest_request.saturating_sub(stale))
    }

    fn utterance(&self, stale: u64) -> Generation {
        Generation(self.front.map_or(0, |front| front.0).saturating_sub(stale))
    }

    fn input(&mut self, act: &Act, serial: usize) -> Option<Input> {
        let before = |ms: u64| Time(self.now.0.saturating_sub(ms * 1_000));
        Some(match act {
            Act::CallerTurn | Act::Answer(..) | Act::AnswerOverSpeech(_) | Act::AgentFinishes => return None,
            Act::Wait(_) | Act::FollowDeadline => return None,
            Act::Ringing => Input::LegRinging,
            Act::Answered => Input::LegAnswered,
            Act::Ended(how) => Input::LegEnded {
                how: [LegEnd::RemoteHangup, LegEnd::Busy, LegEnd::InvalidNumber, LegEnd::LocalHangup]
                    .get(*how)?
                    .clone(),
            },
            Act::Key(digit) => Input::Dtmf { digit: *digit },
            Act::SpeechStarted(ms) => Input::SpeechStarted { at: before(*ms) },
            Act::SpeechEnded(ms) => Input::SpeechEnded { at: before(*ms) },
            Act::Words(words, is_final, end_of_turn) => {
                let text = (*WORDS.get(*words)?).to_owned();
                Input::Transcript { text, is_final: *is_final, end_of_turn: *end_of_turn }
            }
            // The serial number makes every answer's words its own, so that the history can be
            // checked against what was said.
            Act::LlmText(stale, text) => {
                let delta = format!("{serial} {}", TEXTS.get(*text)?);
                Input::LlmText { generation: self.request(*stale), delta }
            }
            Act::LlmTool(stale, tool, id) => {
                let (name, arguments) = TOOLS.get(*tool)?;
                let (name, arguments) = ((*name).to_owned(), (*arguments).to_owned());
                Input::LlmTool { generation: self.request(*stale), id: format!("t{id}"), name, arguments }
            }
            Act::LlmDone(stale) => Input::LlmDone { generation: self.request(*stale) },
            Act::TtsStarted(stale) => {
                Input::TtsStarted { generation: self.utterance(*stale), leading_silence_ms: 10 }
            }
            Act::TtsWords(stale) => {
                let word = Word { text: "w".to_owned(), start_ms: 0, end_ms: 200 };
                Input::TtsWords { generation: self.utterance(*stale), words: vec![word] }
            }
            Act::TtsDone(stale, audio_ms) => {
                Input::TtsDone { generation: self.utterance(*stale), audio_ms: *audio_ms }
            }
            Act::Played(stale, played_ms) => {
                let generation = self.utterance(*stale);
                self.played.extend((*played_ms > 0).then_some(generation));
                Input::Played { generation, played_ms: *played_ms }
            }
            Act::PlayoutFinished(stale, played_ms) => {
                let generation = self.utterance(*stale);
                self.played.extend((*played_ms > 0).then_some(generation));
                if self.whole.contains(&generation) {
                    self.off_wire(generation);
                }
                Input::PlayoutFinished { generation, played_ms: *played_ms }
            }
            Act::ToolResult => Input::ToolResult { id: "t1".to_owned(), result: "{}".to_owned() },
            Act::Failed(stale, provider) => {
                let provider = *[Provider::Stt, Provider::Tts, Provider::Llm].get(*provider)?;
                let generation =
                    if provider == Provider::Tts { self.utterance(*stale) } else { self.request(*stale) };
                Input::ProviderFailed { provider, generation, detail: "lost".to_owned() }
            }
            Act::Say => Input::Command(Command::Say { text: format!("Notice {serial}.") }),
            Act::HangUp => Input::Command(Command::HangUp { reason: EndReason::BalanceDepleted }),
        })
    }

    /// Each input with what came of it.
    pub(crate) fn steps(&self) -> impl Iterator<Item = (&Input, &[(Time, Output)])> {
        let ends = self.first_outputs.iter().skip(1).copied().chain([self.outputs.len()]);
        let ranges = self.first_outputs.iter().copied().zip(ends);
        self.inputs.iter().zip(ranges).map(|((_, input), (from, to))| (input, &self.outputs[from..to]))
    }

    /// Nothing happens any more; only deadlines are kept.
    pub(crate) fn follow_to_the_end(&mut self) {
        let silent_since = self.now;
        for _ in 0..2_000 {
            if self.ended {
                return;
            }
            self.follow_deadline();
            let settled = self.now > silent_since.plus_ms(10_000);
            assert!(!settled || self.paused.is_empty(), "muted: {:?}", self.paused);
            let stuck = self.on_wire.is_empty() && !self.held.is_empty();
            assert!(!settled || !stuck, "never released: {:?}", self.held);
        }
        panic!("the call never ends: {:?}", self.engine.deadline());
    }
}

/// Plays the acts, on a line that is up or still rings.
pub(crate) fn play(direction: Direction, answered: bool, acts: &[Act]) -> Call {
    let mut call = Call::new(direction);
    if answered {
        call.give(Input::LegAnswered);
    }
    for (serial, act) in acts.iter().enumerate() {
        call.act(act, serial);
    }
    call
}

//! What holds for every call, whatever phone, recogniser, model and voice do, in any order.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use support::flow;
use talkif_call_engine::io::{
    Command, Event, Generation, Input, LegEnd, LlmRequest, Message, Output, Provider, Time, Word,
};
use talkif_call_engine::{Engine, replay};
use talkif_model::{Direction, EndReason, Speaker};

/// One thing that happens. Generations are relative: 0 is the engine's latest request or
/// utterance, others are stale or invented.
#[derive(Debug, Clone)]
enum Act {
    /// A whole turn of the caller, so that random calls get anywhere.
    CallerTurn,
    /// A whole answer of the model, with a tool or without.
    Answer(usize, Option<usize>),
    /// The same while the caller makes sounds.
    AnswerOverSpeech(usize),
    /// The utterance on the wire is played to its end.
    AgentFinishes,
    Wait(u64),
    FollowDeadline,
    Ringing,
    Answered,
    Ended(usize),
    Key(char),
    SpeechStarted(u64),
    SpeechEnded(u64),
    Words(usize, bool, Option<f32>),
    LlmText(u64, usize),
    LlmTool(u64, usize, usize),
    LlmDone(u64),
    TtsStarted(u64),
    TtsWords(u64),
    TtsDone(u64, u64),
    Played(u64, u64),
    PlayoutFinished(u64, u64),
    ToolResult,
    Failed(u64, usize),
    Say,
    HangUp,
}

/// The last one forbids further calls and so ends most calls: it is drawn rarely.
const WORDS: [&str; 9] = [
    "Yes.",
    "mm-hmm",
    "I want to",
    "a demo on Friday.",
    "",
    "…",
    "Hello?",
    "ğüş 12, and",
    "Stop calling me.",
];
const TEXTS: [&str; 5] = ["Of course. ", "Tell me more, please", "ok", " ", "Noted, then we go on at once. "];
const TOOLS: [(&str, &str); 9] = [
    ("save_slot", r#"{"name":"need","value":"x"}"#),
    ("save_slot", "{"),
    ("move_to", r#"{"node":"booking"}"#),
    ("book_slot", r#"{"time":"2026-05-26T15:30:00Z"}"#),
    ("end_call", r#"{"outcome":"qualified"}"#),
    ("end_call", r#"{"outcome":"booked"}"#),
    ("opt_out", ""),
    ("voicemail", "{}"),
    ("look_up", "{}"),
];

fn act() -> impl Strategy<Value = Act> {
    let stale = || prop_oneof![8 => Just(0_u64), 1 => 1_u64..4];
    let score = prop_oneof![Just(None), Just(Some(0.9_f32)), Just(Some(0.1)), Just(Some(f32::NAN))];
    prop_oneof![
        5 => Just(Act::CallerTurn),
        6 => (0..TEXTS.len(), prop::option::of(0_usize..4)).prop_map(|(text, tool)| Act::Answer(text, tool)),
        2 => (0..TEXTS.len()).prop_map(Act::AnswerOverSpeech),
        5 => Just(Act::AgentFinishes),
        6 => (0_u64..900).prop_map(Act::Wait),
        2 => Just(Act::FollowDeadline),
        1 => Just(Act::Ringing),
        2 => Just(Act::Answered),
        1 => prop_oneof![40 => Just(99_usize), 1 => 0_usize..4].prop_map(Act::Ended),
        1 => prop_oneof![Just('1'), Just('#'), Just('x')].prop_map(Act::Key),
        6 => (0_u64..300).prop_map(Act::SpeechStarted),
        6 => (0_u64..300).prop_map(Act::SpeechEnded),
        8 => (prop_oneof![60 => 0_usize..8, 1 => Just(8)], any::<bool>(), score).prop_map(|(w, f, s)| Act::Words(w, f, s)),
        8 => (stale(), 0..TEXTS.len()).prop_map(|(g, t)| Act::LlmText(g, t)),
        2 => (stale(), 0..TOOLS.len(), 0_usize..3).prop_map(|(g, t, id)| Act::LlmTool(g, t, id)),
        5 => stale().prop_map(Act::LlmDone),
        5 => stale().prop_map(Act::TtsStarted),
        3 => stale().prop_map(Act::TtsWords),
        4 => (stale(), 0_u64..3_000).prop_map(|(g, ms)| Act::TtsDone(g, ms)),
        8 => (stale(), 0_u64..3_000).prop_map(|(g, ms)| Act::Played(g, ms)),
        5 => (stale(), 0_u64..3_000).prop_map(|(g, ms)| Act::PlayoutFinished(g, ms)),
        1 => Just(Act::ToolResult),
        1 => prop_oneof![20 => Just((9_u64, 2_usize)), 1 => (0_u64..2, 0_usize..3)].prop_map(|(g, p)| Act::Failed(g, p)),
        1 => Just(Act::Say),
        1 => prop_oneof![40 => Just(Act::Wait(1)), 1 => Just(Act::HangUp)],
    ]
}

/// An engine, what went in, what came out, and what the outside knows from it.
struct Call {
    engine: Engine,
    direction: Direction,
    now: Time,
    inputs: Vec<(Time, Input)>,
    outputs: Vec<(Time, Output)>,
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
    fn new(direction: Direction) -> Self {
        let mut call = Self {
            engine: Engine::new(flow::config(direction), Time(0)),
            direction,
            now: Time(0),
            inputs: Vec::new(),
            outputs: Vec::new(),
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

    fn give(&mut self, input: Input) {
        self.inputs.push((self.now, input.clone()));
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

    fn act(&mut self, act: &Act, serial: usize) {
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

    /// Nothing happens any more; only deadlines are kept.
    fn follow_to_the_end(&mut self) {
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

fn play(direction: Direction, answered: bool, acts: &[Act]) -> Call {
    let mut call = Call::new(direction);
    if answered {
        call.give(Input::LegAnswered);
    }
    for (serial, act) in acts.iter().enumerate() {
        call.act(act, serial);
    }
    call
}

fn directions() -> impl Strategy<Value = Direction> {
    prop_oneof![Just(Direction::Outbound), Just(Direction::Inbound)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Also: never an output after the end, always a deadline or the end, history is what was
    /// heard, no agent stays muted, no deadline is kept without progress.
    #[test]
    fn every_call_ends_exactly_once(
        direction in directions(),
        answered in prop::bool::weighted(0.9),
        acts in prop::collection::vec(act(), 0..120),
    ) {
        let mut call = play(direction, answered, &acts);
        call.follow_to_the_end();
        let ends = call.outputs.iter().filter(|(_, output)| matches!(output, Output::Ended(_))).count();
        prop_assert_eq!(ends, 1);
    }

    #[test]
    fn the_same_inputs_give_the_same_outputs(
        direction in directions(),
        acts in prop::collection::vec(act(), 0..80),
    ) {
        let mut call = play(direction, true, &acts);
        call.follow_to_the_end();
        let again = replay(flow::config(call.direction), &call.inputs);
        prop_assert_eq!(serde_json::to_string(&again).unwrap(), serde_json::to_string(&call.outputs).unwrap());
    }
}

/// Connect, two statuses and the entry's node: every call has them.
const BEGIN_OF_A_CALL: usize = 4;

/// The properties above are worth as much as the states that random calls reach.
#[test]
fn random_calls_reach_what_the_properties_are_about() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let acts = prop::collection::vec(act(), 80..120);
    let mut reached: BTreeMap<&str, usize> = BTreeMap::new();
    for _ in 0..200 {
        let acts = acts.new_tree(&mut runner).unwrap().current();
        let outputs = play(Direction::Outbound, true, &acts).outputs;
        for (_, output) in outputs.iter().skip(BEGIN_OF_A_CALL) {
            *reached.entry(kind(output)).or_default() += 1;
        }
    }
    let wanted = [
        "ask",
        "cancel",
        "resume",
        "stop",
        "slot",
        "node",
        "verdict",
        "turn of the agent",
        "false alarm",
        "interrupted",
    ];
    for wanted in wanted {
        assert!(reached.get(wanted).is_some_and(|count| *count >= 10), "{wanted}: {reached:?}");
    }
}

fn kind(output: &Output) -> &'static str {
    match output {
        Output::StartLlm { .. } => "ask",
        Output::CancelLlm { .. } => "cancel",
        Output::Resume { .. } => "resume",
        Output::Stop { .. } => "stop",
        Output::Emit(Event::Slot { .. }) => "slot",
        Output::Emit(Event::Node { .. }) => "node",
        Output::Emit(Event::Qualified { .. }) => "verdict",
        Output::Emit(Event::Interruption { false_alarm: true }) => "false alarm",
        Output::Emit(Event::Interruption { false_alarm: false }) => "interrupted",
        Output::Emit(Event::Turn(turn)) if turn.speaker == Speaker::Agent => "turn of the agent",
        _ => "else",
    }
}

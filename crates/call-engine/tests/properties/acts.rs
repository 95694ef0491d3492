//! What can happen to a call, and how often it is drawn.

use proptest::prelude::*;

/// One thing that happens. Generations are relative: 0 is the engine's latest request or
/// utterance, others are stale or invented.
#[derive(Debug, Clone)]
pub(crate) enum Act {
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
pub(crate) const WORDS: [&str; 9] = [
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
pub(crate) const TEXTS: [&str; 5] =
    ["Of course. ", "Tell me more, please", "ok", " ", "Noted, then we go on at once. "];
pub(crate) const TOOLS: [(&str, &str); 9] = [
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

pub(crate) fn act() -> impl Strategy<Value = Act> {
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

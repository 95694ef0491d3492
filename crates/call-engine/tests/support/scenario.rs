//! The script of a call.

use super::flow;
use super::world::World;
use std::collections::VecDeque;
use std::sync::Arc;
use talkif_call_engine::EngineConfig;
use talkif_call_engine::io::{Command, Input, LegEnd, Provider, TransferEnd};
use talkif_model::{Direction, EndReason};

/// What the script waits for, and does.
#[derive(Debug, Clone)]
pub enum Step {
    /// Wait.
    Wait(u64),
    /// Wait until the agent waits for the caller, and this long.
    AgentDone(u64),
    /// Wait until the agent's next utterance is heard, and this long.
    AgentHeard(u64),
    /// The caller speaks this long; nothing is recognised where there are no words.
    Speak { ms: u64, finals: Vec<String>, overlap: bool },
    /// An input as it is.
    Input(Box<Input>),
}

/// How the model answers one request.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    pub text: String,
    pub tools: Vec<(String, String)>,
    /// To the first token.
    pub delay_ms: u64,
    /// Nothing ever comes.
    pub hangs: bool,
    /// The provider is lost for good, before a word.
    pub fails: bool,
    /// The stream breaks after the text.
    pub breaks: bool,
}

impl Answer {
    pub fn says(text: &str) -> Self {
        Self { text: text.to_owned(), delay_ms: 250, ..Self::default() }
    }

    pub fn calls(tool: &str, arguments: &str) -> Self {
        Self::says("").and_calls(tool, arguments)
    }

    pub fn hangs() -> Self {
        Self { hangs: true, ..Self::default() }
    }

    pub fn fails() -> Self {
        Self { fails: true, ..Self::says("") }
    }

    #[must_use]
    pub fn and_breaks_off(mut self) -> Self {
        self.breaks = true;
        self
    }

    #[must_use]
    pub fn and_calls(mut self, tool: &str, arguments: &str) -> Self {
        self.tools.push((tool.to_owned(), arguments.to_owned()));
        self
    }

    #[must_use]
    pub fn after(mut self, delay_ms: u64) -> Self {
        self.delay_ms = delay_ms;
        self
    }
}

/// Faults and habits of the simulated world.
#[derive(Debug, Clone)]
pub struct Habits {
    /// From the last speech sample to the final words.
    pub stt_final_ms: u64,
    /// The recogniser hears nothing.
    pub stt_deaf: bool,
    /// From the first text to the first audio.
    pub tts_ms: u64,
    /// Utterances (counted from 1) for which the voice stays silent.
    pub tts_silent: Vec<usize>,
    /// The voice gives word times.
    pub tts_words: bool,
    /// The utterance (counted from 1) whose playout stops after 400 ms.
    pub stalls: Option<usize>,
    /// The leg never says that it is gone.
    pub leg_never_ends: bool,
    /// What becomes of a transfer after 4 s; `None` tells nobody.
    pub transfer_ends: Option<TransferEnd>,
}

/// A call to be played.
pub struct Scenario {
    pub config: EngineConfig,
    pub steps: VecDeque<Step>,
    pub answers: VecDeque<Answer>,
    pub habits: Habits,
}

impl Scenario {
    pub fn new(direction: Direction) -> Self {
        let habits = Habits {
            stt_final_ms: 250,
            stt_deaf: false,
            tts_ms: 120,
            tts_silent: Vec::new(),
            tts_words: true,
            stalls: None,
            leg_never_ends: false,
            transfer_ends: Some(TransferEnd::Joined),
        };
        let config = flow::config(direction);
        Self { config, steps: VecDeque::new(), answers: VecDeque::new(), habits }
    }

    /// An outbound call that rings and is answered, "Hello?".
    pub fn answered() -> Self {
        Self::picked_up().wait(400).says("Hello?", 500)
    }

    /// An outbound call that rings and is answered silently.
    pub fn picked_up() -> Self {
        Self::new(Direction::Outbound)
            .wait(500)
            .input(Input::LegRinging)
            .wait(1_500)
            .input(Input::LegAnswered)
    }

    /// An inbound call.
    pub fn inbound() -> Self {
        Self::new(Direction::Inbound).wait(50).input(Input::LegAnswered)
    }

    /// Changes the flow.
    #[must_use]
    pub fn flow(mut self, change: impl FnOnce(&mut talkif_model::flow::FlowGraph)) -> Self {
        change(Arc::make_mut(&mut self.config.flow));
        self
    }

    #[must_use]
    pub fn habits(mut self, change: impl FnOnce(&mut Habits)) -> Self {
        change(&mut self.habits);
        self
    }

    #[must_use]
    pub fn model(mut self, answer: Answer) -> Self {
        self.answers.push_back(answer);
        self
    }

    #[must_use]
    pub fn step(mut self, step: Step) -> Self {
        self.steps.push_back(step);
        self
    }

    #[must_use]
    pub fn input(self, input: Input) -> Self {
        self.step(Step::Input(Box::new(input)))
    }

    #[must_use]
    pub fn wait(self, ms: u64) -> Self {
        self.step(Step::Wait(ms))
    }

    #[must_use]
    pub fn when_agent_is_done(self, ms: u64) -> Self {
        self.step(Step::AgentDone(ms))
    }

    #[must_use]
    pub fn when_agent_is_heard(self, ms: u64) -> Self {
        self.step(Step::AgentHeard(ms))
    }

    /// The caller says these words within `ms`.
    #[must_use]
    pub fn says(self, text: &str, ms: u64) -> Self {
        self.says_in_parts(&[text], ms)
    }

    /// As [`Scenario::says`]; the recogniser finishes the parts one after the other.
    #[must_use]
    pub fn says_in_parts(self, parts: &[&str], ms: u64) -> Self {
        let finals = parts.iter().map(|part| (*part).to_owned()).collect();
        self.step(Step::Speak { ms, finals, overlap: false })
    }

    /// A sound without words.
    #[must_use]
    pub fn coughs(self, ms: u64) -> Self {
        self.step(Step::Speak { ms, finals: Vec::new(), overlap: false })
    }

    /// As [`Scenario::says`], but the script goes on at once.
    #[must_use]
    pub fn begins_to_say(self, text: &str, ms: u64) -> Self {
        self.step(Step::Speak { ms, finals: vec![text.to_owned()], overlap: true })
    }

    #[must_use]
    pub fn presses(self, keys: &str) -> Self {
        keys.chars().fold(self, |script, digit| script.input(Input::Dtmf { digit }).wait(300))
    }

    #[must_use]
    pub fn hangs_up(self) -> Self {
        self.leg_ends(LegEnd::RemoteHangup)
    }

    #[must_use]
    pub fn leg_ends(self, how: LegEnd) -> Self {
        self.input(Input::LegEnded { how })
    }

    #[must_use]
    pub fn ordered_to_hang_up(self, reason: EndReason) -> Self {
        self.input(Input::Command(Command::HangUp { reason }))
    }

    #[must_use]
    pub fn ordered_to_say(self, text: &str) -> Self {
        self.input(Input::Command(Command::Say { text: text.to_owned() }))
    }

    #[must_use]
    pub fn recogniser_is_lost(self) -> Self {
        self.input(Input::ProviderFailed {
            provider: Provider::Stt,
            generation: talkif_call_engine::io::Generation(0),
            detail: "no recogniser left".to_owned(),
        })
    }

    /// Plays the call to its end and gives the timeline.
    pub fn timeline(self) -> String {
        World::new(self).play().timeline
    }
}

//! The machine: what it holds, and which part takes which input.

use crate::caller::Caller;
use crate::calling::Leg;
use crate::closing::Closing;
use crate::config::EngineConfig;
use crate::ending::Verdict;
use crate::history::History;
use crate::io::{Event, Generation, Input, Output, Time};
use crate::keypad::Keypad;
use crate::mouth::Mouth;
use crate::opening::Opening;
use crate::phrases::{Phrases, phrases};
use crate::position::Position;
use crate::thinking::Reply;
use crate::transferring::Transferring;
use crate::turns::Turns;
use crate::waking::Silence;
use std::collections::VecDeque;

/// One call, from [`Input::Start`] to [`Output::Ended`].
#[derive(Debug)]
pub struct Engine {
    pub(crate) config: EngineConfig,
    pub(crate) phrases: Phrases,
    pub(crate) now: Time,
    outputs: VecDeque<Output>,
    last_generation: u64,
    pub(crate) leg: Leg,
    pub(crate) opening: Opening,
    pub(crate) caller: Caller,
    pub(crate) keypad: Keypad,
    pub(crate) mouth: Mouth,
    pub(crate) reply: Option<Reply>,
    pub(crate) position: Position,
    pub(crate) history: History,
    pub(crate) turns: Turns,
    pub(crate) silence: Silence,
    pub(crate) transfer: Option<Transferring>,
    pub(crate) closing: Option<Closing>,
    pub(crate) verdict: Verdict,
}

impl Engine {
    /// A call that has not begun. `now` is the beginning of its time.
    #[must_use]
    pub fn new(config: EngineConfig, now: Time) -> Self {
        Self {
            phrases: phrases(&config.flow.voice.language),
            position: Position::new(&config.flow),
            config,
            now,
            outputs: VecDeque::new(),
            last_generation: 0,
            leg: Leg::New,
            opening: Opening::NotYet,
            caller: Caller::default(),
            keypad: Keypad::default(),
            mouth: Mouth::default(),
            reply: None,
            history: History::default(),
            turns: Turns::default(),
            silence: Silence::default(),
            transfer: None,
            closing: None,
            verdict: Verdict::default(),
        }
    }

    /// Takes an input. Deadlines that were missed before `now` are kept first, so that a busy
    /// shell changes when things happen, not what happens. Time never goes back: an earlier
    /// `now` counts as the latest one seen. After the end, nothing has an effect.
    pub fn handle(&mut self, input: Input, now: Time) {
        self.now = self.now.max(now);
        self.keep_deadlines(&input);
        if !self.is_over() {
            self.dispatch(input);
            self.settle();
        }
    }

    /// The next thing to do. To be called until it gives `None`.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether [`Output::Ended`] has been put out.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.leg == Leg::Over
    }

    fn dispatch(&mut self, input: Input) {
        match input {
            Input::Start => self.start(),
            Input::LegRinging => self.leg_ringing(),
            Input::LegAnswered => self.leg_answered(),
            Input::LegEnded { how } => self.leg_ended(&how),
            Input::Command(command) => self.command(command),
            Input::Transcript { text, is_final: true, .. } if !self.leg.is_talking() => {
                self.note_opt_out(&text);
            }
            Input::Wake => {}
            conversation if self.leg.is_talking() => self.converse(conversation),
            _ => {}
        }
    }

    fn converse(&mut self, input: Input) {
        match input {
            Input::SpeechStarted { at } => self.speech_started(at),
            Input::SpeechEnded { at } => self.speech_ended(at),
            Input::Transcript { text, is_final, end_of_turn } => {
                self.transcript(&text, is_final, end_of_turn);
            }
            Input::Dtmf { digit } => self.key(digit),
            Input::LlmText { generation, delta } => self.llm_text(generation, &delta),
            Input::LlmTool { generation, id, name, arguments } => {
                self.llm_tool(generation, crate::io::ToolCall { id, name, arguments });
            }
            Input::LlmDone { generation } => self.llm_done(generation),
            Input::TtsStarted { generation, leading_silence_ms } => {
                self.tts_started(generation, leading_silence_ms);
            }
            Input::TtsWords { generation, words } => self.tts_words(generation, words),
            Input::TtsDone { generation, audio_ms } => self.tts_done(generation, audio_ms),
            Input::Played { generation, played_ms } => self.played(generation, played_ms),
            Input::PlayoutFinished { generation, played_ms } => {
                self.playout_finished(generation, played_ms);
            }
            Input::TransferEnded { how } => self.transfer_ended(how),
            Input::ToolResult { id, result } => self.tool_answered(&id, &result),
            Input::ProviderFailed { provider, generation, detail } => {
                self.provider_failed(provider, generation, &detail);
            }
            Input::Start
            | Input::LegRinging
            | Input::LegAnswered
            | Input::LegEnded { .. }
            | Input::Command(_)
            | Input::Wake => {}
        }
    }

    /// After every input: play what may be played, end what is over.
    pub(crate) fn settle(&mut self) {
        if self.leg.is_talking() {
            self.play_next();
            self.end_agent_turn();
            self.advance_transfer();
            self.note_silence();
            self.note_goodbye_over();
        }
    }

    pub(crate) fn push(&mut self, output: Output) {
        if !self.is_over() {
            self.outputs.push_back(output);
        }
    }

    pub(crate) fn emit(&mut self, event: Event) {
        self.push(Output::Emit(event));
    }

    pub(crate) fn trouble(&mut self, detail: &str) {
        self.emit(Event::Trouble { detail: detail.to_owned() });
    }

    pub(crate) fn next_generation(&mut self) -> Generation {
        self.last_generation += 1;
        Generation(self.last_generation)
    }
}

/// Runs recorded inputs through a new engine: the outputs with their times, byte for byte those
/// of the call that was recorded.
#[must_use]
pub fn replay(config: EngineConfig, inputs: &[(Time, Input)]) -> Vec<(Time, Output)> {
    let begin = inputs.first().map_or(Time(0), |(at, _)| *at);
    let mut engine = Engine::new(config, begin);
    let mut outputs = Vec::new();
    for (at, input) in inputs {
        engine.handle(input.clone(), *at);
        while let Some(output) = engine.poll() {
            outputs.push((*at, output));
        }
    }
    outputs
}

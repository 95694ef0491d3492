//! Asking the model: for an answer to a turn that is over, or, as a speculation, to one that
//! probably is. What comes back carries its request's generation; the rest falls on the floor.

use crate::chunker::Chunker;
use crate::ending::Cause;
use crate::engine::Engine;
use crate::io::{Generation, LlmRequest, Message, Output, Provider, Time, ToolCall};
use crate::repetition::Repetition;
use crate::utterance::{Asked, Utterance};
use crate::words::same_words;

/// More calls in one answer than any sane model makes; further ones are dropped.
const MAX_CALLS: usize = 16;

/// Asked where the model's stream broke in the middle of an answer.
const GO_ON: &str = "The line to you broke off after your last words above, which are being said. \
Go on from there, and repeat nothing.";

/// What a request answers.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Basis {
    /// Words that may turn out to be the whole turn. Nothing it causes leaves the engine but
    /// text for the voice.
    Speculative { text: String },
    /// A turn that is over.
    Committed,
}

/// How far a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The model may still speak.
    Streaming,
    /// It is done; a speculation waits here for the end of the turn.
    Done,
    /// Tools of the customer's are running.
    Tools,
}

/// A request to the model and what has come of it.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) generation: Generation,
    basis: Basis,
    pub(crate) stage: Stage,
    /// Requests in this turn before this one.
    pub(crate) step: u32,
    /// Whether it is the second attempt of this step.
    again: bool,
    filler_said: bool,
    asked: Time,
    first_token: Option<Time>,
    /// Since when nothing has come.
    progress: Time,
    chunker: Chunker,
    /// The utterance that its text goes to.
    pub(crate) voice: Option<Generation>,
    pub(crate) calls: Vec<ToolCall>,
    /// Ids of the tools that have not answered yet.
    pub(crate) awaited: Vec<String>,
    /// For an answer that goes on where another one broke off.
    repetition: Repetition,
    pub(crate) goes_on: bool,
}

impl Engine {
    /// Asks for an answer to the conversation as it stands.
    pub(crate) fn begin_answer(&mut self) {
        self.ask(Basis::Committed, 0, false);
    }

    /// Asks as if the caller's turn were over with these words.
    pub(crate) fn begin_speculation(&mut self, text: String) {
        self.ask(Basis::Speculative { text }, 0, false);
    }

    /// Asks again in the same turn: tools have answered.
    pub(crate) fn ask_on(&mut self, step: u32) {
        self.ask(Basis::Committed, step + 1, false);
    }

    fn ask(&mut self, basis: Basis, step: u32, again: bool) {
        self.ask_beyond(String::new(), basis, step, again);
    }

    /// Asks for what comes after the words `said`, where an answer broke off; else they are empty.
    fn ask_beyond(&mut self, said: String, basis: Basis, step: u32, again: bool) {
        let generation = self.next_generation();
        let mut messages = self.history.messages(self.position.instructions(&self.config));
        if let Basis::Speculative { text } = &basis {
            messages.push(Message::User { text: text.clone() });
        }
        if !said.is_empty() {
            messages.push(Message::System { text: GO_ON.to_owned() });
        }
        // The last request of a turn offers no tools, so that it must speak.
        let last = step + 1 >= self.config.tuning.max_steps;
        let tools = if last { Vec::new() } else { self.position.tools(&self.config) };
        self.push(Output::StartLlm { generation, request: LlmRequest { messages, tools } });
        self.reply = Some(Reply {
            generation,
            basis,
            stage: Stage::Streaming,
            step,
            again,
            filler_said: again || step > 0,
            asked: self.now,
            first_token: None,
            progress: self.now,
            chunker: Chunker::default(),
            voice: None,
            calls: Vec::new(),
            awaited: Vec::new(),
            goes_on: !said.is_empty(),
            repetition: Repetition::of(said),
        });
    }

    /// Whether an answer is being thought of for a turn that is over.
    pub(crate) fn is_thinking(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| reply.basis == Basis::Committed)
    }

    /// Whether an answer is thought of or waits to be heard.
    pub(crate) fn is_answering(&self) -> bool {
        self.is_thinking() || self.answer_waits()
    }

    /// The words that a speculation was asked with.
    pub(crate) fn speculated_text(&self) -> Option<&str> {
        match self.reply.as_ref().map(|reply| &reply.basis) {
            Some(Basis::Speculative { text }) => Some(text),
            Some(Basis::Committed) | None => None,
        }
    }

    /// The turn is over with `text`: if just that was speculated on, the answer is under way.
    pub(crate) fn keep_speculation(&mut self, text: &str) -> bool {
        if !self.speculated_text().is_some_and(|thought| same_words(thought, text)) {
            return false;
        }
        let Some(reply) = &mut self.reply else { return false };
        reply.basis = Basis::Committed;
        reply.progress = self.now;
        let (voice, done) = (reply.voice, reply.stage == Stage::Done);
        if let Some(utterance) = voice.and_then(|voice| self.mouth.get_mut(voice)) {
            utterance.authorised = true;
            self.history.open(utterance.generation);
            self.history.set_text(utterance.generation, &utterance.text);
        }
        if done {
            self.finish_step();
        }
        true
    }

    /// Waits for tools of the customer's: a filler, then giving up, count from here.
    pub(crate) fn await_tools(&mut self, mut reply: Reply, tools: Vec<String>) {
        reply.stage = Stage::Tools;
        reply.awaited = tools;
        reply.progress = self.now;
        self.reply = Some(reply);
    }

    /// Drops the answer that is thought of and all that waits to be heard. What is on the wire,
    /// and what nobody may stop, stays.
    pub(crate) fn abandon_answer(&mut self) {
        if let Some(reply) = self.reply.take().filter(|reply| reply.stage == Stage::Streaming) {
            self.push(Output::CancelLlm { generation: reply.generation });
        }
        for generation in self.mouth.waiting() {
            if let Some(utterance) = self.mouth.remove(generation) {
                self.stop(&utterance, 0);
            }
        }
    }

    pub(crate) fn llm_text(&mut self, generation: Generation, delta: &str) {
        let now = self.now;
        let Some(reply) = streaming(&mut self.reply, generation) else { return };
        reply.first_token.get_or_insert(now);
        reply.progress = now;
        let fresh = reply.repetition.strip(delta);
        let mut next = reply.chunker.push(&fresh, &self.config.tuning);
        while let Some(chunk) = next {
            self.speak_chunk(&chunk);
            let Some(reply) = &mut self.reply else { return };
            next = reply.chunker.push("", &self.config.tuning);
        }
    }

    pub(crate) fn llm_tool(&mut self, generation: Generation, call: ToolCall) {
        if self.asks_who_answered(generation) {
            return self.machine_or_not(&call);
        }
        let now = self.now;
        let Some(reply) = streaming(&mut self.reply, generation) else { return };
        reply.first_token.get_or_insert(now);
        reply.progress = now;
        if reply.calls.len() < MAX_CALLS {
            reply.calls.push(call);
        }
    }

    pub(crate) fn llm_done(&mut self, generation: Generation) {
        if self.asks_who_answered(generation) {
            self.person_answered();
        } else if streaming(&mut self.reply, generation).is_some() {
            self.finish_streaming();
        }
    }

    fn finish_streaming(&mut self) {
        let rest = self.reply.as_mut().and_then(|reply| reply.chunker.finish());
        if let Some(rest) = rest {
            self.speak_chunk(&rest);
        }
        let Some(reply) = &mut self.reply else { return };
        reply.stage = Stage::Done;
        let (voice, committed) = (reply.voice, reply.basis == Basis::Committed);
        self.complete_utterance(voice);
        if committed {
            self.finish_step();
        }
    }

    /// No more text comes for this utterance.
    fn complete_utterance(&mut self, voice: Option<Generation>) {
        if let Some(utterance) = voice.and_then(|voice| self.mouth.get_mut(voice)) {
            utterance.complete = true;
            utterance.progress = self.now;
            let generation = utterance.generation;
            self.push(Output::SpeakDone { generation });
        }
    }

    /// Hands a chunk of the running answer to the voice.
    fn speak_chunk(&mut self, chunk: &str) {
        let Some(reply) = &self.reply else { return };
        let voice = reply.voice.filter(|voice| self.mouth.get_mut(*voice).is_some());
        let generation = voice.unwrap_or_else(|| self.open_utterance());
        let committed = self.is_thinking();
        let now = self.now;
        let Some(utterance) = self.mouth.get_mut(generation) else { return };
        utterance.append(chunk, now);
        if committed {
            self.history.set_text(generation, &utterance.text);
        }
        self.push(Output::Speak { generation, text: chunk.to_owned() });
    }

    fn open_utterance(&mut self) -> Generation {
        let generation = self.next_generation();
        let mut utterance = Utterance::new(generation, self.now);
        utterance.authorised = self.is_thinking();
        if let Some(reply) = &mut self.reply {
            reply.voice = Some(generation);
            let first_token = reply.first_token.unwrap_or(self.now);
            utterance.asked = Some(Asked { at: reply.asked, first_token });
        }
        if utterance.authorised {
            self.history.open(generation);
        }
        self.mouth.push_last(utterance);
        generation
    }

    /// The rest of an utterance is said anew under another generation: so is what follows.
    pub(crate) fn redirect_reply(&mut self, old: Generation, new: Generation) {
        if let Some(reply) = self.reply.as_mut().filter(|reply| reply.voice == Some(old)) {
            reply.voice = Some(new);
        }
    }

    pub(crate) fn reply_deadline(&self) -> Option<Time> {
        let reply = self.reply.as_ref().filter(|reply| reply.basis == Basis::Committed)?;
        let tuning = &self.config.tuning;
        let fills = !reply.filler_said && reply.voice.is_none();
        Some(reply.progress.plus_ms(if fills { tuning.filler_after_ms } else { tuning.give_up_after_ms }))
    }

    /// The model, or a tool, is slow: a filler, then giving up.
    pub(crate) fn reply_late(&mut self) {
        let quiet = self.mouth.is_empty() && self.floor_is_free();
        let Some(reply) = &mut self.reply else { return };
        if !reply.filler_said && reply.voice.is_none() {
            reply.filler_said = true;
            if quiet {
                self.say_line(self.phrases.filler);
            }
            return;
        }
        match reply.stage {
            Stage::Tools => self.tools_late(),
            Stage::Streaming | Stage::Done if reply.voice.is_some() => self.cut_answer_short(),
            Stage::Streaming | Stage::Done => self.give_up_waiting(),
        }
    }

    /// The stream broke off after words: they are the answer.
    fn cut_answer_short(&mut self) {
        let Some(reply) = &self.reply else { return };
        let generation = reply.generation;
        self.trouble("the model broke off");
        self.push(Output::CancelLlm { generation });
        self.finish_streaming();
    }

    /// The model gave no sign of life: apologises and asks once more.
    fn give_up_waiting(&mut self) {
        let first_time = self.reply.as_ref().is_some_and(|reply| !reply.again);
        if first_time && self.mouth.is_empty() && self.floor_is_free() {
            self.say_line(self.phrases.apology);
        }
        self.think_again("the model is silent");
    }

    /// Nothing came of a request: asks once more, then ends the call.
    pub(crate) fn think_again(&mut self, detail: &str) {
        let Some(reply) = self.reply.take() else { return };
        if reply.stage == Stage::Streaming {
            self.push(Output::CancelLlm { generation: reply.generation });
        }
        if reply.again {
            return self.fail(detail);
        }
        self.trouble(detail);
        self.ask(Basis::Committed, reply.step, true);
    }

    /// A provider is lost for good; the shell has tried all others.
    pub(crate) fn provider_failed(&mut self, provider: Provider, generation: Generation, detail: &str) {
        match provider {
            Provider::Stt => self.fail(detail),
            Provider::Tts if self.mouth.get_mut(generation).is_some() => self.voice_failed(detail),
            Provider::Llm if self.asks_who_answered(generation) => self.person_answered(),
            Provider::Llm if streaming(&mut self.reply, generation).is_some() => self.model_failed(detail),
            Provider::Llm | Provider::Tts => {}
        }
    }

    fn model_failed(&mut self, detail: &str) {
        if self.is_thinking() {
            return self.answer_lost(detail);
        }
        // A speculation costs nothing: at the end of the turn the model is asked again.
        self.trouble(detail);
        self.abandon_answer();
    }

    /// The stream of an answer broke. After words that are being said, the model is asked once for
    /// the rest; the tools it had called go with the broken answer, for it calls them again. Without
    /// words, the shell has asked every model there is.
    fn answer_lost(&mut self, detail: &str) {
        let Some(reply) = self.reply.take() else { return };
        let voice = reply.voice.and_then(|voice| self.mouth.get_mut(voice));
        let Some(said) = voice.map(|utterance| utterance.text.clone()).filter(|_| !reply.again) else {
            return self.fail(detail);
        };
        self.trouble(detail);
        self.complete_utterance(reply.voice);
        self.ask_beyond(said, Basis::Committed, reply.step, true);
    }

    /// Something failed for good: apologises and ends the call.
    fn fail(&mut self, detail: &str) {
        self.end_with_line(Cause::Error(detail.to_owned()), self.phrases.failure);
    }
}

/// The running request, if it has this generation and may still speak.
fn streaming(reply: &mut Option<Reply>, generation: Generation) -> Option<&mut Reply> {
    reply.as_mut().filter(|r| r.generation == generation && r.stage == Stage::Streaming)
}

//! What the model's tools do. They run when the answer that calls them is whole and its turn is
//! over: never for a speculation, never for half an answer.

use crate::ending::Cause;
use crate::engine::Engine;
use crate::io::{Event, Output, ToolCall};
use crate::thinking::{Reply, Stage};
use crate::tools::{self, Own};
use serde_json::{Value, json};
use talkif_model::{Booking, Outcome, Personal};

/// What a tool call came to.
enum Effect {
    /// The model need not be asked again for it.
    Done(Value),
    /// The model must hear of it.
    Tell(Value),
    /// A tool of the customer's runs.
    Runs,
    /// The caller is being put through: the model hears of it only if that fails.
    Transfers,
}

impl Effect {
    fn refused(reason: impl Into<String>) -> Self {
        Self::Tell(json!({ "error": reason.into() }))
    }
}

impl Engine {
    /// The model has finished an answer to a turn that is over.
    pub(crate) fn finish_step(&mut self) {
        let Some(reply) = self.reply.take() else { return };
        if reply.calls.is_empty() {
            // An answer that went on where another broke off may have had nothing to add.
            if reply.voice.is_none() && !reply.goes_on {
                self.reply = Some(reply);
                self.think_again("the model said nothing");
            }
            return;
        }
        let place = reply.voice.unwrap_or(reply.generation);
        self.history.called(place, &reply.calls);
        self.run_tools(reply);
    }

    fn run_tools(&mut self, mut reply: Reply) {
        let spoke = reply.voice.is_some();
        let (mut tell, mut running) = (!spoke, Vec::new());
        for call in std::mem::take(&mut reply.calls) {
            let result = match self.act(&call, spoke) {
                Effect::Done(result) => result,
                Effect::Tell(result) => {
                    tell = true;
                    result
                }
                Effect::Runs => {
                    running.push(call.id);
                    continue;
                }
                Effect::Transfers => continue,
            };
            self.history.tool_result(&call.id, &result.to_string());
        }
        if self.closing.is_some() || self.transfer.is_some() || !self.leg.is_talking() {
            return;
        }
        if !running.is_empty() {
            self.await_tools(reply, running);
        } else if tell {
            self.ask_on(reply.step);
        }
    }

    fn act(&mut self, call: &ToolCall, spoke: bool) -> Effect {
        if !self.leg.is_talking() {
            return self.act_too_late(call);
        }
        if self.config.tools.iter().any(|tool| tool.name == call.name) && !tools::is_own(&call.name) {
            return self.call_tool(call);
        }
        match tools::read(call) {
            Ok(Own::SaveSlot { name, value }) => self.save_slot(name, value),
            Ok(Own::MoveTo { node }) => self.move_to(&node),
            Ok(Own::BookSlot { time, notes }) => self.book_slot(time, notes),
            Ok(Own::EndCall { outcome, reason }) => self.end_call(outcome, reason, spoke),
            Ok(Own::Transfer { to }) => match self.begin_transfer(&call.id, to, spoke) {
                Ok(()) => Effect::Transfers,
                Err(reason) => Effect::refused(reason),
            },
            Ok(Own::OptOut) => self.opt_out_by_tool(spoke),
            Ok(Own::Voicemail) => {
                self.voicemail();
                Effect::Done(json!({ "status": "ended" }))
            }
            Err(reason) => Effect::refused(reason),
        }
    }

    /// An earlier call of the same answer has hung up. Only a wish not to be called counts still.
    fn act_too_late(&mut self, call: &ToolCall) -> Effect {
        if let Ok(Own::OptOut) = tools::read(call) {
            self.note_opted_out();
        }
        Effect::refused("the call is over")
    }

    fn save_slot(&mut self, name: String, value: String) -> Effect {
        let names = self.position.slot_names(&self.config.flow);
        if !names.contains(&name.as_str()) {
            return Effect::refused(format!("no slot `{name}`; there are: {}", names.join(", ")));
        }
        self.position.slots.insert(name.clone(), value.clone());
        self.emit(Event::Slot { name, value });
        Effect::Done(json!({ "status": "saved" }))
    }

    fn move_to(&mut self, node: &str) -> Effect {
        if let Err(reason) = self.position.move_to(node, &self.config.flow) {
            return Effect::refused(reason);
        }
        self.emit(Event::Node { node: node.to_owned() });
        Effect::Tell(json!({ "status": "moved", "node": node }))
    }

    fn book_slot(&mut self, slot: String, notes: Option<String>) -> Effect {
        let Some(owner) = self.position.agent(&self.config.flow).and_then(|agent| agent.book.clone()) else {
            return Effect::refused("nothing can be booked here");
        };
        let result = json!({ "status": "booked", "slot": slot });
        self.verdict.booking = Some(Booking { slot, owner: Some(owner), notes: notes.map(Personal) });
        Effect::Done(result)
    }

    fn end_call(&mut self, outcome: Outcome, reason: Option<String>, spoke: bool) -> Effect {
        let outcome = match (outcome, &self.verdict.booking) {
            (Outcome::Booked, None) => return Effect::refused("nothing is booked yet: call book_slot first"),
            // A booking implies that the lead is qualified.
            (Outcome::Qualified, Some(_)) => Outcome::Booked,
            (outcome, _) => outcome,
        };
        self.verdict.decided = Some((outcome, reason));
        self.emit(Event::Qualified { outcome });
        if !spoke {
            self.say_line(self.phrases.goodbye);
        }
        self.end_after_goodbye(Cause::Completed);
        Effect::Done(json!({ "status": "ended" }))
    }

    fn opt_out_by_tool(&mut self, spoke: bool) -> Effect {
        self.note_opted_out();
        if !spoke {
            self.say_line(self.phrases.opted_out);
        }
        self.end_after_goodbye(Cause::Completed);
        Effect::Done(json!({ "status": "opted out" }))
    }

    /// A tool of the customer's: the shell runs it.
    fn call_tool(&mut self, call: &ToolCall) -> Effect {
        match tools::arguments(&call.arguments) {
            Err(reason) => Effect::refused(reason),
            Ok(arguments) => {
                self.push(Output::CallTool {
                    id: call.id.clone(),
                    name: call.name.clone(),
                    arguments: Value::Object(arguments),
                });
                Effect::Runs
            }
        }
    }

    /// A tool answered. The result stays on record even if its turn was interrupted; only a
    /// turn that still waits goes on, once all its tools have answered.
    pub(crate) fn tool_answered(&mut self, id: &str, result: &str) {
        self.history.tool_result(id, result);
        let Some(reply) = self.reply.as_mut().filter(|reply| reply.stage == Stage::Tools) else { return };
        let Some(place) = reply.awaited.iter().position(|awaited| awaited == id) else { return };
        reply.awaited.swap_remove(place);
        if reply.awaited.is_empty() {
            let step = reply.step;
            self.ask_on(step);
        }
    }

    /// The tools of this turn never answered: the model is told so.
    pub(crate) fn tools_late(&mut self) {
        let Some(reply) = self.reply.take() else { return };
        self.trouble("a tool did not answer in time");
        self.history.give_up_tools(&json!({ "error": "no answer in time" }).to_string());
        self.ask_on(reply.step);
    }
}

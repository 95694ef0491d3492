//! Pieces of a streamed answer, read leniently, and tool calls put together from them.

use crate::LlmEvent;
use serde::Deserialize;
use std::collections::BTreeMap;

/// One `data:` line. All fields may be absent or null.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Chunk {
    choices: Option<Vec<Choice>>,
    usage: Option<Bill>,
    error: Option<ErrorBody>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Choice {
    delta: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Delta {
    content: Option<String>,
    tool_calls: Option<Vec<ToolDelta>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ToolDelta {
    index: Option<u32>,
    id: Option<String>,
    function: Option<FunctionDelta>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FunctionDelta {
    name: Option<String>,
    arguments: Option<String>,
}

/// Tokens, as the last piece states them.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(super) struct Bill {
    pub(super) prompt_tokens: u64,
    pub(super) completion_tokens: u64,
}

/// An error in the middle of a stream. Its message is not kept: it may quote the conversation.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ErrorBody {
    r#type: Option<String>,
}

impl Chunk {
    /// What went wrong, if the piece is an error.
    pub(super) fn error(&self) -> Option<String> {
        let error = self.error.as_ref()?;
        Some(format!("error in the stream: {}", error.r#type.as_deref().unwrap_or("unknown")))
    }
}

#[derive(Debug, Default)]
struct PartialCall {
    id: String,
    name: String,
    arguments: String,
}

/// Puts an answer together from its pieces.
#[derive(Debug, Default)]
pub struct Assembler {
    calls: BTreeMap<u32, PartialCall>,
    bill: Option<Bill>,
    finished: bool,
}

impl Assembler {
    /// Whether the service has said that the answer is complete.
    pub(super) const fn is_finished(&self) -> bool {
        self.finished
    }

    /// Takes a piece, returns what is complete with it: text at once, tool calls at the end.
    pub fn take(&mut self, chunk: Chunk) -> Vec<LlmEvent> {
        self.bill = chunk.usage.or(self.bill);
        let mut events = Vec::new();
        if let Some(choice) = chunk.choices.unwrap_or_default().into_iter().next() {
            let delta = choice.delta.unwrap_or_default();
            events.extend(delta.content.filter(|text| !text.is_empty()).map(LlmEvent::Delta));
            delta.tool_calls.unwrap_or_default().into_iter().for_each(|piece| self.take_call(piece));
            if choice.finish_reason.is_some() {
                self.finished = true;
                events.extend(self.complete_calls());
            }
        }
        events
    }

    fn take_call(&mut self, piece: ToolDelta) {
        let call = self.calls.entry(piece.index.unwrap_or(0)).or_default();
        let function = piece.function.unwrap_or_default();
        // Some services repeat id and name in every piece: they replace, arguments append.
        if let Some(id) = piece.id.filter(|id| !id.is_empty()) {
            call.id = id;
        }
        if let Some(name) = function.name.filter(|name| !name.is_empty()) {
            call.name = name;
        }
        call.arguments.push_str(function.arguments.as_deref().unwrap_or_default());
    }

    fn complete_calls(&mut self) -> impl Iterator<Item = LlmEvent> + use<> {
        std::mem::take(&mut self.calls).into_values().map(|call| LlmEvent::ToolCall {
            id: call.id,
            name: call.name,
            arguments: call.arguments,
        })
    }

    /// The last event once the stream has ended. Without a reason to finish it was cut off: half a
    /// tool call must not run.
    #[must_use]
    pub fn end(self) -> LlmEvent {
        if self.finished {
            LlmEvent::Done { usage: self.bill.into() }
        } else {
            LlmEvent::Failed { detail: "the answer was cut off".to_owned() }
        }
    }

    /// The last event once the stream has stalled.
    pub(super) fn stalled(self) -> LlmEvent {
        if self.finished { self.end() } else { LlmEvent::Failed { detail: "the answer stalled".to_owned() } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn chunk(value: serde_json::Value) -> Chunk {
        serde_json::from_value(value).unwrap()
    }

    fn tool_piece(index: u32, id: Option<&str>, name: Option<&str>, arguments: &str) -> Chunk {
        let function = json!({"name": name, "arguments": arguments});
        chunk(
            json!({"choices": [{"delta": {"tool_calls": [{"index": index, "id": id, "function": function}]}}]}),
        )
    }

    #[test]
    fn a_tool_call_split_over_pieces_is_put_together() {
        let mut assembler = Assembler::default();
        assert!(assembler.take(tool_piece(0, Some("a"), Some("save_slot"), "{\"na")).is_empty());
        assert!(assembler.take(tool_piece(1, Some("b"), Some("move_to"), "{}")).is_empty());
        assert!(assembler.take(tool_piece(0, None, None, "me\":1}")).is_empty());
        let events =
            assembler.take(chunk(json!({"choices": [{"delta": {}, "finish_reason": "tool_calls"}]})));
        let call = |id: &str, name: &str, arguments: &str| LlmEvent::ToolCall {
            id: id.into(),
            name: name.into(),
            arguments: arguments.into(),
        };
        assert_eq!(events, [call("a", "save_slot", "{\"name\":1}"), call("b", "move_to", "{}")]);
        assert!(matches!(assembler.end(), LlmEvent::Done { .. }));
    }

    #[test]
    fn an_answer_without_a_reason_to_finish_was_cut_off() {
        let mut assembler = Assembler::default();
        assembler.take(tool_piece(0, Some("a"), Some("end_call"), "{"));
        assert!(matches!(assembler.end(), LlmEvent::Failed { .. }));
    }

    #[test]
    fn the_bill_comes_after_the_end() {
        let mut assembler = Assembler::default();
        assembler.take(chunk(json!({"choices": [{"delta": null, "finish_reason": "stop"}], "usage": null})));
        assembler.take(chunk(json!({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 3}})));
        let LlmEvent::Done { usage } = assembler.end() else { panic!("not done") };
        assert_eq!((usage.prompt, usage.completion), (9, 3));
    }

    #[test]
    fn missing_and_null_fields_are_fine() {
        let mut assembler = Assembler::default();
        let events =
            assembler.take(chunk(json!({"choices": [{"delta": {"content": "Hi", "tool_calls": null}}]})));
        assert_eq!(events, [LlmEvent::Delta("Hi".into())]);
        assert!(assembler.take(chunk(json!({}))).is_empty());
    }
}

//! What a client asks, checked as the vendor checks it.

use crate::mind::{Call, Conversation, Turn};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;

#[derive(Debug, Deserialize)]
pub(super) struct ChatRequest {
    pub(super) model: String,
    pub(super) messages: Vec<Message>,
    #[serde(default)]
    tools: Vec<Tool>,
    #[serde(default)]
    tool_choice: Value,
    #[serde(default)]
    pub(super) stream: bool,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
}

#[derive(Debug, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Debug, Deserialize)]
struct Tool {
    function: Function,
}

#[derive(Debug, Deserialize)]
struct Function {
    name: String,
    #[serde(default)]
    parameters: Value,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub(super) enum Message {
    #[serde(alias = "developer")]
    System {
        content: Content,
    },
    User {
        content: Content,
    },
    Assistant {
        #[serde(default)]
        content: Option<Content>,
        #[serde(default)]
        tool_calls: Option<Vec<ToolCall>>,
    },
    Tool {
        content: Content,
        tool_call_id: String,
    },
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
pub(super) struct Part {
    #[serde(default)]
    text: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct ToolCall {
    id: String,
    function: CalledFunction,
}

#[derive(Debug, Deserialize)]
struct CalledFunction {
    name: String,
    arguments: String,
}

impl ChatRequest {
    /// Reads a body; the error is a sentence for the client.
    pub(super) fn parse(body: &[u8]) -> Result<Self, String> {
        let request: Self = serde_json::from_slice(body).map_err(|error| format!("Invalid body: {error}"))?;
        if request.messages.is_empty() {
            return Err("[] is too short - 'messages'".into());
        }
        check_tool_order(&request.messages)?;
        Ok(request)
    }

    pub(super) fn include_usage(&self) -> bool {
        self.stream_options.as_ref().is_some_and(|options| options.include_usage)
    }

    pub(super) fn conversation(&self) -> Conversation {
        let mut conversation = Conversation::default();
        for message in &self.messages {
            match message {
                Message::System { content } => {
                    conversation.instructions.push_str(&content.text());
                    conversation.instructions.push('\n');
                }
                Message::User { content } => conversation.turns.push(Turn::Caller(content.text())),
                Message::Assistant { content, tool_calls } => {
                    let text = content.as_ref().map(Content::text).unwrap_or_default();
                    let calls = tool_calls.iter().flatten().map(ToolCall::call).collect();
                    conversation.turns.push(Turn::Agent { text, calls });
                }
                Message::Tool { content, tool_call_id } => {
                    let (id, result) = (tool_call_id.clone(), content.text());
                    conversation.turns.push(Turn::Tool { id, result });
                }
            }
        }
        if self.tool_choice != "none" {
            let tool = |tool: &Tool| (tool.function.name.clone(), tool.function.parameters.clone());
            conversation.tools = self.tools.iter().map(tool).collect();
        }
        conversation
    }
}

impl Content {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Parts(parts) => parts.iter().map(|part| part.text.as_str()).collect(),
        }
    }
}

impl ToolCall {
    fn call(&self) -> Call {
        let arguments = serde_json::from_str(&self.function.arguments).unwrap_or_default();
        Call { id: self.id.clone(), name: self.function.name.clone(), arguments }
    }
}

/// Every tool call is answered, right after the message that made it, and nothing else is.
fn check_tool_order(messages: &[Message]) -> Result<(), String> {
    const UNANSWERED: &str = "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'.";
    let mut waiting: BTreeSet<&str> = BTreeSet::new();
    for message in messages {
        match message {
            Message::Tool { tool_call_id, .. } => {
                if !waiting.remove(tool_call_id.as_str()) {
                    return Err("A tool message must answer a preceding message with 'tool_calls'.".into());
                }
            }
            _ if !waiting.is_empty() => return Err(UNANSWERED.into()),
            Message::Assistant { content, tool_calls } => {
                waiting = tool_calls.iter().flatten().map(|call| call.id.as_str()).collect();
                if content.is_none() && waiting.is_empty() {
                    return Err("An assistant message needs 'content' or 'tool_calls'.".into());
                }
            }
            Message::System { .. } | Message::User { .. } => {}
        }
    }
    if waiting.is_empty() { Ok(()) } else { Err(UNANSWERED.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(messages: Value) -> Result<ChatRequest, String> {
        ChatRequest::parse(json!({ "model": "gpt-4.1", "messages": messages }).to_string().as_bytes())
    }

    #[test]
    fn tool_calls_and_their_answers_must_pair() {
        let call = json!({ "role": "assistant", "content": null, "tool_calls": [
            { "id": "a", "type": "function", "function": { "name": "f", "arguments": "{}" } }] });
        let answer = json!({ "role": "tool", "tool_call_id": "a", "content": "{}" });
        let user = json!({ "role": "user", "content": [{ "type": "text", "text": "hi" }] });
        assert!(parse(json!([user, call, answer])).is_ok());
        assert!(parse(json!([user, call])).is_err());
        assert!(parse(json!([call, user, answer])).is_err());
        assert!(parse(json!([user, answer])).is_err());
        assert!(parse(json!([])).is_err());
        assert!(parse(json!([{ "role": "assistant" }])).is_err());
    }
}

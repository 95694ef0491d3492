//! The engine's question as a chat completion request.

use crate::LlmSettings;
use async_openai::types::chat::{
    ChatCompletionMessageToolCall, ChatCompletionMessageToolCalls, ChatCompletionRequestAssistantMessage,
    ChatCompletionRequestMessage, ChatCompletionRequestSystemMessage, ChatCompletionRequestToolMessage,
    ChatCompletionRequestUserMessage, ChatCompletionStreamOptions, ChatCompletionTool, ChatCompletionTools,
    CreateChatCompletionRequest, FunctionCall, FunctionObject,
};
use talkif_call_engine::io::{LlmRequest, Message, ToolCall, ToolSpec};

pub(super) fn build(
    request: LlmRequest,
    settings: &LlmSettings,
    default_model: &str,
) -> CreateChatCompletionRequest {
    let tools: Vec<_> = request.tools.into_iter().map(tool).collect();
    CreateChatCompletionRequest {
        model: settings.model.clone().unwrap_or_else(|| default_model.to_owned()),
        messages: request.messages.into_iter().map(message).collect(),
        // An empty list of tools is refused by several services.
        tools: (!tools.is_empty()).then_some(tools),
        temperature: settings.temperature,
        max_completion_tokens: Some(settings.max_tokens),
        stream: Some(true),
        stream_options: Some(ChatCompletionStreamOptions {
            include_usage: Some(true),
            ..ChatCompletionStreamOptions::default()
        }),
        ..CreateChatCompletionRequest::default()
    }
}

fn message(message: Message) -> ChatCompletionRequestMessage {
    match message {
        Message::System { text } => ChatCompletionRequestSystemMessage::from(text).into(),
        Message::User { text } => ChatCompletionRequestUserMessage::from(text).into(),
        Message::Assistant { text, tool_calls } => assistant(text, tool_calls).into(),
        Message::Tool { id, result } => {
            ChatCompletionRequestToolMessage { content: result.into(), tool_call_id: id }.into()
        }
    }
}

fn assistant(text: String, calls: Vec<ToolCall>) -> ChatCompletionRequestAssistantMessage {
    let calls: Vec<_> = calls.into_iter().map(tool_call).collect();
    ChatCompletionRequestAssistantMessage {
        // Content may be absent only where there are calls.
        content: (!text.is_empty() || calls.is_empty()).then(|| text.into()),
        tool_calls: (!calls.is_empty()).then_some(calls),
        ..ChatCompletionRequestAssistantMessage::default()
    }
}

fn tool_call(call: ToolCall) -> ChatCompletionMessageToolCalls {
    ChatCompletionMessageToolCalls::Function(ChatCompletionMessageToolCall {
        id: call.id,
        function: FunctionCall { name: call.name, arguments: call.arguments },
    })
}

fn tool(tool: ToolSpec) -> ChatCompletionTools {
    ChatCompletionTools::Function(ChatCompletionTool {
        function: FunctionObject {
            name: tool.name,
            description: Some(tool.description),
            parameters: Some(tool.parameters),
            strict: None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_question_has_the_shape_of_the_wire() {
        let request = LlmRequest {
            messages: vec![
                Message::System { text: "Be brief.".into() },
                Message::Assistant {
                    text: String::new(),
                    tool_calls: vec![ToolCall {
                        id: "c1".into(),
                        name: "save_slot".into(),
                        arguments: "{}".into(),
                    }],
                },
                Message::Tool { id: "c1".into(), result: r#"{"ok":true}"#.into() },
                Message::User { text: "Hi".into() },
            ],
            tools: vec![ToolSpec {
                name: "save_slot".into(),
                description: "Saves".into(),
                parameters: json!({"type": "object"}),
            }],
        };
        let settings = LlmSettings { model: None, temperature: Some(0.5), max_tokens: 300 };
        let json = serde_json::to_value(build(request, &settings, "m")).unwrap();
        assert_eq!(json["model"], "m");
        assert_eq!(json["stream"], true);
        assert_eq!(json["stream_options"]["include_usage"], true);
        assert_eq!(json["messages"][0], json!({"role": "system", "content": "Be brief."}));
        assert_eq!(json["messages"][1]["tool_calls"][0]["function"]["name"], "save_slot");
        assert_eq!(json["messages"][1]["tool_calls"][0]["type"], "function");
        assert!(json["messages"][1].get("content").is_none());
        assert_eq!(json["messages"][2]["tool_call_id"], "c1");
        assert_eq!(json["tools"][0]["function"]["parameters"], json!({"type": "object"}));
    }

    #[test]
    fn no_tools_means_no_field() {
        let request = LlmRequest { messages: vec![Message::User { text: "Hi".into() }], tools: vec![] };
        let settings = LlmSettings { model: Some("x".into()), temperature: None, max_tokens: 10 };
        let json = serde_json::to_value(build(request, &settings, "m")).unwrap();
        assert!(json.get("tools").is_none() && json.get("temperature").is_none());
        assert_eq!(json["model"], "x");
    }
}

//! The vendor's JSON: one answer, whole or in chunks.

use super::request::ChatRequest;
use crate::mind::Reply;
use serde_json::{Value, json};

/// An answer, ready to be sent.
pub(super) struct Completion {
    id: String,
    model: String,
    created: i64,
    reply: Reply,
    call_ids: Vec<String>,
    prompt_tokens: usize,
    include_usage: bool,
}

impl Completion {
    pub(super) fn new(request: &ChatRequest, reply: Reply) -> Self {
        let conversation = request.conversation();
        let words = |text: &str| text.split_whitespace().count();
        Self {
            id: format!("chatcmpl-{:016x}", rand::random::<u64>()),
            model: request.model.clone(),
            created: jiff::Timestamp::now().as_second(),
            call_ids: reply.calls.iter().map(|_| format!("call_{:016x}", rand::random::<u64>())).collect(),
            reply,
            prompt_tokens: words(&conversation.instructions) + 8 * request.messages.len(),
            include_usage: request.include_usage(),
        }
    }

    fn finish_reason(&self) -> &'static str {
        if self.reply.calls.is_empty() { "stop" } else { "tool_calls" }
    }

    fn usage(&self) -> Value {
        let completion_tokens = tokens(&self.reply.text).len() + 12 * self.reply.calls.len();
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": self.prompt_tokens + completion_tokens,
        })
    }

    /// The answer in one piece.
    pub(super) fn whole(&self) -> Value {
        let content = if self.reply.text.is_empty() { Value::Null } else { self.reply.text.clone().into() };
        let mut message = json!({ "role": "assistant", "content": content, "refusal": null });
        let calls = self.reply.calls.iter().zip(&self.call_ids).map(|((name, arguments), id)| {
            let function = json!({ "name": name, "arguments": arguments.to_string() });
            json!({ "id": id, "type": "function", "function": function })
        });
        let calls: Vec<Value> = calls.collect();
        if !calls.is_empty() {
            message["tool_calls"] = calls.into();
        }
        let finish_reason = self.finish_reason();
        json!({
            "id": self.id, "object": "chat.completion", "created": self.created, "model": self.model,
            "choices": [{ "index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason }],
            "usage": self.usage(), "system_fingerprint": "fp_lab",
        })
    }

    /// The chunks of a stream, in order, without the final `[DONE]`.
    pub(super) fn chunks(&self) -> Vec<Value> {
        let mut chunks =
            vec![self.chunk(json!({ "role": "assistant", "content": "", "refusal": null }), None)];
        chunks.extend(
            tokens(&self.reply.text).iter().map(|token| self.chunk(json!({ "content": token }), None)),
        );
        for (index, ((name, arguments), id)) in self.reply.calls.iter().zip(&self.call_ids).enumerate() {
            let function = json!({ "name": name, "arguments": "" });
            let head = json!({ "index": index, "id": id, "type": "function", "function": function });
            chunks.push(self.chunk(json!({ "tool_calls": [head] }), None));
            for fragment in fragments(&arguments.to_string()) {
                let fragment = json!({ "index": index, "function": { "arguments": fragment } });
                chunks.push(self.chunk(json!({ "tool_calls": [fragment] }), None));
            }
        }
        chunks.push(self.chunk(json!({}), Some(self.finish_reason())));
        if self.include_usage {
            let mut last = self.frame(json!([]));
            last["usage"] = self.usage();
            chunks.push(last);
        }
        chunks
    }

    #[expect(clippy::needless_pass_by_value, reason = "callers build the delta in place")]
    fn chunk(&self, delta: Value, finish_reason: Option<&str>) -> Value {
        let choice = json!({ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason });
        self.frame(json!([choice]))
    }

    #[expect(clippy::needless_pass_by_value, reason = "callers build the choices in place")]
    fn frame(&self, choices: Value) -> Value {
        let mut frame = json!({
            "id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model,
            "service_tier": "default", "system_fingerprint": "fp_lab", "choices": choices,
        });
        if self.include_usage {
            frame["usage"] = Value::Null;
        }
        frame
    }
}

/// Cuts a text before each space, so that the pieces joined are the text.
fn tokens(text: &str) -> Vec<&str> {
    let cuts = text.match_indices(' ').map(|(at, _)| at).filter(|at| *at > 0).chain([text.len()]);
    let mut from = 0;
    let pieces = cuts.map(|to| {
        let piece = &text[from..to];
        from = to;
        piece
    });
    pieces.filter(|piece| !piece.is_empty()).collect()
}

/// Cuts arguments into pieces that split words and escapes, as a tokenizer does.
fn fragments(text: &str) -> Vec<String> {
    text.chars().collect::<Vec<_>>().chunks(5).map(|chunk| chunk.iter().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_join_to_the_answer() {
        let body = br#"{"model":"m","messages":[{"role":"user","content":"x"}],"stream":true,
            "stream_options":{"include_usage":true}}"#;
        let arguments = json!({ "name": "need", "value": "a \"quoted\" ı" });
        let text = "Thank you. And your budget?";
        let reply = Reply { text: text.into(), calls: vec![("save_slot".into(), arguments.clone())] };
        let chunks = Completion::new(&ChatRequest::parse(body).unwrap(), reply).chunks();
        let delta = |chunk: &Value| chunk["choices"][0]["delta"].clone();
        let said: String =
            chunks.iter().filter_map(|c| delta(c)["content"].as_str().map(str::to_owned)).collect();
        assert_eq!(said, text);
        let told: String = chunks
            .iter()
            .filter_map(|c| delta(c)["tool_calls"][0]["function"]["arguments"].as_str().map(str::to_owned))
            .collect();
        assert_eq!(serde_json::from_str::<Value>(&told).unwrap(), arguments);
        assert_eq!(chunks[chunks.len() - 2]["choices"][0]["finish_reason"], "tool_calls");
        assert!(chunks.last().unwrap()["usage"]["total_tokens"].as_u64().unwrap() > 0);
    }
}

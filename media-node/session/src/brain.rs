//! The requests to the model that are under way.

use futures::StreamExt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use talkif_call_engine::io::{Generation, Input, LlmRequest, Provider};
use talkif_providers::{LlmEvent, LlmSettings, LlmStream, Providers, TokenUsage};

/// Longest answer. Half a minute of speech is far too long for a telephone already.
const MAX_TOKENS: u32 = 600;

/// What came back from the model.
#[derive(Debug)]
pub(crate) struct Thought {
    pub(crate) input: Input,
    pub(crate) tokens: TokenUsage,
}

/// Starts, cancels and listens to requests.
pub(crate) struct Brain {
    providers: Arc<Providers>,
    preferred: String,
    settings: LlmSettings,
    asked: Vec<(Generation, LlmStream)>,
}

impl Brain {
    pub(crate) fn new(providers: Arc<Providers>, preferred: String, model: String, temperature: f32) -> Self {
        let settings =
            LlmSettings { model: Some(model), temperature: Some(temperature), max_tokens: MAX_TOKENS };
        Self { providers, preferred, settings, asked: Vec::new() }
    }

    pub(crate) fn start(&mut self, generation: Generation, request: LlmRequest) {
        let stream = self.providers.start_llm(&self.preferred, request, self.settings.clone());
        self.asked.push((generation, stream));
    }

    /// Dropping the stream cancels the request.
    pub(crate) fn cancel(&mut self, generation: Generation) {
        self.asked.retain(|(asked, _)| *asked != generation);
    }

    /// The next thing any of the requests says. Cancel-safe; waits for ever while none runs.
    pub(crate) async fn next(&mut self) -> Thought {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Thought> {
        for at in 0..self.asked.len() {
            let Some((generation, stream)) = self.asked.get_mut(at) else { break };
            let generation = *generation;
            if let Poll::Ready(event) = stream.poll_next_unpin(cx) {
                // A stream that ends without a last event lost its task.
                let event =
                    event.unwrap_or_else(|| LlmEvent::Failed { detail: "the answer was lost".to_owned() });
                let thought = thought(generation, event);
                if is_last(&thought.input) {
                    self.asked.remove(at);
                }
                return Poll::Ready(thought);
            }
        }
        Poll::Pending
    }
}

const fn is_last(input: &Input) -> bool {
    matches!(input, Input::LlmDone { .. } | Input::ProviderFailed { .. })
}

fn thought(generation: Generation, event: LlmEvent) -> Thought {
    let mut tokens = TokenUsage::default();
    let input = match event {
        LlmEvent::Delta(delta) => Input::LlmText { generation, delta },
        LlmEvent::ToolCall { id, name, arguments } => Input::LlmTool { generation, id, name, arguments },
        LlmEvent::Done { usage } => {
            tokens = usage;
            Input::LlmDone { generation }
        }
        LlmEvent::Failed { detail } => Input::ProviderFailed { provider: Provider::Llm, generation, detail },
    };
    Thought { input, tokens }
}

/// The engine is given no tools of the customer's, so a call of one is the model's invention.
pub(crate) fn no_such_tool(id: String) -> Input {
    Input::ToolResult { id, result: r#"{"error":"there is no such tool"}"#.to_owned() }
}

use crate::TokenUsage;
use futures::Stream;
use std::pin::Pin;
use std::task::{Context, Poll};
use talkif_call_engine::io::LlmRequest;
use tokio::sync::mpsc;
use tokio_util::sync::DropGuard;

/// How a model is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct LlmSettings {
    /// The vendor's model; `None` is the vendor's default.
    pub model: Option<String>,
    /// 0 to 2; `None` is the model's own.
    pub temperature: Option<f32>,
    /// Longest answer, in tokens.
    pub max_tokens: u32,
}

/// What a model reports. `Done` or `Failed` is the last one, exactly once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LlmEvent {
    /// The next piece of text.
    Delta(String),
    /// A complete tool call; its arguments are as the model wrote them.
    ToolCall {
        /// The model's id of it.
        id: String,
        /// The tool.
        name: String,
        /// JSON, perhaps malformed.
        arguments: String,
    },
    /// The answer is complete.
    Done {
        /// What it cost, where the vendor says so.
        usage: TokenUsage,
    },
    /// No answer, or a broken one.
    Failed {
        /// For the log: nothing of the conversation.
        detail: String,
    },
}

/// An answer in progress. Dropping it cancels the request.
#[derive(Debug)]
pub struct LlmStream {
    events: mpsc::Receiver<LlmEvent>,
    _cancel: DropGuard,
}

impl LlmStream {
    /// A stream of `events`; `cancel` fires when it is dropped.
    #[must_use]
    pub const fn new(events: mpsc::Receiver<LlmEvent>, cancel: DropGuard) -> Self {
        Self { events, _cancel: cancel }
    }

    /// The next event; `None` after the last one. Cancel-safe.
    pub async fn next(&mut self) -> Option<LlmEvent> {
        self.events.recv().await
    }
}

impl Stream for LlmStream {
    type Item = LlmEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<LlmEvent>> {
        self.events.poll_recv(cx)
    }
}

/// A language model.
pub trait LlmProvider: Send + Sync {
    /// As flows name it: `openai`.
    fn name(&self) -> &'static str;

    /// Asks; returns at once. The answer, or the failure, comes as events.
    fn start(&self, request: LlmRequest, settings: LlmSettings) -> LlmStream;
}

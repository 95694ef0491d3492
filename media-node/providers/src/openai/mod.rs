//! Any service that speaks OpenAI's streaming chat completions, over the `async-openai` crate.
//!
//! Requests are built from the crate's types. Answers are read by our own lenient types in
//! [`chunk`], because "compatible" services leave fields out that the crate insists on; see
//! `docs/decisions/006-vendor-clients.md`, also for why the crate's own retries are switched off.

mod bom;
mod chunk;
mod request;

use crate::{LlmEvent, LlmProvider, LlmSettings, LlmStream, ProviderError, TokenUsage};
use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use async_openai::types::chat::CreateChatCompletionRequest;
use futures::{Stream, StreamExt};
use std::pin::Pin;
use std::time::Duration;
use talkif_call_engine::io::LlmRequest;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

pub use bom::without_mark;
pub use chunk::{Assembler, Chunk};

const VENDOR: &str = "openai";
const DEFAULT_URL: &str = "https://api.openai.com/v1";
const DEFAULT_MODEL: &str = "gpt-4.1-mini";
/// An answer is at most a few hundred pieces, and the session takes each at once.
const QUEUED_EVENTS: usize = 256;
/// Unreadable pieces in one answer that are skipped before it is given up.
const MAX_GARBAGE: u32 = 8;

/// How long each part of a request may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP and TLS.
    pub connect: Duration,
    /// From the request to the first piece, both attempts together.
    pub first_token: Duration,
    /// Between pieces.
    pub stall: Duration,
    /// Before the second attempt.
    pub retry_pause: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            first_token: Duration::from_secs(8),
            stall: Duration::from_secs(8),
            retry_pause: Duration::from_millis(200),
        }
    }
}

/// Where the service is and who we are.
#[derive(Clone)]
pub struct OpenAiConfig {
    /// API key.
    pub api_key: String,
    /// Up to and with `/v1`; `None` is OpenAI's own.
    pub url: Option<String>,
    /// Limits.
    pub timeouts: Timeouts,
}

/// An OpenAI-compatible service as an [`LlmProvider`]. Its connections are kept open between
/// answers and shared by all calls.
pub struct OpenAi {
    client: Client<OpenAIConfig>,
    timeouts: Timeouts,
}

impl OpenAi {
    /// Makes a client; connects nothing yet.
    ///
    /// # Errors
    /// If the TLS configuration of the process cannot be used.
    pub fn new(config: &OpenAiConfig) -> Result<Self, ProviderError> {
        let http = reqwest::Client::builder()
            .connect_timeout(config.timeouts.connect)
            .tcp_nodelay(true)
            .pool_idle_timeout(Duration::from_secs(300))
            .build()
            .map_err(|_| ProviderError::Configuration {
                vendor: VENDOR,
                detail: "no HTTP client".to_owned(),
            })?;
        let url = config.url.as_deref().unwrap_or(DEFAULT_URL).trim_end_matches('/').to_owned();
        let account = OpenAIConfig::new().with_api_key(config.api_key.clone()).with_api_base(url);
        let client = Client::build(http.clone(), account).with_http_service(bom::Transport(http));
        Ok(Self { client, timeouts: config.timeouts })
    }
}

impl LlmProvider for OpenAi {
    fn name(&self) -> &'static str {
        VENDOR
    }

    fn start(&self, request: LlmRequest, settings: LlmSettings) -> LlmStream {
        let (sender, events) = mpsc::channel(QUEUED_EVENTS);
        let cancel = CancellationToken::new();
        let cancelled = cancel.clone();
        let answer = Answer {
            client: self.client.clone(),
            timeouts: self.timeouts,
            request: request::build(request, &settings, DEFAULT_MODEL),
            events: sender,
        };
        tokio::spawn(async move {
            // Dropping the answer's future drops the response, which closes the vendor's stream.
            cancelled.run_until_cancelled(answer.run()).await;
        });
        LlmStream::new(events, cancel.drop_guard())
    }
}

type Chunks = Pin<Box<dyn Stream<Item = Result<Chunk, OpenAIError>> + Send>>;

/// One question and its answer.
struct Answer {
    client: Client<OpenAIConfig>,
    timeouts: Timeouts,
    request: CreateChatCompletionRequest,
    events: mpsc::Sender<LlmEvent>,
}

impl Answer {
    async fn run(self) {
        let last = match self.ask_twice().await {
            Ok((first, rest)) => self.relay(first, rest).await,
            Err(detail) => Some(LlmEvent::Failed { detail }),
        };
        if let Some(event) = last {
            // The asker may have gone; then the event is of no use.
            let _ = self.events.send(event).await;
        }
    }

    /// The first piece and the stream behind it. Asks a second time when the first attempt failed
    /// in a way that another one may cure; both together stay within the first-token limit.
    async fn ask_twice(&self) -> Result<(Chunk, Chunks), String> {
        let deadline = Instant::now() + self.timeouts.first_token;
        let late = |_| "no first token in time".to_owned();
        match timeout_at(deadline, self.ask()).await.map_err(late)? {
            Err(failure) if failure.transient => {
                sleep(self.timeouts.retry_pause).await;
                timeout_at(deadline, self.ask()).await.map_err(late)?.map_err(|failure| failure.detail)
            }
            other => other.map_err(|failure| failure.detail),
        }
    }

    async fn ask(&self) -> Result<(Chunk, Chunks), AskFailure> {
        let mut chunks: Chunks = self
            .client
            .chat()
            .create_stream_byot(&self.request)
            .await
            .map_err(|error| AskFailure::of(&error))?;
        match chunks.next().await {
            Some(Ok(chunk)) => Ok((chunk, chunks)),
            Some(Err(error)) => Err(AskFailure::of(&error)),
            None => Err(AskFailure { detail: "an empty answer".to_owned(), transient: true }),
        }
    }

    /// Relays pieces until the answer is complete or broken; `None` when nobody listens any more.
    async fn relay(&self, first: Chunk, mut rest: Chunks) -> Option<LlmEvent> {
        let mut assembler = Assembler::default();
        let mut garbage = 0;
        let mut next = Some(Ok(first));
        loop {
            match next {
                Some(Ok(chunk)) => {
                    if let Some(detail) = chunk.error() {
                        return Some(LlmEvent::Failed { detail });
                    }
                    for event in assembler.take(chunk) {
                        self.events.send(event).await.ok()?;
                    }
                }
                Some(Err(OpenAIError::JSONDeserialize(..))) if garbage < MAX_GARBAGE => garbage += 1,
                Some(Err(error)) => return Some(LlmEvent::Failed { detail: describe(&error) }),
                None => return Some(assembler.end()),
            }
            next = match timeout(self.patience(&assembler), rest.next()).await {
                Ok(item) => item,
                Err(_) => return Some(assembler.stalled()),
            };
        }
    }

    /// After the reason to finish only the bill may come; a service that never sends it must not
    /// hold up the turn.
    fn patience(&self, assembler: &Assembler) -> Duration {
        if assembler.is_finished() {
            Duration::from_millis(500).min(self.timeouts.stall)
        } else {
            self.timeouts.stall
        }
    }
}

struct AskFailure {
    detail: String,
    transient: bool,
}

impl AskFailure {
    fn of(error: &OpenAIError) -> Self {
        Self { detail: describe(error), transient: is_transient(error) }
    }
}

fn is_transient(error: &OpenAIError) -> bool {
    match error {
        OpenAIError::ApiError(answer) => {
            answer.status_code.as_u16() == 429 || answer.status_code.is_server_error()
        }
        OpenAIError::Reqwest(_) | OpenAIError::StreamError(_) => true,
        // A 5xx whose body is not the error object ends here as well; a garbled first piece too.
        OpenAIError::JSONDeserialize(..) => true,
        _ => false,
    }
}

/// The kind of an error in our words: the vendor's own may quote the conversation.
fn describe(error: &OpenAIError) -> String {
    match error {
        OpenAIError::ApiError(answer) => format!("status {}", answer.status_code.as_u16()),
        OpenAIError::Reqwest(error) if error.is_connect() => "cannot connect".to_owned(),
        OpenAIError::Reqwest(error) if error.is_timeout() => "cannot connect in time".to_owned(),
        OpenAIError::Reqwest(_) | OpenAIError::StreamError(_) => "the connection broke".to_owned(),
        OpenAIError::JSONDeserialize(..) => "an unreadable answer".to_owned(),
        OpenAIError::InvalidArgument(_) => "the request could not be written".to_owned(),
        _ => "the request failed".to_owned(),
    }
}

/// The bill of an answer, with nothing on it when the service sent none.
impl From<Option<chunk::Bill>> for TokenUsage {
    fn from(bill: Option<chunk::Bill>) -> Self {
        bill.map_or_else(Self::default, |bill| Self {
            prompt: bill.prompt_tokens,
            completion: bill.completion_tokens,
        })
    }
}

//! The providers of a node, and which one a call gets.
//!
//! A flow names the vendor it wants. That one is tried first, then the others in the order of the
//! configuration. A model or a voice belongs to the vendor the flow named, so the others run with
//! their own defaults.

use crate::cartesia::{Cartesia, CartesiaConfig};
use crate::deepgram::{DeepgramConfig, DeepgramStt};
use crate::openai::{OpenAi, OpenAiConfig};
use crate::{
    LlmEvent, LlmProvider, LlmSettings, LlmStream, ProviderError, SttProvider, SttSettings, SttStream,
    TtsProvider, TtsSettings, TtsStream,
};
use std::sync::Arc;
use talkif_call_engine::io::LlmRequest;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Vendors' keys and addresses. A vendor without a key is left out.
#[derive(Clone, Default)]
pub struct ProvidersConfig {
    /// Deepgram.
    pub deepgram: Option<DeepgramConfig>,
    /// OpenAI or a compatible service.
    pub openai: Option<OpenAiConfig>,
    /// Cartesia.
    pub cartesia: Option<CartesiaConfig>,
}

impl ProvidersConfig {
    /// Reads the configuration from variables by name: `DEEPGRAM_API_KEY`, `DEEPGRAM_URL`,
    /// `OPENAI_API_KEY`, `OPENAI_BASE_URL`, `CARTESIA_API_KEY`, `CARTESIA_URL`.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let get =
            |name: &str| variable(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        Self {
            deepgram: get("DEEPGRAM_API_KEY")
                .map(|api_key| DeepgramConfig { api_key, url: get("DEEPGRAM_URL") }),
            openai: get("OPENAI_API_KEY").map(|api_key| OpenAiConfig {
                api_key,
                url: get("OPENAI_BASE_URL"),
                timeouts: crate::openai::Timeouts::default(),
            }),
            cartesia: get("CARTESIA_API_KEY").map(|api_key| CartesiaConfig {
                api_key,
                url: get("CARTESIA_URL"),
                timeouts: crate::cartesia::Timeouts::default(),
            }),
        }
    }

    /// Reads the configuration from the process's environment.
    #[must_use]
    pub fn from_env() -> Self {
        Self::from_variables(|name| std::env::var(name).ok())
    }
}

/// All providers of a node, in order of preference. Shared by all calls.
#[derive(Clone, Default)]
pub struct Providers {
    /// Recognisers.
    pub stt: Vec<Arc<dyn SttProvider>>,
    /// Models.
    pub llm: Vec<Arc<dyn LlmProvider>>,
    /// Voices.
    pub tts: Vec<Arc<dyn TtsProvider>>,
}

impl Providers {
    /// Makes the clients of all configured vendors.
    ///
    /// # Errors
    /// If a key or an address cannot be used.
    pub fn new(config: &ProvidersConfig) -> Result<Self, ProviderError> {
        // Several libraries of the process bring TLS with different cryptography, and without a
        // choice the vendors' clients refuse to start. Who came first has chosen; that is fine.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut providers = Self::default();
        if let Some(deepgram) = &config.deepgram {
            providers.stt.push(Arc::new(DeepgramStt::new(deepgram)?));
        }
        if let Some(openai) = &config.openai {
            providers.llm.push(Arc::new(OpenAi::new(openai)?));
        }
        if let Some(cartesia) = &config.cartesia {
            providers.tts.push(Arc::new(Cartesia::new(cartesia.clone())));
        }
        Ok(providers)
    }

    /// [`Providers::new`] with [`ProvidersConfig::from_env`].
    ///
    /// # Errors
    /// As [`Providers::new`].
    pub fn from_env() -> Result<Self, ProviderError> {
        Self::new(&ProvidersConfig::from_env())
    }

    /// Opens a recogniser: `preferred` if it can be reached, else the next one that can.
    ///
    /// # Errors
    /// The preferred one's, if none can be reached.
    pub async fn open_stt(&self, preferred: &str, settings: SttSettings) -> Result<SttStream, ProviderError> {
        let mut first_error = None;
        for provider in in_order(&self.stt, preferred, |provider| provider.name()) {
            let mut settings = settings.clone();
            settings.model = settings.model.filter(|_| provider.name() == preferred);
            match provider.open(settings).await {
                Ok(stream) => return Ok(stream),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        Err(first_error.unwrap_or(ProviderError::NotConfigured("speech")))
    }

    /// Opens a voice: `preferred` if it can be reached, else the next one that can.
    ///
    /// # Errors
    /// The preferred one's, if none can be reached.
    pub async fn open_tts(&self, preferred: &str, settings: TtsSettings) -> Result<TtsStream, ProviderError> {
        let mut first_error = None;
        for provider in in_order(&self.tts, preferred, |provider| provider.name()) {
            let mut settings = settings.clone();
            settings.model = settings.model.filter(|_| provider.name() == preferred);
            settings.voice = settings.voice.filter(|_| provider.name() == preferred);
            match provider.open(settings).await {
                Ok(stream) => return Ok(stream),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        Err(first_error.unwrap_or(ProviderError::NotConfigured("voice")))
    }

    /// Asks `preferred`, and the next model if that one fails before its first word. After the
    /// first word nothing is asked again: the caller may have heard it.
    #[must_use]
    pub fn start_llm(&self, preferred: &str, request: LlmRequest, settings: LlmSettings) -> LlmStream {
        let order = in_order(&self.llm, preferred, |provider| provider.name());
        if let [only] = order.as_slice() {
            return only.start(request, settings_for(only.as_ref(), preferred, &settings));
        }
        let (sender, events) = mpsc::channel(64);
        let cancel = CancellationToken::new();
        let cancelled = cancel.clone();
        let preferred = preferred.to_owned();
        tokio::spawn(async move {
            let asking = ask_in_order(order, &preferred, request, settings, sender);
            cancelled.run_until_cancelled(asking).await;
        });
        LlmStream::new(events, cancel.drop_guard())
    }
}

fn in_order<P: ?Sized>(all: &[Arc<P>], preferred: &str, name: impl Fn(&P) -> &'static str) -> Vec<Arc<P>> {
    let (first, rest): (Vec<_>, Vec<_>) =
        all.iter().cloned().partition(|provider| name(provider) == preferred);
    first.into_iter().chain(rest).collect()
}

fn settings_for(provider: &dyn LlmProvider, preferred: &str, settings: &LlmSettings) -> LlmSettings {
    let model = settings.model.clone().filter(|_| provider.name() == preferred);
    LlmSettings { model, ..settings.clone() }
}

async fn ask_in_order(
    order: Vec<Arc<dyn LlmProvider>>,
    preferred: &str,
    request: LlmRequest,
    settings: LlmSettings,
    events: mpsc::Sender<LlmEvent>,
) {
    let mut failure = LlmEvent::Failed { detail: ProviderError::NotConfigured("model").to_string() };
    for provider in order {
        let mut stream =
            provider.start(request.clone(), settings_for(provider.as_ref(), preferred, &settings));
        match stream.next().await {
            Some(failed @ LlmEvent::Failed { .. }) => failure = failed,
            None => {}
            Some(first) => return relay(first, stream, &events).await,
        }
    }
    // The asker may have gone; then the failure is of no interest.
    let _ = events.send(failure).await;
}

async fn relay(first: LlmEvent, mut stream: LlmStream, events: &mpsc::Sender<LlmEvent>) {
    let mut next = Some(first);
    while let Some(event) = next {
        if events.send(event).await.is_err() {
            return;
        }
        next = stream.next().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vendor_without_a_key_is_left_out() {
        let config = ProvidersConfig::from_variables(|name| match name {
            "OPENAI_API_KEY" => Some("k".into()),
            "OPENAI_BASE_URL" => Some(" http://127.0.0.1:1/v1 ".into()),
            "DEEPGRAM_API_KEY" => Some(String::new()),
            _ => None,
        });
        assert!(config.deepgram.is_none() && config.cartesia.is_none());
        assert_eq!(config.openai.unwrap().url.as_deref(), Some("http://127.0.0.1:1/v1"));
    }

    struct Named(&'static str);
    impl LlmProvider for Named {
        fn name(&self) -> &'static str {
            self.0
        }

        fn start(&self, _: LlmRequest, settings: LlmSettings) -> LlmStream {
            let (sender, events) = mpsc::channel(4);
            let event = if self.0 == "broken" {
                LlmEvent::Failed { detail: "broken".into() }
            } else {
                LlmEvent::Delta(format!("{} {:?}", self.0, settings.model))
            };
            sender.try_send(event).unwrap();
            LlmStream::new(events, CancellationToken::new().drop_guard())
        }
    }

    fn question() -> (LlmRequest, LlmSettings) {
        let settings = LlmSettings { model: Some("theirs".into()), temperature: None, max_tokens: 1 };
        (LlmRequest { messages: vec![], tools: vec![] }, settings)
    }

    #[tokio::test]
    async fn the_next_model_answers_with_its_own_default_when_the_first_fails() {
        let llm: Vec<Arc<dyn LlmProvider>> = vec![Arc::new(Named("other")), Arc::new(Named("broken"))];
        let providers = Providers { llm, ..Providers::default() };
        let (request, settings) = question();
        let mut answer = providers.start_llm("broken", request, settings);
        assert_eq!(answer.next().await, Some(LlmEvent::Delta("other None".into())));
    }

    #[tokio::test]
    async fn the_flow_chooses_which_model_is_asked_first() {
        let llm: Vec<Arc<dyn LlmProvider>> = vec![Arc::new(Named("one")), Arc::new(Named("two"))];
        let providers = Providers { llm, ..Providers::default() };
        let (request, settings) = question();
        let mut answer = providers.start_llm("two", request, settings);
        assert_eq!(answer.next().await, Some(LlmEvent::Delta("two Some(\"theirs\")".into())));
    }

    #[tokio::test]
    async fn without_any_model_the_answer_is_a_failure() {
        let (request, settings) = question();
        let mut answer = Providers::default().start_llm("openai", request, settings);
        assert!(matches!(answer.next().await, Some(LlmEvent::Failed { .. })));
    }
}

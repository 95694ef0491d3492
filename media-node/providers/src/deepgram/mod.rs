//! Deepgram's streaming recogniser, over the `deepgram` crate.
//!
//! Audio goes out as it comes, silence included, so the vendor never closes an idle stream. When
//! our own voice detector says that the speech has ended, a `Finalize` mark brings the final
//! words tens of milliseconds later, instead of after the vendor's own endpointing.

mod translate;

use crate::{
    AudioItem, ProviderError, SttAudioSource, SttEvent, SttProvider, SttSettings, SttStream, audio_queue,
};
use async_trait::async_trait;
use deepgram::common::options::{Encoding, Endpointing, Language, Model, Options};
use deepgram::listen::websocket::WebsocketHandle;
use deepgram::{Deepgram, DeepgramError};
use std::future::Future;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;
use translate::Translated;

pub use translate::event;

const VENDOR: &str = "deepgram";
const DEFAULT_URL: &str = "https://api.deepgram.com/";
const DEFAULT_MODEL: &str = "nova-3";
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// A socket that takes no frame for this long is as good as closed.
const SEND_LIMIT: Duration = Duration::from_secs(2);
/// 5 s of 20 ms frames: room for a replay of the last 2 s on top of a slow second.
const QUEUED_FRAMES: usize = 250;
const QUEUED_EVENTS: usize = 64;
/// The vendor ends a segment after this much silence, if our own detector has not said so.
const ENDPOINTING_MS: u32 = 300;
/// The shortest the vendor accepts.
const UTTERANCE_END_MS: u16 = 1_000;
/// So many unreadable messages in a row end the stream: it speaks another protocol.
const MAX_GARBAGE: u32 = 8;

/// Where Deepgram is and who we are.
#[derive(Clone)]
pub struct DeepgramConfig {
    /// API key.
    pub api_key: String,
    /// `https://…` or, on loopback, `http://…`; `None` is the vendor's own.
    pub url: Option<String>,
}

/// Deepgram as an [`SttProvider`].
pub struct DeepgramStt {
    client: Deepgram,
}

impl DeepgramStt {
    /// Makes a client; connects nothing yet.
    ///
    /// # Errors
    /// If the address is not a URL.
    pub fn new(config: &DeepgramConfig) -> Result<Self, ProviderError> {
        let url = with_trailing_slash(config.url.as_deref().unwrap_or(DEFAULT_URL));
        let client = Deepgram::with_base_url_and_api_key(url.as_str(), &config.api_key)
            .map_err(|error| ProviderError::Configuration { vendor: VENDOR, detail: describe(&error) })?;
        Ok(Self { client })
    }

    fn connect(
        &self,
        settings: &SttSettings,
    ) -> impl Future<Output = Result<WebsocketHandle, DeepgramError>> + Send + '_ {
        self.client
            .transcription()
            .stream_request_with_options(options(settings))
            .encoding(Encoding::Linear16)
            .sample_rate(settings.sample_rate)
            .channels(1)
            .interim_results(true)
            .endpointing(Endpointing::CustomDurationMs(ENDPOINTING_MS))
            .utterance_end_ms(UTTERANCE_END_MS)
            .vad_events(true)
            .no_delay(true)
            .keep_alive()
            .handle()
    }
}

#[async_trait]
impl SttProvider for DeepgramStt {
    fn name(&self) -> &'static str {
        VENDOR
    }

    async fn open(&self, settings: SttSettings) -> Result<SttStream, ProviderError> {
        let handle = timeout(CONNECT_LIMIT, self.connect(&settings))
            .await
            .map_err(|_| ProviderError::Timeout { vendor: VENDOR, limit: CONNECT_LIMIT })?
            .map_err(|error| refusal(&error))?;
        let (audio, source) = audio_queue(QUEUED_FRAMES);
        let (sender, events) = mpsc::channel(QUEUED_EVENTS);
        tokio::spawn(run(handle, source, sender));
        Ok(SttStream { audio, events })
    }
}

// The client resolves its endpoints against the address, which eats a last segment without slash.
fn with_trailing_slash(url: &str) -> String {
    format!("{}/", url.trim_end_matches('/'))
}

fn options(settings: &SttSettings) -> Options {
    let model = settings.model.clone().unwrap_or_else(|| DEFAULT_MODEL.to_owned());
    // Nova-3 renamed the feature; older models refuse the new name and the other way round.
    let takes_keyterms = model.starts_with("nova-3");
    let keywords = settings.keywords.iter().map(String::as_str);
    let options = Options::builder()
        .model(Model::from(model))
        .language(Language::from(settings.language.clone()))
        .punctuate(true)
        .smart_format(true);
    if takes_keyterms { options.keyterms(keywords).build() } else { options.keywords(keywords).build() }
}

/// Moves frames out and transcripts in until either side is gone.
async fn run(mut handle: WebsocketHandle, mut source: SttAudioSource, events: mpsc::Sender<SttEvent>) {
    let mut garbage = 0;
    let failure = loop {
        tokio::select! {
            biased;
            () = events.closed() => return,
            response = handle.receive() => match translate::response(response) {
                Translated::Event(translated) => {
                    garbage = 0;
                    if let Some(event) = translated
                        && events.send(event).await.is_err()
                    {
                        return;
                    }
                }
                Translated::Garbage if garbage < MAX_GARBAGE => garbage += 1,
                Translated::Garbage => break "only unreadable messages".to_owned(),
                Translated::Over(detail) => break detail,
            },
            item = source.next() => match forward(&mut handle, item).await {
                Forwarded::Sent => {}
                Forwarded::Closed => return,
                Forwarded::Failed(detail) => break detail,
            },
        }
    };
    // The session may be gone by now; then nobody needs to know.
    let _ = events.send(SttEvent::Failed { detail: failure }).await;
}

enum Forwarded {
    Sent,
    Closed,
    Failed(String),
}

async fn forward(handle: &mut WebsocketHandle, item: Option<AudioItem>) -> Forwarded {
    let sent = match item {
        Some(AudioItem::Frame(frame)) => timeout(SEND_LIMIT, handle.send_data(little_endian(&frame))).await,
        Some(AudioItem::Finalize) => timeout(SEND_LIMIT, handle.finalize()).await,
        None => {
            // Whether the farewell arrives changes nothing: the socket is dropped next.
            let _ = timeout(SEND_LIMIT, handle.close_stream()).await;
            return Forwarded::Closed;
        }
    };
    match sent {
        Ok(Ok(())) => Forwarded::Sent,
        Ok(Err(error)) => Forwarded::Failed(describe(&error)),
        Err(_) => Forwarded::Failed("the socket takes no audio".to_owned()),
    }
}

fn little_endian(frame: &[i16]) -> Vec<u8> {
    frame.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

fn refusal(error: &DeepgramError) -> ProviderError {
    if let DeepgramError::WsError(ws) = error
        && let tokio_tungstenite::tungstenite::Error::Http(response) = ws.as_ref()
    {
        return ProviderError::Refused { vendor: VENDOR, status: response.status().as_u16() };
    }
    ProviderError::Connection { vendor: VENDOR, detail: describe(error) }
}

/// The kind of an error in our words: the crate's own may quote a message and thus the caller.
fn describe(error: &DeepgramError) -> String {
    match error {
        DeepgramError::WsError(_) => "websocket error".to_owned(),
        DeepgramError::IoError(io) => format!("io error: {}", io.kind()),
        DeepgramError::WebsocketClose { code, .. } => format!("closed with code {code}"),
        DeepgramError::UntrustedTlsCertificate { .. } => "untrusted certificate".to_owned(),
        DeepgramError::InvalidUrl => "the address is not a URL".to_owned(),
        DeepgramError::JsonError(_) => "unreadable message".to_owned(),
        _ => "the connection failed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(model: &str) -> SttSettings {
        SttSettings {
            sample_rate: 8_000,
            language: "tr".into(),
            model: Some(model.into()),
            keywords: vec!["Talkif".into()],
        }
    }

    #[test]
    fn an_address_with_a_path_keeps_it() {
        assert_eq!(with_trailing_slash("http://127.0.0.1:1/deepgram"), "http://127.0.0.1:1/deepgram/");
        assert_eq!(with_trailing_slash("http://127.0.0.1:1/deepgram/"), "http://127.0.0.1:1/deepgram/");
    }

    #[test]
    fn keywords_are_named_as_the_model_wants_them() {
        let query = options(&settings("nova-3")).urlencoded().unwrap();
        assert!(query.contains("keyterm=Talkif"), "{query}");
        let query = options(&settings("nova-2-phonecall")).urlencoded().unwrap();
        assert!(query.contains("keywords=Talkif"), "{query}");
        assert!(query.contains("model=nova-2-phonecall") && query.contains("language=tr"), "{query}");
    }
}

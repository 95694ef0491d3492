//! Keeps a voice open, from the first ring on.

use futures::future::BoxFuture;
use std::collections::BTreeSet;
use std::future::pending;
use std::sync::Arc;
use talkif_call_engine::io::Generation;
use talkif_providers::{ProviderError, Providers, TtsCommand, TtsEvent, TtsSettings, TtsStream};

/// Attempts to open before the utterances that wait have failed. The engine tries an utterance a
/// second time, and that opens again.
const MAX_ATTEMPTS: u32 = 2;

type Opening = BoxFuture<'static, Result<TtsStream, ProviderError>>;

enum State {
    Opening { opening: Opening, attempt: u32, waiting: Vec<TtsCommand> },
    Open(TtsStream),
    Closed,
}

/// What came back from the voice.
#[derive(Debug)]
pub(crate) enum Voiced {
    /// As the voice said it.
    Event(TtsEvent),
    /// These utterances are lost.
    Lost { generations: Vec<Generation>, detail: String },
}

/// Speaks, cancels and listens to the voice.
pub(crate) struct Mouth {
    providers: Arc<Providers>,
    preferred: String,
    settings: TtsSettings,
    state: State,
    /// Asked and not finished.
    owed: BTreeSet<Generation>,
}

impl Mouth {
    /// Begins to open the voice, so that it is warm when the first word is due.
    pub(crate) fn open(providers: Arc<Providers>, preferred: String, settings: TtsSettings) -> Self {
        let mut mouth = Self { providers, preferred, settings, state: State::Closed, owed: BTreeSet::new() };
        mouth.state = mouth.opening(0, Vec::new());
        mouth
    }

    fn opening(&self, attempt: u32, waiting: Vec<TtsCommand>) -> State {
        let (providers, settings) = (Arc::clone(&self.providers), self.settings.clone());
        let preferred = self.preferred.clone();
        let opening = Box::pin(async move { providers.open_tts(&preferred, settings).await });
        State::Opening { opening, attempt, waiting }
    }

    pub(crate) fn speak(&mut self, generation: Generation, text: String) {
        self.owed.insert(generation);
        self.send(TtsCommand::Speak { generation, text });
    }

    pub(crate) fn finish(&mut self, generation: Generation) {
        self.send(TtsCommand::Finish { generation });
    }

    pub(crate) fn cancel(&mut self, generation: Generation) {
        if self.owed.remove(&generation) {
            self.send(TtsCommand::Cancel { generation });
        }
    }

    fn send(&mut self, command: TtsCommand) {
        match &mut self.state {
            State::Opening { waiting, .. } => waiting.push(command),
            // A voice that takes no more text is closed; `next` tells the engine what is lost.
            State::Open(stream) => {
                if stream.send(command).is_err() {
                    self.state = State::Closed;
                }
            }
            State::Closed => self.state = self.opening(0, vec![command]),
        }
    }

    /// The next thing the voice says. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Voiced {
        loop {
            match &mut self.state {
                State::Opening { opening, .. } => {
                    let opened = opening.await;
                    if let Some(lost) = self.opened(opened) {
                        return lost;
                    }
                }
                State::Open(stream) => match stream.events.recv().await {
                    Some(event) => return self.take(event),
                    None => self.state = State::Closed,
                },
                State::Closed if self.owed.is_empty() => pending().await,
                State::Closed => return self.lost("the voice was lost".to_owned()),
            }
        }
    }

    fn opened(&mut self, opened: Result<TtsStream, ProviderError>) -> Option<Voiced> {
        let State::Opening { attempt, waiting, .. } = std::mem::replace(&mut self.state, State::Closed)
        else {
            return None;
        };
        match opened {
            Ok(stream) => {
                self.state = State::Open(stream);
                waiting.into_iter().for_each(|command| self.send(command));
                None
            }
            Err(_) if attempt + 1 < MAX_ATTEMPTS => {
                self.state = self.opening(attempt + 1, waiting);
                None
            }
            Err(_) if self.owed.is_empty() => None,
            Err(error) => Some(self.lost(error.to_string())),
        }
    }

    fn lost(&mut self, detail: String) -> Voiced {
        Voiced::Lost { generations: std::mem::take(&mut self.owed).into_iter().collect(), detail }
    }

    fn take(&mut self, event: TtsEvent) -> Voiced {
        if let TtsEvent::Done { generation } | TtsEvent::Failed { generation, .. } = &event {
            self.owed.remove(generation);
        }
        Voiced::Event(event)
    }
}

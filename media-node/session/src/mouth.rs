//! Keeps a voice open, from the first ring on, and asks again for what it has lost.
//!
//! An utterance that fails before its first sound is asked once more, on a new connection if need
//! be. One that breaks off in the middle is left to the engine: it notices that playout stands
//! still, knows the words that were not heard, and has those spoken anew.

use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use talkif_call_engine::io::Generation;
use talkif_providers::{ProviderError, Providers, TtsCommand, TtsEvent, TtsSettings, TtsStream};

/// Attempts to open the voice, and to have an utterance spoken, before it is given up.
const MAX_ATTEMPTS: u32 = 2;

type Opening = BoxFuture<'static, Result<TtsStream, ProviderError>>;

enum State {
    Opening { opening: Opening, attempt: u32 },
    Open(TtsStream),
    Closed,
}

/// An utterance that was asked for and has not come to its end.
#[derive(Debug, Default)]
struct Owed {
    texts: Vec<String>,
    finished: bool,
    heard: bool,
    attempts: u32,
}

/// What came back from the voice.
#[derive(Debug)]
pub(crate) enum Voiced {
    /// As the voice said it; never a failure.
    Event(TtsEvent),
    /// These utterances will not be heard.
    Lost { generations: Vec<Generation>, detail: String },
    /// Something went wrong and is being made good.
    Trouble(String),
}

/// Speaks, cancels and listens to the voice.
pub(crate) struct Mouth {
    providers: Arc<Providers>,
    preferred: String,
    settings: TtsSettings,
    state: State,
    owed: BTreeMap<Generation, Owed>,
}

impl Mouth {
    /// Begins to open the voice, so that it is warm when the first word is due.
    pub(crate) fn open(providers: Arc<Providers>, preferred: String, settings: TtsSettings) -> Self {
        let mut mouth = Self { providers, preferred, settings, state: State::Closed, owed: BTreeMap::new() };
        mouth.state = mouth.opening(0);
        mouth
    }

    fn opening(&self, attempt: u32) -> State {
        let (providers, settings) = (Arc::clone(&self.providers), self.settings.clone());
        let preferred = self.preferred.clone();
        let opening = Box::pin(async move { providers.open_tts(&preferred, settings).await });
        State::Opening { opening, attempt }
    }

    pub(crate) fn speak(&mut self, generation: Generation, text: String) {
        self.owed.entry(generation).or_default().texts.push(text.clone());
        self.send(TtsCommand::Speak { generation, text });
    }

    pub(crate) fn finish(&mut self, generation: Generation) {
        if let Some(owed) = self.owed.get_mut(&generation) {
            owed.finished = true;
            self.send(TtsCommand::Finish { generation });
        }
    }

    pub(crate) fn cancel(&mut self, generation: Generation) {
        if self.owed.remove(&generation).is_some() {
            self.send(TtsCommand::Cancel { generation });
        }
    }

    /// Sends to an open voice. Otherwise the voice is told all that is owed once it is open.
    fn send(&mut self, command: TtsCommand) {
        match &self.state {
            State::Opening { .. } => {}
            State::Open(stream) => {
                if stream.send(command).is_err() {
                    self.state = self.opening(0);
                }
            }
            State::Closed => self.state = self.opening(0),
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
                    Some(event) => {
                        if let Some(voiced) = self.take(event) {
                            return voiced;
                        }
                    }
                    None => {
                        self.state = if self.owed.is_empty() { State::Closed } else { self.opening(0) };
                        return Voiced::Trouble("the voice was lost".to_owned());
                    }
                },
                State::Closed => pending().await,
            }
        }
    }

    fn opened(&mut self, opened: Result<TtsStream, ProviderError>) -> Option<Voiced> {
        let attempt = match self.state {
            State::Opening { attempt, .. } => attempt,
            State::Open(_) | State::Closed => 0,
        };
        match opened {
            Ok(stream) => {
                self.state = State::Open(stream);
                self.ask_for_all();
                None
            }
            Err(_) if attempt + 1 < MAX_ATTEMPTS => {
                self.state = self.opening(attempt + 1);
                None
            }
            Err(error) => {
                self.state = State::Closed;
                let owed = std::mem::take(&mut self.owed).into_iter();
                let generations: Vec<_> =
                    owed.filter(|(_, owed)| !owed.heard).map(|(generation, _)| generation).collect();
                (!generations.is_empty()).then(|| Voiced::Lost { generations, detail: error.to_string() })
            }
        }
    }

    /// What was heard in part is not asked again: it would start over.
    fn ask_for_all(&mut self) {
        self.owed.retain(|_, owed| !owed.heard);
        let generations: Vec<_> = self.owed.keys().copied().collect();
        generations.into_iter().for_each(|generation| self.ask_for(generation));
    }

    fn ask_for(&mut self, generation: Generation) {
        let Some(owed) = self.owed.get(&generation) else { return };
        let speak = |text: &String| TtsCommand::Speak { generation, text: text.clone() };
        let finish = owed.finished.then_some(TtsCommand::Finish { generation });
        let commands: Vec<_> = owed.texts.iter().map(speak).chain(finish).collect();
        commands.into_iter().for_each(|command| self.send(command));
    }

    /// What belongs to no utterance that is owed falls on the floor.
    fn take(&mut self, event: TtsEvent) -> Option<Voiced> {
        match &event {
            TtsEvent::Audio { generation, .. } => self.owed.get_mut(generation)?.heard = true,
            TtsEvent::Words { generation, .. } if !self.owed.contains_key(generation) => return None,
            TtsEvent::Words { .. } => {}
            TtsEvent::Done { generation } => drop(self.owed.remove(generation)?),
            TtsEvent::Failed { generation, detail } => return self.failed(*generation, detail.clone()),
        }
        Some(Voiced::Event(event))
    }

    fn failed(&mut self, generation: Generation, detail: String) -> Option<Voiced> {
        let owed = self.owed.get_mut(&generation)?;
        owed.attempts += 1;
        let (heard, again) = (owed.heard, owed.attempts < MAX_ATTEMPTS);
        if !heard && again {
            self.ask_for(generation);
            return Some(Voiced::Trouble(detail));
        }
        self.owed.remove(&generation);
        let lost = Voiced::Lost { generations: vec![generation], detail: detail.clone() };
        Some(if heard { Voiced::Trouble(detail) } else { lost })
    }
}

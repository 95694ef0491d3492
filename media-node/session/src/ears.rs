//! Keeps a recogniser open, and notices when it has gone deaf.
//!
//! All audio goes to the recogniser, silence included and also while the agent speaks: a stream
//! that is fed without a break never times out and never misses a first word. The last seconds
//! without final words are kept; a new stream gets them first, so a lost connection costs delay
//! and no word.

use futures::future::BoxFuture;
use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use talkif_media::resample::Resampler;
use talkif_providers::{ProviderError, Providers, SttEvent, SttSettings, SttStream};
use tokio::time::{Instant, sleep_until};

/// Frames kept for a replay: 2 s.
const REPLAY_FRAMES: usize = 100;
/// Frames kept when final words have come: the next words may have begun by then.
const OVERLAP_FRAMES: usize = 15;
/// Wider audio than this brings a telephone recogniser nothing.
const MAX_RATE: u32 = 16_000;
/// Pauses before the second, third … attempt in a row.
const PAUSES_MS: [u64; 4] = [250, 500, 1_000, 2_000];
/// Speech from this length on must have words …
const MUST_HAVE_WORDS: Duration = Duration::from_millis(500);
/// … this long after its end. Final words come within 0.4 s of it.
const WORDS_LATE: Duration = Duration::from_millis(700);
/// Speech that goes on this long without any partial words.
const MONOLOGUE_WITHOUT_WORDS: Duration = Duration::from_secs(4);
/// A noisy line also sounds like unheard speech: do not rotate for it all the time.
const ROTATION_PAUSE: Duration = Duration::from_secs(10);

type Opening = BoxFuture<'static, Result<SttStream, ProviderError>>;

enum State {
    Opening(Opening),
    Open(SttStream),
    Resting(Instant),
    Gone,
}

/// What came of listening.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    /// Words.
    Words { text: String, is_final: bool, end_of_turn: Option<f32> },
    /// A stream was lost and another one is being opened.
    Trouble(String),
    /// No recogniser can be reached.
    Gone(String),
}

/// The caller's present or last stretch of speech, and whether it has been understood.
#[derive(Debug, Clone, Copy)]
struct Speech {
    started: Instant,
    ended: Option<Instant>,
    has_words: bool,
}

/// Feeds, reopens and listens to a recogniser.
pub(crate) struct Ears {
    providers: Arc<Providers>,
    preferred: String,
    settings: SttSettings,
    resampler: Option<Resampler>,
    state: State,
    failures: usize,
    replay: VecDeque<Vec<i16>>,
    speech: Option<Speech>,
    rotated: Option<Instant>,
    samples: u64,
}

impl Ears {
    /// Begins to open a recogniser for frames of `settings.sample_rate`.
    pub(crate) fn open(providers: Arc<Providers>, preferred: String, mut settings: SttSettings) -> Self {
        let rate = settings.sample_rate;
        let resampler = (rate > MAX_RATE).then(|| Resampler::new(rate, MAX_RATE).ok()).flatten();
        if resampler.is_some() {
            settings.sample_rate = MAX_RATE;
        }
        let mut ears = Self {
            providers,
            preferred,
            settings,
            resampler,
            state: State::Gone,
            failures: 0,
            replay: VecDeque::with_capacity(REPLAY_FRAMES),
            speech: None,
            rotated: None,
            samples: 0,
        };
        ears.state = ears.opening();
        ears
    }

    fn opening(&self) -> State {
        let (providers, settings) = (Arc::clone(&self.providers), self.settings.clone());
        let preferred = self.preferred.clone();
        State::Opening(Box::pin(async move { providers.open_stt(&preferred, settings).await }))
    }

    /// Samples given to recognisers, replays included, and their rate: for the bill.
    pub(crate) const fn given(&self) -> (u64, u32) {
        (self.samples, self.settings.sample_rate)
    }

    /// Takes 20 ms of the caller's audio.
    pub(crate) fn push(&mut self, frame: &[i16]) {
        let frame = match &mut self.resampler {
            None => frame.to_vec(),
            Some(resampler) => {
                let mut narrow = Vec::new();
                resampler.process(frame, &mut narrow);
                narrow
            }
        };
        if let State::Open(stream) = &self.state {
            stream.audio.push(&frame);
            self.samples += frame.len() as u64;
        }
        if self.replay.len() >= REPLAY_FRAMES {
            self.replay.pop_front();
        }
        self.replay.push_back(frame);
    }

    /// The caller's voice began.
    pub(crate) fn speech_started(&mut self) {
        self.speech = Some(Speech { started: Instant::now(), ended: None, has_words: false });
    }

    /// The caller's voice ended: the recogniser may finish its words now.
    pub(crate) fn speech_ended(&mut self) {
        if let Some(speech) = &mut self.speech {
            speech.ended = Some(Instant::now());
        }
        if let State::Open(stream) = &self.state {
            stream.audio.finalize();
        }
    }

    /// Replaces a recogniser that hears speech and says nothing. Called once a tick.
    pub(crate) fn rotate_if_deaf(&mut self) -> Option<Heard> {
        let now = Instant::now();
        let recently = self.rotated.is_some_and(|at| now - at < ROTATION_PAUSE);
        let open = matches!(self.state, State::Open(_));
        if recently || !open || !self.speech.is_some_and(|speech| speech.is_unheard(now)) {
            return None;
        }
        self.rotated = Some(now);
        self.state = self.opening();
        Some(Heard::Trouble("speech without words: the recogniser was replaced".to_owned()))
    }

    /// The next thing that was heard. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Heard {
        loop {
            match &mut self.state {
                State::Opening(opening) => match opening.await {
                    Ok(stream) => self.opened(stream),
                    Err(error) => return self.lost(error.to_string()),
                },
                State::Open(stream) => match stream.events.recv().await {
                    Some(event) => {
                        if let Some(heard) = self.take(event) {
                            return heard;
                        }
                    }
                    None => return self.lost("the stream ended".to_owned()),
                },
                State::Resting(until) => {
                    sleep_until(*until).await;
                    self.state = self.opening();
                }
                State::Gone => pending().await,
            }
        }
    }

    fn opened(&mut self, stream: SttStream) {
        for frame in &self.replay {
            stream.audio.push(frame);
            self.samples += frame.len() as u64;
        }
        // The mark of a speech that ended in between went to the old stream, or to none.
        if self.speech.is_some_and(|speech| speech.ended.is_some() && !speech.has_words) {
            stream.audio.finalize();
        }
        self.state = State::Open(stream);
    }

    fn take(&mut self, event: SttEvent) -> Option<Heard> {
        match event {
            SttEvent::Partial { text } => Some(self.words(text, false, None)),
            SttEvent::Final { text, end_of_turn, .. } => Some(self.words(text, true, end_of_turn)),
            // Our own detector measures speech where the engine can rely on the times.
            SttEvent::SpeechStarted | SttEvent::UtteranceEnd => None,
            SttEvent::Failed { detail } => Some(self.lost(detail)),
        }
    }

    fn words(&mut self, text: String, is_final: bool, end_of_turn: Option<f32>) -> Heard {
        if !text.is_empty() {
            self.failures = 0;
            if let Some(speech) = &mut self.speech {
                speech.has_words = true;
            }
            if is_final {
                let old = self.replay.len().saturating_sub(OVERLAP_FRAMES);
                self.replay.drain(..old);
            }
        }
        Heard::Words { text, is_final, end_of_turn }
    }

    /// The first attempt to reopen is made at once, the others after longer and longer pauses.
    fn lost(&mut self, detail: String) -> Heard {
        self.failures += 1;
        self.state = match self.failures.checked_sub(2) {
            None => self.opening(),
            Some(pause) => match PAUSES_MS.get(pause) {
                Some(ms) => State::Resting(Instant::now() + Duration::from_millis(*ms)),
                None => State::Gone,
            },
        };
        if matches!(self.state, State::Gone) { Heard::Gone(detail) } else { Heard::Trouble(detail) }
    }
}

impl Speech {
    fn is_unheard(&self, now: Instant) -> bool {
        let late = match self.ended {
            Some(ended) => ended - self.started >= MUST_HAVE_WORDS && now - ended >= WORDS_LATE,
            None => now - self.started >= MONOLOGUE_WITHOUT_WORDS,
        };
        late && !self.has_words
    }
}

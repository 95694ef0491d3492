//! Vendors inside the process, with scripts.

use async_trait::async_trait;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use talkif_call_engine::io::{Generation, LlmRequest, Word};
use talkif_providers::{
    AudioItem, LlmEvent, LlmProvider, LlmSettings, LlmStream, ProviderError, Providers, SttEvent,
    SttProvider, SttSettings, SttStream, TokenUsage, TtsCommand, TtsEvent, TtsProvider, TtsSettings,
    TtsStream, audio_queue,
};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Length of every spoken word, silence included.
pub(crate) const WORD_MS: u64 = 300;
const WORD_SAMPLES: usize = 2_400;
/// Loud and never zero, so that a test can count what was heard.
pub(crate) const LEVEL: i16 = 6_000;

/// The scripts, and what the vendors have seen.
#[derive(Default)]
pub(crate) struct Script {
    /// What the caller's stretches of speech mean, in order.
    pub(crate) lines: VecDeque<&'static str>,
    /// Recognisers to lose after so many frames of speech, in order of opening.
    pub(crate) lose_ears_after: VecDeque<usize>,
    /// So many recognisers hear and say nothing.
    pub(crate) deaf: usize,
    pub(crate) ears_opened: usize,
    /// Loud frames that each recogniser was given.
    pub(crate) loud_frames: Vec<usize>,
    /// The model's answers, in order; then it says nothing of interest.
    pub(crate) answers: VecDeque<Vec<LlmEvent>>,
    pub(crate) requests: Vec<LlmRequest>,
    pub(crate) model_panics: bool,
    /// So many pieces of text fail.
    pub(crate) failing_utterances: usize,
    /// The utterance breaks off after so many words, once.
    pub(crate) breaks_off_after: Option<usize>,
    pub(crate) no_voice: bool,
}

#[derive(Clone, Default)]
pub(crate) struct Vendors(pub(crate) Arc<Mutex<Script>>);

impl Vendors {
    pub(crate) fn new(change: impl FnOnce(&mut Script)) -> Self {
        let vendors = Self::default();
        change(&mut vendors.0.lock().unwrap());
        vendors
    }

    pub(crate) fn providers(&self) -> Providers {
        Providers {
            stt: vec![Arc::new(self.clone())],
            llm: vec![Arc::new(self.clone())],
            tts: vec![Arc::new(self.clone())],
        }
    }
}

/// An answer of the model in words.
pub(crate) fn text(text: &str) -> Vec<LlmEvent> {
    vec![LlmEvent::Delta(text.into()), LlmEvent::Done { usage: TokenUsage { prompt: 10, completion: 5 } }]
}

/// The same, followed by a tool call.
pub(crate) fn text_and_tool(text: &str, name: &str, arguments: &str) -> Vec<LlmEvent> {
    let call = LlmEvent::ToolCall { id: "t1".into(), name: name.into(), arguments: arguments.into() };
    vec![LlmEvent::Delta(text.into()), call, LlmEvent::Done { usage: TokenUsage::default() }]
}

#[async_trait]
impl SttProvider for Vendors {
    fn name(&self) -> &'static str {
        "ears"
    }

    async fn open(&self, _: SttSettings) -> Result<SttStream, ProviderError> {
        sleep(Duration::from_millis(100)).await;
        let (audio, mut source) = audio_queue(500);
        let (sender, events) = mpsc::channel(16);
        let script = Arc::clone(&self.0);
        let (number, lose_after, deaf) = {
            let mut script = script.lock().unwrap();
            script.ears_opened += 1;
            script.loud_frames.push(0);
            (script.ears_opened - 1, script.lose_ears_after.pop_front(), script.ears_opened <= script.deaf)
        };
        tokio::spawn(async move {
            while let Some(item) = source.next().await {
                let event = {
                    let mut script = script.lock().unwrap();
                    match item {
                        AudioItem::Frame(frame) => {
                            script.loud_frames[number] +=
                                usize::from(frame.iter().any(|s| s.unsigned_abs() > 500));
                            if lose_after.is_some_and(|limit| script.loud_frames[number] >= limit) {
                                return;
                            }
                            None
                        }
                        AudioItem::Finalize if deaf => None,
                        AudioItem::Finalize => script.lines.pop_front().map(|line| SttEvent::Final {
                            text: line.into(),
                            end_of_turn: None,
                            words: vec![],
                        }),
                    }
                };
                if let Some(event) = event {
                    sleep(Duration::from_millis(80)).await;
                    if sender.send(event).await.is_err() {
                        return;
                    }
                }
            }
        });
        Ok(SttStream { audio, events })
    }
}

impl LlmProvider for Vendors {
    fn name(&self) -> &'static str {
        "brain"
    }

    fn start(&self, request: LlmRequest, _: LlmSettings) -> LlmStream {
        let mut script = self.0.lock().unwrap();
        assert!(!script.model_panics, "as the test wants it");
        script.requests.push(request);
        let answer = script.answers.pop_front().unwrap_or_else(|| text("I see."));
        let (sender, events) = mpsc::channel(16);
        let cancel = CancellationToken::new();
        let cancelled = cancel.clone();
        tokio::spawn(cancelled.run_until_cancelled_owned(async move {
            sleep(Duration::from_millis(200)).await;
            for event in answer {
                let _ = sender.send(event).await;
            }
        }));
        LlmStream::new(events, cancel.drop_guard())
    }
}

#[async_trait]
impl TtsProvider for Vendors {
    fn name(&self) -> &'static str {
        "mouth"
    }

    async fn open(&self, _: TtsSettings) -> Result<TtsStream, ProviderError> {
        if self.0.lock().unwrap().no_voice {
            return Err(ProviderError::Refused { vendor: "mouth", status: 503 });
        }
        let (commands, mut asked) = mpsc::channel(64);
        let (sender, events) = mpsc::channel(64);
        let script = Arc::clone(&self.0);
        tokio::spawn(async move {
            let mut spoken = Spoken::default();
            while let Some(command) = asked.recv().await {
                let fails = matches!(command, TtsCommand::Speak { .. }) && fail_one(&script);
                sleep(Duration::from_millis(60)).await;
                let cut = script.lock().unwrap().breaks_off_after.take();
                let events = match cut {
                    Some(words) => spoken.break_off(command, words),
                    None => spoken.obey(command, fails),
                };
                for event in events {
                    if sender.send(event).await.is_err() {
                        return;
                    }
                }
            }
        });
        Ok(TtsStream::new(commands, events))
    }
}

fn fail_one(script: &Mutex<Script>) -> bool {
    let mut script = script.lock().unwrap();
    let fails = script.failing_utterances > 0;
    script.failing_utterances -= usize::from(fails);
    fails
}

/// How far the present utterance is.
#[derive(Default)]
struct Spoken {
    failed: bool,
    generation: Generation,
    words: u64,
}

impl Spoken {
    fn obey(&mut self, command: TtsCommand, fails: bool) -> Vec<TtsEvent> {
        match command {
            TtsCommand::Speak { generation, .. } if fails => {
                self.failed = true;
                vec![TtsEvent::Failed { generation, detail: "as the test wants it".into() }]
            }
            TtsCommand::Speak { generation, text } => self.speak(generation, &text),
            // A failed utterance has no end.
            TtsCommand::Finish { .. } if self.failed => vec![],
            TtsCommand::Finish { generation } => vec![TtsEvent::Done { generation }],
            TtsCommand::Cancel { .. } => vec![],
        }
    }

    /// Speaks the first words of a text, then fails.
    fn break_off(&mut self, command: TtsCommand, words: usize) -> Vec<TtsEvent> {
        let TtsCommand::Speak { generation, text } = command else { return vec![] };
        let start: Vec<_> = text.split_whitespace().take(words).collect();
        let mut events = self.speak(generation, &start.join(" "));
        self.failed = true;
        events.push(TtsEvent::Failed { generation, detail: "as the test wants it".into() });
        events
    }

    fn speak(&mut self, generation: Generation, text: &str) -> Vec<TtsEvent> {
        if self.generation != generation {
            (self.generation, self.words) = (generation, 0);
        }
        self.failed = false;
        let first = self.words;
        let word = |(number, text): (u64, &str)| Word {
            text: text.into(),
            start_ms: number * WORD_MS,
            end_ms: (number + 1) * WORD_MS,
        };
        let words: Vec<_> = (first..).zip(text.split_whitespace()).map(word).collect();
        self.words += words.len() as u64;
        let pcm = vec![LEVEL; words.len() * WORD_SAMPLES];
        vec![TtsEvent::Words { generation, words }, TtsEvent::Audio { generation, pcm }]
    }
}

//! One context: text comes in pieces, audio goes out word by word.

use super::super::{Fault, FaultKind, Vendors, VoiceKind};
use super::request::Settings;
use super::{espeak, wire};
use crate::speech::{Spoken, Voice, encode_text};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

/// Audio of one chunk.
const CHUNK_MS: usize = 100;

/// What a context is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// `whole` if its last word is complete.
    Text {
        text: String,
        whole: bool,
    },
    Flush,
    End,
}

/// What a context sends.
#[derive(Debug)]
pub(super) enum Sent {
    Json(Value),
    Garbage,
    /// Break the connection.
    Drop,
}

pub(super) struct Context {
    pub(super) id: Option<String>,
    pub(super) settings: Settings,
    pub(super) vendors: Arc<Vendors>,
    pub(super) fault: Option<Fault>,
    pub(super) out: mpsc::Sender<Sent>,
}

impl Context {
    /// Speaks until the text ends; dropping the future cancels.
    pub(super) async fn run(self, mut pieces: mpsc::UnboundedReceiver<Piece>) {
        if !self.begin().await {
            return;
        }
        let mut speaker = Speaker { context: &self, pending: String::new(), at_ms: 0, due: None };
        let mut flushes = 0;
        while let Some(piece) = pieces.recv().await {
            match piece {
                Piece::Text { text, whole } => {
                    speaker.pending.push_str(&text);
                    let words =
                        if whole { std::mem::take(&mut speaker.pending) } else { speaker.whole_words() };
                    speaker.speak(&words).await;
                }
                Piece::Flush => {
                    let rest = std::mem::take(&mut speaker.pending);
                    speaker.speak(&rest).await;
                    flushes += 1;
                    self.send(wire::flush_done(self.id.as_deref(), flushes)).await;
                }
                Piece::End => {
                    let rest = std::mem::take(&mut speaker.pending);
                    speaker.speak(&rest).await;
                    break;
                }
            }
        }
        self.send(wire::done(self.id.as_deref())).await;
    }

    /// Whether the context is served at all.
    async fn begin(&self) -> bool {
        let Some(fault) = &self.fault else { return true };
        let id = self.id.as_deref();
        match fault.kind {
            FaultKind::Stall => std::future::pending().await,
            FaultKind::Delay => sleep(Duration::from_millis(fault.delay_ms)).await,
            FaultKind::Garbage => {
                let _ = self.out.send(Sent::Garbage).await;
            }
            FaultKind::TooManyRequests => {
                self.send(wire::error(id, 429, "rate_limit_exceeded", "Too many concurrent requests.")).await;
                return false;
            }
            FaultKind::InternalError => {
                self.send(wire::error(id, 500, "internal_error", "Something broke.")).await;
                return false;
            }
            FaultKind::Drop => {}
        }
        true
    }

    async fn send(&self, message: Value) {
        let _ = self.out.send(Sent::Json(message)).await;
    }

    fn drops(&self) -> bool {
        self.fault.as_ref().is_some_and(|fault| fault.kind == FaultKind::Drop)
    }
}

struct Speaker<'a> {
    context: &'a Context,
    /// Text whose last word may not be complete.
    pending: String,
    /// Audio sent so far.
    at_ms: u64,
    /// When the synthesiser has the next audio ready.
    due: Option<Instant>,
}

impl Speaker<'_> {
    fn whole_words(&mut self) -> String {
        let Some(end) = self.pending.rfind(char::is_whitespace) else { return String::new() };
        let rest = self.pending.split_off(end);
        std::mem::replace(&mut self.pending, rest)
    }

    async fn speak(&mut self, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        let settings = &self.context.settings;
        let words = match self.context.vendors.voice {
            VoiceKind::Modem => encode_text(text, settings.sample_rate, Voice::Agent),
            VoiceKind::Espeak => espeak::speak(text, &settings.language, settings.sample_rate).await,
        };
        for word in words {
            self.word(word).await;
        }
    }

    async fn word(&mut self, word: Spoken) {
        let (id, rate) = (self.context.id.as_deref(), self.context.settings.sample_rate as usize);
        let offset = self.at_ms;
        self.at_ms += word.samples.len() as u64 * 1000 / rate as u64;
        if self.context.settings.timestamps {
            let word_ms = word.end_ms - word.start_ms;
            let placed =
                Spoken { start_ms: offset, end_ms: offset + word_ms, samples: Vec::new(), text: word.text };
            self.context.send(wire::timestamps(id, &[placed])).await;
        }
        for samples in word.samples.chunks(rate * CHUNK_MS / 1000) {
            let step = self.synthesise(samples.len(), rate).await;
            self.context.send(wire::chunk(id, samples, step)).await;
            if self.context.drops() {
                let _ = self.context.out.send(Sent::Drop).await;
            }
        }
    }

    /// Waits as long as a synthesiser takes, the first time with the vendor's delay.
    async fn synthesise(&mut self, samples: usize, rate: usize) -> Duration {
        let delays = &self.context.vendors.delays;
        let now = Instant::now();
        let ready = match self.due {
            None => now + delays.tts_first_byte(),
            Some(due) => due.max(now),
        };
        let length = Duration::from_secs_f64(samples as f64 / rate as f64);
        self.due = Some(ready + length / delays.synthesis_speed());
        sleep_until(ready).await;
        now.elapsed()
    }
}

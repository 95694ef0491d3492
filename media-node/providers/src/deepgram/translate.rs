//! Deepgram's messages as [`SttEvent`]s.

use super::describe;
use crate::SttEvent;
use deepgram::DeepgramError;
use deepgram::common::stream_response::{Alternatives, StreamResponse};
use talkif_call_engine::io::Word;

/// What one message means.
pub(super) enum Translated {
    /// Perhaps nothing.
    Event(Option<SttEvent>),
    /// Not readable; the stream may go on.
    Garbage,
    /// The stream is over.
    Over(String),
}

pub(super) fn response(response: Option<Result<StreamResponse, DeepgramError>>) -> Translated {
    match response {
        Some(Ok(message)) => Translated::Event(event(message)),
        Some(Err(DeepgramError::JsonError(_))) => Translated::Garbage,
        Some(Err(error)) => Translated::Over(describe(&error)),
        None => Translated::Over("the connection was closed".to_owned()),
    }
}

/// What a message says, if anything that matters to a call.
#[must_use]
pub fn event(message: StreamResponse) -> Option<SttEvent> {
    match message {
        StreamResponse::TranscriptResponse { is_final, from_finalize, channel, .. } => {
            transcript(channel.alternatives.into_iter().next(), is_final, from_finalize)
        }
        StreamResponse::SpeechStartedResponse { .. } => Some(SttEvent::SpeechStarted),
        StreamResponse::UtteranceEndResponse { .. } => Some(SttEvent::UtteranceEnd),
        _ => None,
    }
}

/// Empty texts say nothing, except as the answer to `Finalize`: then they say that no more words
/// will come.
///
/// The vendor's `speech_final` is a rule of silence, not an opinion about the turn, so it does not
/// become an end-of-turn score: our own detector has measured that silence already.
fn transcript(best: Option<Alternatives>, is_final: bool, from_finalize: bool) -> Option<SttEvent> {
    let best = best?;
    let text = best.transcript.trim().to_owned();
    match (is_final, text.is_empty()) {
        (false, true) => None,
        (false, false) => Some(SttEvent::Partial { text }),
        (true, true) if !from_finalize => None,
        (true, _) => Some(SttEvent::Final { text, end_of_turn: None, words: words(best) }),
    }
}

fn words(best: Alternatives) -> Vec<Word> {
    let word = |word: deepgram::common::stream_response::Word| Word {
        text: word.punctuated_word.unwrap_or(word.word),
        start_ms: milliseconds(word.start),
        end_ms: milliseconds(word.end),
    };
    best.words.into_iter().map(word).collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float cast saturates, and NaN becomes 0"
)]
fn milliseconds(seconds: f64) -> u64 {
    (seconds * 1_000.0).round() as u64
}

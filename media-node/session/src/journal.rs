//! What a call reports: events as they are, and the spans that follow from them.

use crate::clock::Clock;
use crate::job::{Entry, Report, Reports, Span};
use crate::punctuality::Punctuality;
use crate::recording::writer::{Finished, WriteError};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use talkif_call_engine::io::{Ending, Event, Time};
use talkif_model::{CallStatus, Outcome, Turn, TurnLatency};
use talkif_providers::Usage;
use talkif_telephony::LegQuality;
use tokio_util::sync::CancellationToken;

type Attributes = BTreeMap<String, Value>;

/// Writes reports until the call's fence falls; then another node owns the call, and not one more
/// word is written.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    reports: Reports,
    clock: Clock,
    fence: CancellationToken,
    // Shared with the shell around the call, which outlives a panic in it.
    reached: Arc<OnceLock<Time>>,
    answered: Arc<OnceLock<Time>>,
}

impl Journal {
    pub(crate) fn new(reports: Reports, clock: Clock, fence: CancellationToken) -> Self {
        Self { reports, clock, fence, reached: Arc::default(), answered: Arc::default() }
    }

    /// Whether the call has been answered.
    pub(crate) fn was_answered(&self) -> bool {
        self.answered.get().is_some()
    }

    /// The call's beginning, where it was not answered.
    fn answered_at(&self) -> Time {
        self.answered.get().copied().unwrap_or_default()
    }

    /// An event of the engine, and the spans that end with it.
    pub(crate) fn event(&self, event: Event) {
        let now = self.clock.now();
        match &event {
            Event::Status { status: CallStatus::Ringing } => self.reached(now, true),
            Event::Status { status: CallStatus::InProgress } => {
                self.reached(now, true);
                if self.answered.set(now).is_ok() {
                    self.span("call.answered", Time(0), now, true, Attributes::new());
                }
            }
            Event::Turn(turn) => self.turn(turn),
            Event::Qualified { outcome } => self.qualified(*outcome, now),
            _ => {}
        }
        self.write(Entry::Event(event));
    }

    /// Something was wrong and was got over.
    pub(crate) fn trouble(&self, detail: String) {
        self.write(Entry::Event(Event::Trouble { detail }));
    }

    /// What the vendors will bill.
    pub(crate) fn usage(&self, usage: &Usage) {
        let attributes = [
            ("stt_ms", json!(usage.stt_ms)),
            ("llm_requests", json!(usage.llm_requests)),
            ("llm_prompt_tokens", json!(usage.tokens.prompt)),
            ("llm_completion_tokens", json!(usage.tokens.completion)),
            ("tts_characters", json!(usage.tts_characters)),
        ];
        let from = self.answered_at();
        self.span("providers.usage", from, self.clock.now(), true, named(attributes));
    }

    /// The agent was told to be silent at `ordered`, and was from `now` on.
    pub(crate) fn silenced(&self, ordered: Time, now: Time) {
        self.span("call.silenced", ordered, now, true, Attributes::new());
    }

    /// How punctually the frames of an answered call went out.
    pub(crate) fn media(&self, counted: &Punctuality) {
        if counted.frames == 0 {
            return;
        }
        let mut attributes =
            named([("media.frames", json!(counted.frames)), ("media.frames_late", json!(counted.late))]);
        attributes.extend(counted.silence_ms.map(|ms| ("media.silence_ms".to_owned(), json!(ms))));
        self.span("call.media", self.answered_at(), self.clock.now(), true, attributes);
    }

    /// What the carrier tells about the call.
    pub(crate) fn particulars(&self, attributes: BTreeMap<String, String>) {
        self.write(Entry::Particulars { attributes });
    }

    pub(crate) fn recording(&self, finished: Finished) {
        let Finished { path, bytes, duration_ms } = finished;
        self.write(Entry::Recording { path, bytes, duration_ms });
    }

    pub(crate) fn recording_failed(&self, error: &WriteError) {
        self.write(Entry::RecordingFailed { detail: error.to_string() });
    }

    pub(crate) fn finished(&self, ending: Ending, sip_status: Option<u16>, quality: Option<LegQuality>) {
        self.reached(self.clock.now(), false);
        self.write(Entry::Finished { ending, sip_status, quality });
    }

    /// The far end rings or answers, or will do neither: `dial.start` ends, once.
    fn reached(&self, now: Time, ok: bool) {
        if self.reached.set(now).is_ok() {
            self.span("dial.start", Time(0), now, ok, Attributes::new());
        }
    }

    fn turn(&self, turn: &Turn) {
        let answered = self.answered_at();
        let mut attributes = named([
            ("turn", json!(turn.number)),
            ("speaker", json!(turn.speaker)),
            ("interrupted", json!(turn.interrupted)),
        ]);
        attributes.extend(turn.latency.iter().flat_map(stages));
        let (from, until) = (answered.plus_ms(turn.started_ms), answered.plus_ms(turn.ended_ms));
        self.span("turn", from, until, true, attributes);
    }

    fn qualified(&self, outcome: Outcome, now: Time) {
        let from = self.answered_at();
        self.span("qualify.done", from, now, true, named([("outcome", json!(outcome))]));
    }

    fn span(&self, name: &'static str, from: Time, until: Time, ok: bool, attributes: Attributes) {
        let (started_at, ended_at) = (self.clock.wall(from), self.clock.wall(until));
        self.write(Entry::Span(Span { name, started_at, ended_at, ok, attributes }));
    }

    fn write(&self, entry: Entry) {
        if !self.fence.is_cancelled() {
            let at = self.clock.wall(self.clock.now());
            // A journal that is gone takes the node down by itself; a call only goes on talking.
            let _ = self.reports.send(Report { at, entry });
        }
    }
}

fn named<const N: usize>(attributes: [(&str, Value); N]) -> Attributes {
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The stages of a turn's latency, as the model names them.
fn stages(latency: &TurnLatency) -> Attributes {
    match json!(latency) {
        Value::Object(stages) => stages.into_iter().collect(),
        _ => Attributes::new(),
    }
}

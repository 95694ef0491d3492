//! From what a session reports to what the statement `journal.record` takes.
//!
//! Spoken words and slots are redacted here, before anything is stored.

use crate::fresh;
use crate::redaction::{redact, storable};
use serde::Serialize;
use serde_json::{Map, Value, json};
use talkif_call_engine::io::Event;
use talkif_model::Turn;
use talkif_session::job::{Entry, Report, Span};
use talkif_store::Param;

/// Rows of one batch.
#[derive(Debug, Default)]
pub(super) struct Records {
    turns: Vec<TurnRow>,
    events: Vec<EventRow>,
    spans: Vec<SpanRow>,
    slots: Map<String, Value>,
}

#[derive(Debug, Serialize)]
struct TurnRow {
    turn_no: u32,
    speaker: &'static str,
    text: String,
    started_ms: u64,
    ended_ms: u64,
    interrupted: bool,
    latency: Option<talkif_model::TurnLatency>,
}

#[derive(Debug, Serialize)]
struct EventRow {
    seq: i64,
    r#type: &'static str,
    data: Value,
    at_us: i64,
}

#[derive(Debug, Serialize)]
struct SpanRow {
    span_id: String,
    name: &'static str,
    started_us: i64,
    ended_us: i64,
    status: &'static str,
    attributes: Value,
}

impl Records {
    /// `seq` numbers the events of a call: written twice, an event is stored once.
    pub(super) fn of(reports: &[Report], seq: &mut i64) -> Self {
        let mut records = Self::default();
        for report in reports {
            match &report.entry {
                Entry::Event(event) => records.add_event(event, fresh::unix_us(report.at), seq),
                Entry::RecordingFailed { detail } => {
                    let data = json!({ "detail": detail });
                    records.add_row("call.recording_failed", data, fresh::unix_us(report.at), seq);
                }
                Entry::Particulars { attributes } => {
                    let plain = |(name, value): (&String, &String)| (storable(name), storable(value).into());
                    let attributes: Map<String, Value> = attributes.iter().map(plain).collect();
                    records.add_row("call.sip", attributes.into(), fresh::unix_us(report.at), seq);
                }
                Entry::Span(span) => records.spans.push(span_row(span)),
                // These have their own statements.
                Entry::Dialed { .. } | Entry::Recording { .. } | Entry::Finished { .. } => {}
            }
        }
        records
    }

    fn add_event(&mut self, event: &Event, at_us: i64, seq: &mut i64) {
        match event {
            Event::Turn(turn) => self.turns.push(turn_row(turn)),
            Event::Slot { name, value } => {
                self.slots.insert(storable(name), redact(value).into());
            }
            _ => {}
        }
        if let Some((kind, data)) = event_row(event) {
            self.add_row(kind, data, at_us, seq);
        }
    }

    fn add_row(&mut self, kind: &'static str, data: Value, at_us: i64, seq: &mut i64) {
        *seq += 1;
        self.events.push(EventRow { seq: *seq, r#type: kind, data, at_us });
    }

    /// The statement's parameters after the fence.
    pub(super) fn params(&self) -> Result<Vec<Param>, serde_json::Error> {
        Ok(vec![
            serde_json::to_string(&self.turns)?.into(),
            serde_json::to_string(&self.events)?.into(),
            serde_json::to_string(&self.spans)?.into(),
            serde_json::to_string(&self.slots)?.into(),
        ])
    }
}

fn turn_row(turn: &Turn) -> TurnRow {
    TurnRow {
        turn_no: turn.number,
        speaker: turn.speaker.as_str(),
        text: redact(&turn.text.0),
        started_ms: turn.started_ms,
        ended_ms: turn.ended_ms,
        interrupted: turn.interrupted,
        latency: turn.latency,
    }
}

/// Turns are rows of their own, slots are kept with the call: the log names them only.
fn event_row(event: &Event) -> Option<(&'static str, Value)> {
    Some(match event {
        Event::Status { .. } | Event::Partial { .. } | Event::Turn(_) => return None,
        Event::Slot { name, .. } => ("call.slot", json!({ "name": storable(name) })),
        Event::Node { node } => ("call.node", json!({ "node": storable(node) })),
        Event::Interruption { false_alarm } => ("call.interruption", json!({ "false_alarm": false_alarm })),
        Event::Qualified { outcome } => ("call.qualified", json!({ "outcome": outcome })),
        Event::Transfer { name, state, sip_status } => {
            ("call.transfer", json!({ "target": storable(name), "state": state, "sip_status": sip_status }))
        }
        Event::OptedOut => ("call.opted_out", json!({})),
        Event::Voicemail => ("call.voicemail", json!({})),
        Event::Trouble { detail } => ("call.trouble", json!({ "detail": redact(detail) })),
    })
}

fn span_row(span: &Span) -> SpanRow {
    SpanRow {
        span_id: fresh::span_id(),
        name: span.name,
        started_us: fresh::unix_us(span.started_at),
        ended_us: fresh::unix_us(span.ended_at.max(span.started_at)),
        status: if span.ok { "ok" } else { "error" },
        attributes: json!(span.attributes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    fn text(param: &Param) -> &str {
        match param {
            Param::Text(Some(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_slot_is_kept_with_the_call_and_only_named_in_the_log() {
        let event = Event::Slot { name: "budget".into(), value: "12k".into() };
        let report = Report { at: SystemTime::UNIX_EPOCH, entry: Entry::Event(event) };
        let params = Records::of(&[report], &mut 6).params().unwrap();
        assert_eq!(text(&params[1]), r#"[{"seq":7,"type":"call.slot","data":{"name":"budget"},"at_us":0}]"#);
        assert_eq!(text(&params[3]), r#"{"budget":"12k"}"#);
    }

    #[test]
    fn what_the_carrier_tells_is_an_event_of_its_own() {
        let attributes = [("sip.h.x-desk".to_owned(), "a\0b".to_owned())].into();
        let report = Report { at: SystemTime::UNIX_EPOCH, entry: Entry::Particulars { attributes } };
        let params = Records::of(&[report], &mut 0).params().unwrap();
        assert_eq!(
            text(&params[1]),
            r#"[{"seq":1,"type":"call.sip","data":{"sip.h.x-desk":"ab"},"at_us":0}]"#
        );
    }
}

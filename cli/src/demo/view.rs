//! What the demo prints: lines for people, or one JSON object a line.

use super::follow::Followed;
use super::story::{Event, Hook, ToldTurn};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The terminal.
pub(crate) struct View {
    json: bool,
}

impl View {
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    fn emit(&self, kind: &str, at: Duration, object: Value, line: &str) {
        if self.json {
            let mut object = object;
            object["type"] = json!(kind);
            object["at_ms"] = json!(at.as_millis());
            println!("{object}");
        } else {
            println!("{:>8.3} s  {line}", at.as_secs_f64());
        }
    }

    /// A remark on the way.
    pub(crate) fn note(&self, text: &str) {
        if self.json {
            println!("{}", json!({ "type": "note", "text": text }));
        } else {
            println!("            {text}");
        }
    }

    /// The last word, for people: where objects are printed, the last one sums up.
    pub(crate) fn verdict(&self, text: &str) {
        if !self.json {
            self.note(text);
        }
    }

    /// The API took the lead.
    pub(crate) fn accepted(&self, accepted: &Value, took: Duration, live: bool) {
        if live {
            let line = format!("POST /v1/leads → 202 in {:.1} ms · {accepted}", took.as_secs_f64() * 1000.0);
            self.emit("accepted", took, json!({ "answer": accepted }), &line);
        }
    }

    /// Something has happened.
    pub(crate) fn event(&self, at: Duration, event: &Event, call: &Value) {
        match event {
            Event::Status(status) => self.status(at, status, call),
            Event::Turn(turn) => self.turn(at, turn),
            Event::Slots(slots) => self.slots(at, slots),
            Event::Hook(hook) => self.hook(at, hook),
        }
    }

    fn status(&self, at: Duration, status: &str, call: &Value) {
        let call = if call["status"] == status { call } else { &Value::Null };
        let more = call["end_reason"].as_str().map(|reason| {
            let outcome = call["outcome"].as_str().unwrap_or("no verdict");
            format!(" · {reason} · outcome: {outcome}")
        });
        let line = format!("☎ {status}{}", more.unwrap_or_default());
        self.emit(
            "status",
            at,
            json!({ "status": status, "end_reason": call["end_reason"], "outcome": call["outcome"] }),
            &line,
        );
    }

    fn turn(&self, at: Duration, turn: &ToldTurn) {
        let latency = match (turn.engine_ms, turn.heard_ms) {
            (Some(engine), Some(heard)) => format!("   [engine {engine:.0} ms, heard {heard:.0} ms]"),
            _ => String::new(),
        };
        let cut = if turn.interrupted { " —" } else { "" };
        let line = format!("{:>7}: {}{cut}{latency}", turn.speaker, turn.text);
        self.emit("turn", at, turn_json(turn), &line);
    }

    fn slots(&self, at: Duration, slots: &Map<String, Value>) {
        let known: Vec<String> = slots
            .iter()
            .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
            .collect();
        self.emit("slots", at, json!({ "slots": slots }), &format!("  ✎ {}", known.join(", ")));
    }

    fn hook(&self, at: Duration, hook: &Hook) {
        let verdict = if hook.verified {
            "signature verified by the standardwebhooks library"
        } else {
            "SIGNATURE REFUSED"
        };
        let line = format!("⇦ webhook {} · {verdict}", hook.event);
        self.emit("webhook", at, json!({ "event": hook.event, "verified": hook.verified }), &line);
    }

    /// The last lines: one call in full, or a table of many.
    pub(crate) fn conclude(&self, followed: &[Followed]) {
        if self.json {
            for call in followed {
                println!("{}", summary(call));
            }
            if followed.len() > 1 {
                println!("{}", totals(followed));
            }
        } else if followed.len() > 1 {
            print_table(followed);
        } else {
            followed.iter().for_each(print_details);
        }
    }
}

fn turn_json(turn: &ToldTurn) -> Value {
    json!({
        "speaker": turn.speaker, "text": turn.text, "interrupted": turn.interrupted,
        "engine_ms": turn.engine_ms, "heard_ms": turn.heard_ms,
    })
}

fn summary(call: &Followed) -> Value {
    let webhooks: Vec<Value> =
        call.webhooks.iter().map(|hook| json!({ "event": hook.event, "verified": hook.verified })).collect();
    json!({
        "type": "summary", "persona": call.persona.name(), "call_id": call.call_id, "status": call.status, "end_reason": call.end_reason,
        "outcome": call.outcome, "slots": call.slots, "booking": call.booking,
        "turns": call.turns.iter().map(turn_json).collect::<Vec<_>>(),
        "webhooks": webhooks, "recording": call.recording, "trace": call.trace_file, "trace_spans": call.trace_spans,
        "took_ms": call.took.as_millis(),
    })
}

/// The last object where there were several calls: what the table says to people.
fn totals(followed: &[Followed]) -> Value {
    let tally = |pick: fn(&Followed) -> String| {
        let mut counts = std::collections::BTreeMap::<String, usize>::new();
        followed.iter().for_each(|call| *counts.entry(pick(call)).or_default() += 1);
        counts
    };
    let turns = |pick: fn(&ToldTurn) -> Option<f64>| {
        median(followed.iter().flat_map(|call| call.turns.iter()).filter_map(pick).collect())
    };
    let hooks = || followed.iter().flat_map(|call| call.webhooks.iter());
    json!({
        "type": "totals", "calls": followed.len(),
        "statuses": tally(|call| call.status.clone()),
        "outcomes": tally(|call| call.outcome.clone().unwrap_or_else(|| "none".to_owned())),
        "engine_p50_ms": turns(|turn| turn.engine_ms), "heard_p50_ms": turns(|turn| turn.heard_ms),
        "webhooks": hooks().count(), "webhooks_verified": hooks().filter(|hook| hook.verified).count(),
    })
}

fn print_details(call: &Followed) {
    println!();
    println!("            outcome    {}", call.outcome.as_deref().unwrap_or("no verdict"));
    if call.booking.is_object() {
        println!("            booking    {}", call.booking);
    }
    match &call.recording {
        Some(path) => {
            println!("            recording  {} (stereo: left caller, right agent)", path.display())
        }
        None => println!("            recording  none: nobody was recorded"),
    }
    println!("            trace      {} ({} spans)", call.trace_file.display(), call.trace_spans);
    for span in &call.trace {
        let duration = span["duration_ms"].as_f64().unwrap_or_default();
        println!(
            "              {:<16} {:>10.1} ms  {}",
            span["name"].as_str().unwrap_or_default(),
            duration,
            span["status"].as_str().unwrap_or_default()
        );
    }
}

fn print_table(followed: &[Followed]) {
    println!(
        "{:<32} {:<12} {:<10} {:<16} {:<13} {:>5} {:>10} {:>10} {:>5} {:>8}",
        "call",
        "persona",
        "status",
        "ended by",
        "outcome",
        "turns",
        "engine p50",
        "heard p50",
        "hooks",
        "took"
    );
    for call in followed {
        let median =
            |pick: fn(&ToldTurn) -> Option<f64>| told(median(call.turns.iter().filter_map(pick).collect()));
        println!(
            "{:<32} {:<12} {:<10} {:<16} {:<13} {:>5} {:>10} {:>10} {:>5} {:>6.1} s",
            call.call_id,
            call.persona.name(),
            call.status,
            call.end_reason,
            call.outcome.as_deref().unwrap_or("-"),
            call.turns.len(),
            median(|turn| turn.engine_ms),
            median(|turn| turn.heard_ms),
            call.webhooks.len(),
            call.took.as_secs_f64(),
        );
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

fn told(ms: Option<f64>) -> String {
    ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.0} ms"))
}

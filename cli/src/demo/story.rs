//! What has happened to a call, each thing once, at the time at which it happened.
//!
//! A call is looked at every few hundred milliseconds, and a status may last shorter than that.
//! So the steps are told by the times that the API keeps, not by what a look happens to see.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use std::time::Duration;

/// A webhook that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hook {
    pub(crate) event: String,
    pub(crate) verified: bool,
    pub(crate) at: Timestamp,
}

/// A turn as the API tells it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ToldTurn {
    pub(crate) speaker: String,
    pub(crate) text: String,
    pub(crate) interrupted: bool,
    /// Since the answer.
    pub(crate) ended_ms: i64,
    pub(crate) engine_ms: Option<f64>,
    pub(crate) heard_ms: Option<f64>,
}

/// One thing that has happened.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    /// The call came into this status.
    Status(String),
    /// Somebody has spoken.
    Turn(ToldTurn),
    /// What is known now and was not, or was known otherwise.
    Slots(Map<String, Value>),
    /// A webhook arrived.
    Hook(Hook),
}

/// A call's events so far.
pub(crate) struct Story {
    begun: Timestamp,
    statuses: Vec<String>,
    turns: usize,
    slots: Map<String, Value>,
    hooks: usize,
}

impl Story {
    /// A story whose times count from `begun`.
    pub(crate) fn since(begun: Timestamp) -> Self {
        Self { begun, statuses: Vec::new(), turns: 0, slots: Map::new(), hooks: 0 }
    }

    /// What is new at a look at `now`, oldest first.
    pub(crate) fn news(&mut self, call: &Value, hooks: &[Hook], now: Timestamp) -> Vec<(Duration, Event)> {
        let mut news = self.new_statuses(call, now);
        news.extend(self.new_turns(call, now));
        news.extend(self.new_slots(call).map(|slots| (now, Event::Slots(slots))));
        news.extend(hooks.iter().skip(self.hooks).map(|hook| (hook.at, Event::Hook(hook.clone()))));
        self.hooks = self.hooks.max(hooks.len());
        news.sort_by_key(|(at, _)| *at);
        let since_begun =
            |at: Timestamp| Duration::try_from(at.duration_since(self.begun)).unwrap_or_default();
        news.into_iter().map(|(at, event)| (since_begun(at), event)).collect()
    }

    fn new_statuses(&mut self, call: &Value, now: Timestamp) -> Vec<(Timestamp, Event)> {
        let mut news = Vec::new();
        for (status, at) in steps(call, now) {
            if !self.statuses.contains(&status) {
                self.statuses.push(status.clone());
                news.push((at, Event::Status(status)));
            }
        }
        news
    }

    fn new_turns(&mut self, call: &Value, now: Timestamp) -> Vec<(Timestamp, Event)> {
        let answered = time(call, "answered_at").unwrap_or(now);
        let turns = turns_of(call);
        let new = turns.iter().skip(self.turns).map(|turn| {
            let at = answered + SignedDuration::from_millis(turn.ended_ms);
            (at, Event::Turn(turn.clone()))
        });
        let news = new.collect();
        self.turns = self.turns.max(turns.len());
        news
    }

    fn new_slots(&mut self, call: &Value) -> Option<Map<String, Value>> {
        let slots = call["slots"].as_object()?;
        let new = slots.iter().filter(|(name, value)| self.slots.get(*name) != Some(value));
        let new: Map<String, Value> = new.map(|(name, value)| (name.clone(), value.clone())).collect();
        self.slots.extend(new.clone());
        (!new.is_empty()).then_some(new)
    }
}

/// The statuses a call has gone through, with their times.
fn steps(call: &Value, now: Timestamp) -> Vec<(String, Timestamp)> {
    let kept = [("queued", "created_at"), ("initiated", "dialed_at"), ("in_progress", "answered_at")];
    let mut steps: Vec<(String, Timestamp)> = kept
        .into_iter()
        .filter_map(|(status, field)| Some((status.to_owned(), time(call, field)?)))
        .collect();
    steps.extend(ringing_since(call, now).map(|at| ("ringing".to_owned(), at)));
    steps.extend(time(call, "ended_at").map(|at| (text(call, "status"), at)));
    steps
}

/// The trace keeps when the dialling ended; unless that was the answer or the end, it rang then.
fn ringing_since(call: &Value, now: Timestamp) -> Option<Timestamp> {
    let dialling = call["trace"].as_array()?.iter().find(|span| span["name"] == "dial.start");
    let traced = dialling.filter(|span| span["status"] == "ok").and_then(|span| {
        let ms = span["duration_ms"].as_f64().filter(|ms| ms.is_finite())?;
        Some(time(span, "started_at")? + SignedDuration::try_from_secs_f64(ms / 1000.0).ok()?)
    });
    match traced {
        None => (call["status"] == "ringing").then_some(now),
        Some(at) => {
            let next = time(call, "answered_at").or_else(|| time(call, "ended_at")).unwrap_or(now);
            (next.duration_since(at) > SignedDuration::from_millis(5)).then_some(at)
        }
    }
}

fn time(value: &Value, field: &str) -> Option<Timestamp> {
    value[field].as_str()?.parse().ok()
}

/// A text field, or nothing.
pub(crate) fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

/// The turns of a call with its transcript.
pub(crate) fn turns_of(call: &Value) -> Vec<ToldTurn> {
    let turns = call["transcript"].as_array().into_iter().flatten();
    turns
        .map(|turn| ToldTurn {
            speaker: text(turn, "speaker"),
            text: text(turn, "text"),
            interrupted: turn["interrupted"].as_bool().unwrap_or_default(),
            ended_ms: turn["ended_ms"].as_i64().unwrap_or_default(),
            engine_ms: turn["latency"]["engine_ms"].as_f64(),
            heard_ms: turn["latency"]["heard_ms"].as_f64(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const BEGUN: &str = "2026-11-21T10:00:00Z";

    fn at(ms: i64) -> Timestamp {
        BEGUN.parse::<Timestamp>().unwrap() + SignedDuration::from_millis(ms)
    }

    /// `0.610 ringing`, a line for each event.
    fn told(story: &mut Story, call: &Value, hooks: &[Hook], now_ms: i64) -> Vec<String> {
        let word = |event: Event| match event {
            Event::Status(status) => status,
            Event::Turn(turn) => format!("{}: {}", turn.speaker, turn.text),
            Event::Slots(slots) => slots.keys().cloned().collect::<Vec<_>>().join("+"),
            Event::Hook(hook) => format!("<- {}", hook.event),
        };
        let news = story.news(call, hooks, at(now_ms));
        news.into_iter().map(|(at, event)| format!("{:.3} {}", at.as_secs_f64(), word(event))).collect()
    }

    fn hook(event: &str, ms: i64) -> Hook {
        Hook { event: event.to_owned(), verified: true, at: at(ms) }
    }

    #[test]
    fn statuses_that_no_look_saw_are_told_in_order_with_their_true_times() {
        let call = json!({
            "status": "completed", "created_at": at(10).to_string(), "dialed_at": at(60).to_string(),
            "answered_at": at(700).to_string(), "ended_at": at(9_000).to_string(),
            "trace": [{ "name": "dial.start", "status": "ok", "started_at": at(60).to_string(), "duration_ms": 40.0 }],
        });
        let mut story = Story::since(at(0));
        let lines = told(&mut story, &call, &[hook("lead.created", 30)], 9_100);
        let expected = [
            "0.010 queued",
            "0.030 <- lead.created",
            "0.060 initiated",
            "0.100 ringing",
            "0.700 in_progress",
            "9.000 completed",
        ];
        assert_eq!(lines, expected);
        assert!(
            told(&mut story, &call, &[hook("lead.created", 30)], 9_250).is_empty(),
            "each thing is told once"
        );
    }

    #[test]
    fn a_call_that_never_rang_is_not_said_to_have_rung() {
        let call = json!({
            "status": "busy", "created_at": at(10).to_string(), "dialed_at": at(60).to_string(),
            "ended_at": at(90).to_string(),
            "trace": [{ "name": "dial.start", "status": "error", "started_at": at(60).to_string(), "duration_ms": 30.0 }],
        });
        let lines = told(&mut Story::since(at(0)), &call, &[], 150);
        assert_eq!(lines, ["0.010 queued", "0.060 initiated", "0.090 busy"]);
    }

    #[test]
    fn only_new_and_changed_slots_are_told_after_the_turn_that_filled_them() {
        let mut story = Story::since(at(0));
        let turn = json!({ "speaker": "caller", "text": "soon", "ended_ms": 2_000 });
        let first = json!({
            "answered_at": at(700).to_string(), "transcript": [turn], "slots": { "timing": "soon" },
        });
        assert_eq!(
            told(&mut story, &first, &[], 2_800),
            ["0.700 in_progress", "2.700 caller: soon", "2.800 timing"]
        );
        let second = json!({ "slots": { "timing": "later", "budget": "ten" } });
        assert_eq!(told(&mut story, &second, &[], 3_000), ["3.000 budget+timing"]);
    }
}

//! The caller speaks over the agent: from the engine's decision to silence on the wire.
//!
//! The decision is the beginning of the trace's `call.silenced`. The agent's voice ends a frame
//! after the last packet with sound in it has come to the lab's phone, before a pause.

use super::calls::{Caller, time};
use super::load::quantile;
use super::table::{Figure, Mark};
use crate::demo::Persona;
use anyhow::{Result, bail};
use serde_json::Value;
use std::time::Duration;

/// The agent's voice has ended within this, or its end was not the decision's doing.
const WITHIN_MS: f64 = 400.0;
/// What a packet holds of sound.
const FRAME_MS: f64 = 20.0;
/// How far the order of a decision and an arrival may be blurred by the clocks of two processes.
const BLUR_MS: f64 = 5.0;

/// Barge-ins of `calls` callers who talk into the agent's sentence.
pub(crate) async fn run(caller: &Caller<'_>, calls: usize) -> Result<Vec<Figure>> {
    let people = caller.people(&[Persona::Interrupts], calls)?;
    let ended = caller.round(&people, Duration::from_millis(250)).await?;
    let log = caller.lab_log().await?;
    let mut waits = Vec::new();
    for call in &ended {
        let Some(heard) = log.iter().find(|record| record["number"] == call.number.as_str()) else {
            continue;
        };
        let silences = milliseconds(&heard["silences"]);
        let spans = call.call["trace"].as_array().into_iter().flatten();
        let decisions = spans.filter(|span| span["name"] == "call.silenced");
        waits.extend(decisions.filter_map(|span| wait(at(&span["started_at"])?, &silences)));
    }
    if waits.is_empty() {
        bail!("nobody was interrupted");
    }
    waits.sort_by(f64::total_cmp);
    let figure = |name: &str, value| Figure::new("barge-in", name, value, "ms");
    Ok(vec![
        figure("decision to silence on the wire, median", quantile(&waits, 0.5)),
        figure("decision to silence on the wire, p95", quantile(&waits, 0.95)).mark(Mark::AtMost(20.0)),
        figure("decision to silence on the wire, longest", quantile(&waits, 1.0)),
        Figure::new("barge-in", "interruptions measured", waits.len() as f64, ""),
    ])
}

/// Milliseconds from the decision to the end of the sound it cut. The decision falls as a frame is
/// due: if that frame is silent already, the last one with sound ends just then.
fn wait(decided: f64, silences: &[f64]) -> Option<f64> {
    let ends = silences.iter().map(|last| last + FRAME_MS - decided);
    ends.into_iter().find(|after| *after > -BLUR_MS).filter(|after| *after < WITHIN_MS)
}

fn milliseconds(values: &Value) -> Vec<f64> {
    values.as_array().into_iter().flatten().filter_map(at).collect()
}

fn at(value: &Value) -> Option<f64> {
    Some(time(value)?.as_microsecond() as f64 / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_that_a_decision_brought_about_is_the_next_one() {
        assert_eq!(wait(1_000.0, &[500.0, 1_015.0, 1_020.0]), Some(35.0));
        assert_eq!(wait(1_000.0, &[980.5]), Some(0.5), "its own frame was silent");
        assert_eq!(wait(1_000.0, &[970.0]), None, "the voice had ended by itself");
        assert_eq!(wait(1_000.0, &[500.0, 1_900.0]), None, "the voice went on");
    }
}

//! The caller speaks over the agent: from the engine's decision to silence on the wire.
//!
//! The decision is the beginning of the trace's `call.silenced`; the end of the agent's voice is
//! the arrival of the last packet with sound in it at the lab's phone, before a pause.

use super::calls::{Caller, time};
use super::load::quantile;
use super::table::{Figure, Mark};
use crate::demo::Persona;
use anyhow::{Result, bail};
use serde_json::Value;
use std::time::Duration;

/// The agent's voice has ended within this, or its end was not the decision's doing.
const WITHIN_MS: f64 = 400.0;

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
        figure("decision to the last packet with sound, median", quantile(&waits, 0.5)),
        figure("decision to the last packet with sound, p95", quantile(&waits, 0.95))
            .mark(Mark::AtMost(20.0)),
        figure("decision to the last packet with sound, longest", quantile(&waits, 1.0)),
        Figure::new("barge-in", "interruptions measured", waits.len() as f64, ""),
    ])
}

/// Milliseconds from the decision to the first pause whose last sound came around it or later.
fn wait(decided: f64, silences: &[f64]) -> Option<f64> {
    // A frame may have been under way to the phone when the decision was made.
    let after = silences.iter().map(|at| at - decided).find(|after| *after > -30.0)?;
    (after < WITHIN_MS).then_some(after.max(0.0))
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
        assert_eq!(wait(1_000.0, &[500.0, 1_015.0, 1_020.0]), Some(15.0));
        assert_eq!(wait(1_000.0, &[990.0]), Some(0.0), "the voice had just ended");
        assert_eq!(wait(1_000.0, &[500.0, 1_900.0]), None, "the voice went on");
    }
}

//! Postgres was away for longer than a lease, and nothing else was wrong.

use super::leads::ended_naturally;
use super::{Check, complaint};
use crate::chaos::cast::Wave;
use crate::chaos::facts::{Facts, Ring};

/// An agent that says nothing for so long is no longer there.
const LONG_SILENCE_US: i64 = 8_000_000;

pub(super) fn checks(facts: &Facts) -> Vec<Check> {
    vec![went_on(facts), uncut(facts), told(facts)]
}

/// Those who were on the line for long enough after Postgres had gone heard the agent.
fn went_on(facts: &Facts) -> Check {
    let gone_us = facts.outage.gone_us;
    let listens = |ring: &&Ring| {
        let is_late = ring.ended_us.is_none_or(|ended_us| ended_us > gone_us + LONG_SILENCE_US);
        ring.answered_us.is_some_and(|answered_us| answered_us < gone_us) && is_late
    };
    let during = gone_us..facts.outage.back_us;
    Check::every(
        "phones that the agent spoke to without Postgres",
        facts.rings.iter().filter(listens),
        |ring| {
            let spoke = ring.words_us.iter().any(|at_us| during.contains(at_us));
            complaint(!spoke, || {
                format!("{}: silence", ring.call.as_deref().unwrap_or("a call without a name"))
            })
        },
    )
    .not_idle()
}

fn uncut(facts: &Facts) -> Check {
    ended_naturally("calls not cut while Postgres was away", facts, &[Wave::Talking, Wave::Knocking])
        .not_idle()
}

fn told(facts: &Facts) -> Check {
    let late = facts.leads.iter().enumerate().filter(|(_, lead)| lead.wave == Wave::Knocking);
    Check::every("leads told to come again without Postgres", late, |(index, lead)| {
        complaint(lead.postponed == 0, || format!("request {index}: no 503 with Retry-After"))
    })
    .not_idle()
}

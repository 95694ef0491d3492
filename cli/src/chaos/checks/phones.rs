//! What the phones heard.

use super::leads::must_not_ring;
use super::{Check, complaint};
use crate::chaos::facts::{CallRow, Facts, Ring};
use std::collections::BTreeMap;

/// The phones' clock and the database's are the same machine's, but who ends a call writes the
/// moment down before the packets under way have arrived.
const SLACK_US: i64 = 2_000_000;

pub(super) fn checks(facts: &Facts) -> Vec<Check> {
    vec![
        once(facts),
        known(facts),
        per_attempt(facts),
        silent(facts),
        not_after(facts),
        mute(facts),
        down(facts),
    ]
}

fn calls(facts: &Facts) -> BTreeMap<&str, &CallRow> {
    facts.stored.calls.iter().map(|call| (call.id.as_str(), call)).collect()
}

/// A ring as evidence: its call, for the number is personal.
fn name(ring: &Ring) -> &str {
    ring.call.as_deref().unwrap_or("a call without a name")
}

fn once(facts: &Facts) -> Check {
    let mut rings: BTreeMap<&str, usize> = BTreeMap::new();
    for ring in &facts.rings {
        *rings.entry(name(ring)).or_default() += 1;
    }
    Check::every("calls whose phone rang once", rings, |(call, times)| {
        complaint(*times != 1, || format!("{call}: rang {times} times"))
    })
    .not_idle()
}

fn known(facts: &Facts) -> Check {
    let calls = calls(facts);
    Check::every("rings that the database allowed first", &facts.rings, |ring| {
        let row = calls.get(name(ring));
        let agrees = row.is_some_and(|row| row.is_dialed && row.number == ring.number);
        complaint(!agrees, || {
            format!("{}: {}", name(ring), if row.is_some() { "not dialled" } else { "no row" })
        })
    })
}

fn per_attempt(facts: &Facts) -> Check {
    let mut by_number: BTreeMap<&str, usize> = BTreeMap::new();
    for ring in &facts.rings {
        *by_number.entry(&ring.number).or_default() += 1;
    }
    Check::every("numbers rung once an attempt at most", by_number, |(number, times)| {
        let dialed = facts.stored.calls.iter().filter(|call| call.number == *number && call.is_dialed);
        let ids: Vec<&str> = dialed.map(|call| call.id.as_str()).collect();
        complaint(*times > ids.len(), || format!("{ids:?}: rang {times} times"))
    })
}

fn silent(facts: &Facts) -> Check {
    Check::every("phones that must not ring", must_not_ring(facts), |(kind, number)| {
        let times = facts.rings.iter().filter(|ring| ring.number == *number).count();
        complaint(times > 0, || format!("{kind:?}: rang {times} times"))
    })
}

fn after_the_end(facts: &Facts, moment: impl Fn(&Ring) -> Option<i64>) -> impl Fn(&&Ring) -> Option<String> {
    let ends: BTreeMap<String, i64> =
        facts.stored.calls.iter().filter_map(|call| Some((call.id.clone(), call.ended_us?))).collect();
    move |ring| {
        let late_us = moment(ring)? - ends.get(name(ring))?;
        complaint(late_us > SLACK_US, || {
            format!("{}: {:.1} s after its end", name(ring), late_us as f64 / 1e6)
        })
    }
}

fn not_after(facts: &Facts) -> Check {
    Check::every(
        "rings before their call had ended",
        &facts.rings,
        after_the_end(facts, |ring| Some(ring.invited_us)),
    )
}

fn mute(facts: &Facts) -> Check {
    let spoken = facts.rings.iter().filter(|ring| !ring.words_us.is_empty());
    Check::every(
        "calls in which nobody spoke after the end",
        spoken,
        after_the_end(facts, |ring| ring.words_us.last().copied()),
    )
}

fn down(facts: &Facts) -> Check {
    Check::every("phones that were hung up", &facts.rings, |ring| {
        complaint(!ring.is_over(), || format!("{}: still up", name(ring)))
    })
}

//! What the customer was promised, and what the database says of it.

use super::{Check, complaint};
use crate::chaos::cast::{Kind, Wave};
use crate::chaos::facts::{CallRow, Facts, Lead, LeadRow};
use std::collections::{BTreeMap, BTreeSet};

const LEAD_ENDS: [&str; 4] = ["reached", "exhausted", "canceled", "blocked"];
const CALL_ENDS: [&str; 5] = ["completed", "failed", "no_answer", "busy", "canceled"];
/// How a call ends that nobody cut.
const NATURAL_ENDS: [&str; 4] = ["caller_hangup", "agent_completed", "no_answer", "busy"];

pub(super) fn checks(facts: &Facts) -> Vec<Check> {
    vec![
        answered(facts),
        polite(facts),
        refused(facts),
        canceled(facts),
        stored_once(facts),
        repeated(facts),
        one_lead_each(facts),
        lead_ends(facts),
        call_ends(facts),
        attempts(facts),
        leases(facts),
        uncut(facts),
    ]
}

fn accepted(facts: &Facts) -> impl Iterator<Item = (&Lead, &str)> {
    facts.leads.iter().filter_map(|lead| Some((lead, lead.id()?)))
}

/// However long an outage was, the customer's retries came through.
fn answered(facts: &Facts) -> Check {
    Check::every("leads answered in the end", facts.leads.iter().enumerate(), |(index, lead)| {
        complaint(lead.accepted.is_none() && !lead.refused, || {
            format!("request {index}: no answer after {} retries", lead.retries)
        })
    })
    .not_idle()
}

fn polite(facts: &Facts) -> Check {
    Check::every("leads answered only as documented", facts.leads.iter().enumerate(), |(index, lead)| {
        complaint(!lead.odd.is_empty() || lead.hasty > 0, || {
            format!("request {index}: {:?}, 503 without Retry-After: {}", lead.odd, lead.hasty)
        })
    })
}

fn refused(facts: &Facts) -> Check {
    let unwanted = facts.leads.iter().enumerate().filter(|(_, lead)| !lead.kind.is_accepted());
    Check::every("leads that must be refused", unwanted, |(index, lead)| {
        let is_stored = facts.stored.leads.iter().any(|row| row.number == lead.number);
        complaint(!lead.refused || is_stored, || {
            format!("request {index} ({:?}): refused {}, stored {is_stored}", lead.kind, lead.refused)
        })
    })
}

/// Nobody dials a lead in quiet hours, so its owner is never too late.
fn canceled(facts: &Facts) -> Check {
    let held = accepted(facts).filter(|(lead, _)| lead.kind == Kind::Quiet);
    Check::every("held leads that their owner canceled", held, |(lead, id)| {
        let state =
            facts.stored.leads.iter().find(|row| row.id == *id).map_or("missing", |row| row.state.as_str());
        complaint(!lead.canceled || state != "canceled", || {
            format!("{id}: canceled {}, {state}", lead.canceled)
        })
    })
}

fn stored_once(facts: &Facts) -> Check {
    Check::every("accepted leads that are stored", accepted(facts), |(_, id)| {
        let rows = facts.stored.leads.iter().filter(|row| row.id == *id).count();
        complaint(rows != 1, || format!("{id}: {rows} rows"))
    })
    .not_idle()
}

fn repeated(facts: &Facts) -> Check {
    let again = accepted(facts).filter_map(|(lead, id)| Some((id, lead.repeated.as_deref()?)));
    Check::every("repeated requests answered with the same lead", again, |(first, second)| {
        complaint(first != second, || format!("{first}, then {second}"))
    })
}

/// Every number belongs to one lead of the run, so a second row is a lead that was doubled, and a
/// row that nobody was told of one that the customer would post again.
fn one_lead_each(facts: &Facts) -> Check {
    let known: BTreeSet<&str> = accepted(facts).map(|(_, id)| id).collect();
    let count = |number: &str| facts.stored.leads.iter().filter(|row| row.number == number).count();
    Check::every("stored leads that are one request's alone", &facts.stored.leads, |row| {
        let (is_known, rows) = (known.contains(row.id.as_str()), count(&row.number));
        complaint(!is_known || rows != 1, || {
            format!("{}: {rows} for its number, accepted {is_known}", row.id)
        })
    })
}

fn lead_ends(facts: &Facts) -> Check {
    let rows: BTreeMap<&str, &LeadRow> =
        facts.stored.leads.iter().map(|row| (row.id.as_str(), row)).collect();
    Check::every("accepted leads with one terminal state", accepted(facts), |(_, id)| {
        let state = rows.get(id).map_or("missing", |row| row.state.as_str());
        complaint(!LEAD_ENDS.contains(&state), || format!("{id}: {state}"))
    })
    .not_idle()
}

fn call_ends(facts: &Facts) -> Check {
    Check::every("calls with one terminal state, written once", &facts.stored.calls, |call| {
        let ended = CALL_ENDS.contains(&call.status.as_str()) && call.end_reason.is_some();
        // A lead that its owner cancels ends its call without a dialer.
        let endings = if call.status == "canceled" { call.endings <= 1 } else { call.endings == 1 };
        complaint(!ended || !endings, || {
            format!("{}: {} ({:?}), ended {} times", call.id, call.status, call.end_reason, call.endings)
        })
    })
    .not_idle()
}

fn attempts(facts: &Facts) -> Check {
    let mut by_lead: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for call in &facts.stored.calls {
        by_lead.entry(&call.lead).or_default().push(call.attempt);
    }
    Check::every("leads whose attempts count from 1 without a gap", by_lead, |(lead, attempts)| {
        let mut sorted = attempts.clone();
        sorted.sort_unstable();
        complaint(!sorted.iter().copied().eq(1..=sorted.len() as i64), || format!("{lead}: {sorted:?}"))
    })
}

fn leases(facts: &Facts) -> Check {
    let calls = facts.stored.calls.iter().filter(|call| call.is_leased).map(|call| call.id.clone());
    let deliveries = facts.stored.deliveries.iter().filter(|delivery| delivery.is_leased);
    Check::none("leases left behind", calls.chain(deliveries.map(|delivery| delivery.event_id.clone())))
}

fn uncut(facts: &Facts) -> Check {
    ended_naturally("calls not cut by a rolling restart", facts, &[Wave::Rolling])
}

/// The agent gave up because its voice came too late, as it does on a machine that has too much
/// else to do. Nobody cut such a call; the report counts them.
pub(in crate::chaos) fn fell_silent(call: &CallRow) -> bool {
    call.end_reason.as_deref() == Some("agent_error")
        && call.failure_detail.as_deref() == Some("the voice stays silent")
}

/// Nobody cut the calls of these waves.
pub(super) fn ended_naturally(name: &'static str, facts: &Facts, waves: &[Wave]) -> Check {
    let of_waves = accepted(facts).filter(|(lead, _)| waves.contains(&lead.wave));
    let leads: BTreeSet<&str> = of_waves.map(|(_, id)| id).collect();
    let calls = facts.stored.calls.iter().filter(|call| leads.contains(call.lead.as_str()));
    Check::every(name, calls, |call: &&CallRow| {
        let reason = call.end_reason.as_deref().unwrap_or("none");
        let is_cut = !NATURAL_ENDS.contains(&reason) && !fell_silent(call);
        complaint(is_cut, || format!("{}: {reason} ({:?})", call.id, call.failure_detail))
    })
}

/// Used by the phones' checks too.
pub(super) fn must_not_ring(facts: &Facts) -> impl Iterator<Item = (Kind, &str)> {
    facts.leads.iter().filter(|lead| !lead.kind.may_ring()).map(|lead| (lead.kind, lead.number.as_str()))
}

//! What the customer's receiver got.

use super::{Check, complaint};
use crate::chaos::facts::{Arrival, Facts};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn checks(facts: &Facts) -> Vec<Check> {
    vec![
        verified(facts),
        same_body(facts),
        one_id(facts),
        own_lead(facts),
        arrived(facts),
        delivered(facts),
        in_order(facts),
        one_outcome(facts),
        every_call_has_one(facts),
    ]
}

fn verified(facts: &Facts) -> Check {
    Check::every("webhooks whose signature verifies", &facts.arrivals, |arrival| {
        complaint(!arrival.verified, || format!("{} ({})", arrival.id, arrival.event))
    })
    .not_idle()
}

fn same_body(facts: &Facts) -> Check {
    let mut bodies: BTreeMap<&str, BTreeSet<(u64, &str)>> = BTreeMap::new();
    for arrival in &facts.arrivals {
        bodies.entry(&arrival.id).or_default().insert((arrival.digest, &arrival.body_id));
    }
    Check::every("events whose repeats are the same", bodies, |(id, bodies)| {
        let is_own = bodies.iter().all(|(_, body_id)| body_id == id);
        complaint(bodies.len() != 1 || !is_own, || {
            format!("{id}: {} bodies, its own id {is_own}", bodies.len())
        })
    })
}

/// What happened, by call and type, with the ids under which it was told.
fn told(facts: &Facts) -> BTreeMap<(&str, &str), BTreeSet<&str>> {
    let mut told: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for arrival in &facts.arrivals {
        told.entry((&arrival.call, &arrival.event)).or_default().insert(&arrival.id);
    }
    told
}

fn one_id(facts: &Facts) -> Check {
    Check::every("happenings told under one id", told(facts), |((call, event), ids)| {
        complaint(ids.len() != 1, || format!("{call} {event}: {} ids", ids.len()))
    })
}

fn own_lead(facts: &Facts) -> Check {
    let leads: BTreeMap<&str, &str> =
        facts.stored.calls.iter().map(|call| (call.id.as_str(), call.lead.as_str())).collect();
    Check::every("webhooks that name their call's lead", &facts.arrivals, |arrival| {
        let is_own = leads.get(arrival.call.as_str()) == Some(&arrival.lead.as_str());
        complaint(!is_own, || format!("{} {}: {}", arrival.call, arrival.event, arrival.lead))
    })
}

fn arrived(facts: &Facts) -> Check {
    let told = told(facts);
    let mut due: Vec<(&str, String)> = Vec::new();
    for call in &facts.stored.calls {
        let mut owe = |is_due: bool, event: String| due.extend(is_due.then_some((call.id.as_str(), event)));
        owe(call.attempt == 1, "lead.created".to_owned());
        owe(call.is_started, "call.started".to_owned());
        owe(call.is_answered, "call.answered".to_owned());
        owe(call.outcome.is_some(), format!("outcome.{}", call.outcome.as_deref().unwrap_or_default()));
    }
    Check::every("happenings that were told", due, |(call, event)| {
        complaint(!told.contains_key(&(*call, event.as_str())), || format!("{call} {event}"))
    })
    .not_idle()
}

fn delivered(facts: &Facts) -> Check {
    let ids: BTreeSet<&str> = facts.arrivals.iter().map(|arrival| arrival.id.as_str()).collect();
    Check::every("deliveries that arrived and are marked so", &facts.stored.deliveries, |delivery| {
        let arrived = ids.contains(delivery.event_id.as_str());
        complaint(!arrived || delivery.state != "delivered", || {
            format!("{} ({}): {}, arrived {arrived}", delivery.event_id, delivery.event, delivery.state)
        })
    })
}

fn rank(event: &str) -> usize {
    ["lead.created", "call.started", "call.answered"].iter().position(|name| *name == event).unwrap_or(3)
}

/// Repeats may come at any time; the first of each kind in the order in which things happened.
fn in_order(facts: &Facts) -> Check {
    let mut firsts: BTreeMap<&str, Vec<&Arrival>> = BTreeMap::new();
    for arrival in &facts.arrivals {
        let seen = firsts.entry(&arrival.call).or_default();
        if !seen.iter().any(|earlier| earlier.event == arrival.event) {
            seen.push(arrival);
        }
    }
    Check::every("calls told in order", firsts, |(call, events)| {
        let is_sorted = events.is_sorted_by_key(|arrival| rank(&arrival.event));
        complaint(!is_sorted, || {
            let order: Vec<&str> = events.iter().map(|arrival| arrival.event.as_str()).collect();
            format!("{call}: {}", order.join(", "))
        })
    })
}

fn outcomes(facts: &Facts) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut outcomes: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for arrival in facts.arrivals.iter().filter(|arrival| arrival.event.starts_with("outcome.")) {
        outcomes.entry(&arrival.call).or_default().insert(&arrival.id);
    }
    outcomes
}

fn one_outcome(facts: &Facts) -> Check {
    Check::every("calls with one outcome", outcomes(facts), |(call, ids)| {
        complaint(ids.len() != 1, || format!("{call}: {} outcomes", ids.len()))
    })
}

fn every_call_has_one(facts: &Facts) -> Check {
    let outcomes = outcomes(facts);
    let dialed = facts.stored.calls.iter().filter(|call| call.is_dialed);
    Check::every("dialled calls whose outcome was told", dialed, |call| {
        complaint(!outcomes.contains_key(call.id.as_str()), || format!("{}: {:?}", call.id, call.end_reason))
    })
    .not_idle()
}

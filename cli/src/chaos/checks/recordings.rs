//! Conversations are recorded, or say why not; and again when there is room.

use super::{Check, complaint};
use crate::chaos::cast::Wave;
use crate::chaos::facts::{CallRow, Facts};
use std::collections::BTreeSet;

/// How a call ends that its own node held to the end.
const HELD: [&str; 2] = ["caller_hangup", "agent_completed"];

pub(super) fn checks(facts: &Facts) -> Vec<Check> {
    vec![accounted_for(facts), given_up(facts), again(facts)]
}

fn was_held(call: &&CallRow) -> bool {
    call.is_answered && HELD.contains(&call.end_reason.as_deref().unwrap_or_default())
}

fn accounted_for(facts: &Facts) -> Check {
    let held = facts.stored.calls.iter().filter(was_held);
    Check::every("conversations recorded, or with the reason", held, |call| {
        complaint(!call.is_recorded && !call.recording_failed, || format!("{}: neither", call.id))
    })
    .not_idle()
}

fn calls_of(facts: &Facts, wave: Wave) -> impl Iterator<Item = &CallRow> {
    let leads = facts.leads.iter().filter(move |lead| lead.wave == wave);
    let leads: BTreeSet<&str> = leads.filter_map(|lead| lead.id()).collect();
    facts.stored.calls.iter().filter(move |call| leads.contains(call.lead.as_str()))
}

/// The disk was full in mid-call: had no recording ended, it would not have been.
fn given_up(facts: &Facts) -> Check {
    let failed = facts.stored.calls.iter().filter(|call| call.recording_failed);
    Check::every("recordings given up on a full disk", failed, |call| {
        complaint(call.is_recorded, || format!("{}: and yet there is one", call.id))
    })
    .not_idle()
}

fn again(facts: &Facts) -> Check {
    Check::every("calls held and recorded after it all", calls_of(facts, Wave::Afterwards), |call| {
        complaint(!was_held(call) || !call.is_recorded, || {
            format!("{}: {:?}, recorded {}", call.id, call.end_reason, call.is_recorded)
        })
    })
    .not_idle()
}

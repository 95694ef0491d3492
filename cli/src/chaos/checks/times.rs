//! Whatever the nodes' clocks showed: what is written down, and billed, is by the true time, which
//! the phones know.

use super::{Check, complaint};
use crate::chaos::facts::{CallRow, Facts, Ring};
use std::collections::BTreeMap;

/// Far more than a busy machine is late, far less than the clocks jump.
const SLACK_US: u64 = 600_000_000;
const MINUTE_US: i64 = 60_000_000;

pub(super) fn checks(facts: &Facts) -> Vec<Check> {
    vec![answers(facts), bills(facts), stuck(facts)]
}

fn with_rings(facts: &Facts) -> impl Iterator<Item = (&CallRow, &Ring)> {
    let rings: BTreeMap<&str, &Ring> =
        facts.rings.iter().filter_map(|ring| Some((ring.call.as_deref()?, ring))).collect();
    facts.stored.calls.iter().filter_map(move |call| Some((call, *rings.get(call.id.as_str())?)))
}

fn answers(facts: &Facts) -> Check {
    let answered =
        with_rings(facts).filter_map(|(call, ring)| Some((call, call.answered_us?, ring.answered_us?)));
    Check::every("calls answered when the phones say so", answered, |(call, stored_us, true_us)| {
        let off_us = stored_us.abs_diff(*true_us);
        complaint(off_us > SLACK_US, || format!("{}: {} s off", call.id, off_us / 1_000_000))
    })
    .not_idle()
}

/// A started minute more, because whoever ends a call is not there at the same moment.
fn bills(facts: &Facts) -> Check {
    let billed = with_rings(facts).filter_map(|(call, ring)| {
        let lasted_us = ring.ended_us? - ring.answered_us?;
        Some((call, call.billed_minutes?, lasted_us))
    });
    Check::every("bills for no longer than the call", billed, |(call, minutes, lasted_us)| {
        let most = lasted_us.max(&0) / MINUTE_US + 2;
        complaint(*minutes > most, || format!("{}: {minutes} min. for {} s", call.id, lasted_us / 1_000_000))
    })
    .not_idle()
}

fn stuck(facts: &Facts) -> Check {
    let taken = |call: &&CallRow| call.end_reason.as_deref() == Some("reconciled");
    Check::none("calls taken for stuck", facts.stored.calls.iter().filter(taken).map(|call| call.id.clone()))
}

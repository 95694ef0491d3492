use super::super::cast::{Kind, Wave};
use super::super::facts::{Arrival, CallRow, DeliveryRow, Facts, Lead, LeadRow, Left, Outage, Ring, Stored};
use super::all;
use std::collections::BTreeSet;

fn lead(number: &str, kind: Kind, wave: Wave, accepted: Option<&str>) -> Lead {
    Lead {
        number: number.to_owned(),
        kind,
        wave,
        accepted: accepted.map(|id| (id.to_owned(), id.replace("lead", "call"))),
        repeated: accepted.map(str::to_owned),
        refused: accepted.is_none(),
        odd: Vec::new(),
        postponed: 0,
        hasty: 0,
        retries: 0,
        canceled: false,
    }
}

fn call(id: &str, lead: &str, number: &str) -> CallRow {
    CallRow {
        id: id.to_owned(),
        lead: lead.to_owned(),
        number: number.to_owned(),
        attempt: 1,
        status: "completed".to_owned(),
        end_reason: Some("agent_completed".to_owned()),
        failure_detail: None,
        outcome: Some("booked".to_owned()),
        is_dialed: true,
        is_started: true,
        is_answered: true,
        answered_us: Some(3_000_000),
        billed_minutes: Some(1),
        is_recorded: true,
        recording_failed: false,
        ended_us: Some(60_000_000),
        is_leased: false,
        endings: 1,
    }
}

fn ring(call: &str, number: &str) -> Ring {
    Ring {
        number: number.to_owned(),
        call: Some(call.to_owned()),
        invited_us: 1_000_000,
        answered_us: Some(3_000_000),
        ended_us: Some(60_000_000),
        words_us: vec![5_000_000, 30_000_000, 59_000_000],
    }
}

fn arrival(call: &str, event: &str) -> Arrival {
    let id = format!("evt_{call}_{event}");
    let lead = call.replace("call", "lead");
    let (call, event) = (call.to_owned(), event.to_owned());
    Arrival { body_id: id.clone(), id, event, call, lead, digest: 1, verified: true }
}

const EVENTS: [&str; 4] = ["lead.created", "call.started", "call.answered", "outcome.booked"];

/// A call in each wave, and a lead that was refused.
fn fine() -> Facts {
    let leads = vec![
        lead("+1", Kind::Callable, Wave::Rolling, Some("lead_1")),
        lead("+2", Kind::Callable, Wave::Chaos, Some("lead_2")),
        lead("+3", Kind::NoConsent, Wave::Chaos, None),
        lead("+4", Kind::Callable, Wave::Talking, Some("lead_4")),
        Lead { postponed: 3, ..lead("+5", Kind::Callable, Wave::Knocking, Some("lead_5")) },
        lead("+6", Kind::Callable, Wave::Afterwards, Some("lead_6")),
    ];
    let called = [1, 2, 4, 5, 6];
    let row = |id: &str, number: &str| LeadRow {
        id: id.to_owned(),
        number: number.to_owned(),
        state: "reached".to_owned(),
    };
    let arrivals: Vec<Arrival> =
        called.iter().flat_map(|n| EVENTS.map(|event| arrival(&format!("call_{n}"), event))).collect();
    let delivery = |arrival: &Arrival| DeliveryRow {
        event_id: arrival.id.clone(),
        event: arrival.event.clone(),
        state: "delivered".to_owned(),
        is_leased: false,
    };
    let mut calls: Vec<CallRow> =
        called.iter().map(|n| call(&format!("call_{n}"), &format!("lead_{n}"), &format!("+{n}"))).collect();
    // The disk was full in the middle of this one.
    (calls[2].is_recorded, calls[2].recording_failed) = (false, true);
    Facts {
        leads,
        rings: called.iter().map(|n| ring(&format!("call_{n}"), &format!("+{n}"))).collect(),
        stored: Stored {
            leads: called.iter().map(|n| row(&format!("lead_{n}"), &format!("+{n}"))).collect(),
            calls,
            deliveries: arrivals.iter().map(delivery).collect(),
            wrong_totals: Vec::new(),
        },
        arrivals,
        left: Left::default(),
        slots: (4, 4),
        outage: Outage { gone_us: 20_000_000, back_us: 50_000_000 },
    }
}

/// For every rule, ways to break it.
type Breakage = (&'static str, fn(&mut Facts));
const BREAKAGES: &[Breakage] = &[
    ("totals of lists that count calls wrongly", |facts| {
        facts.stored.wrong_totals.push("all: 3 for 4".to_owned())
    }),
    ("leads answered in the end", |facts| facts.leads[2].refused = false),
    ("leads answered in the end", |facts| facts.leads.clear()),
    ("leads answered only as documented", |facts| facts.leads[0].odd.push("500 internal".to_owned())),
    ("leads answered only as documented", |facts| facts.leads[0].hasty = 1),
    ("leads that must be refused", |facts| facts.leads[2].refused = false),
    ("leads that must be refused", |facts| facts.stored.leads[1].number = "+3".to_owned()),
    ("held leads that their owner canceled", |facts| facts.leads[1].kind = Kind::Quiet),
    ("webhooks that name their call's lead", |facts| facts.arrivals[4].lead = "lead_1".to_owned()),
    ("accepted leads that are stored", |facts| facts.stored.leads.truncate(1)),
    ("accepted leads that are stored", |facts| facts.stored.leads[1].id = "lead_1".to_owned()),
    ("repeated requests answered with the same lead", |facts| {
        facts.leads[0].repeated = Some("lead_9".to_owned());
    }),
    ("stored leads that are one request's alone", |facts| {
        let twin = LeadRow { id: "lead_9".to_owned(), ..facts.stored.leads[0].clone() };
        facts.stored.leads.push(twin);
    }),
    ("stored leads that are one request's alone", |facts| facts.leads[0].accepted = None),
    ("accepted leads with one terminal state", |facts| facts.stored.leads[0].state = "queued".to_owned()),
    ("accepted leads with one terminal state", |facts| facts.stored.leads.truncate(1)),
    ("calls with one terminal state, written once", |facts| {
        facts.stored.calls[0].status = "ringing".to_owned()
    }),
    ("calls with one terminal state, written once", |facts| facts.stored.calls[0].end_reason = None),
    ("calls with one terminal state, written once", |facts| facts.stored.calls[0].endings = 2),
    ("calls with one terminal state, written once", |facts| facts.stored.calls[0].endings = 0),
    ("leads whose attempts count from 1 without a gap", |facts| facts.stored.calls[0].attempt = 2),
    ("leases left behind", |facts| facts.stored.calls[0].is_leased = true),
    ("leases left behind", |facts| facts.stored.deliveries[0].is_leased = true),
    ("calls not cut by a rolling restart", |facts| {
        facts.stored.calls[0].end_reason = Some("agent_crashed".to_owned());
    }),
    ("calls whose phone rang once", |facts| facts.rings.push(ring("call_1", "+1"))),
    ("calls whose phone rang once", |facts| facts.rings.clear()),
    ("rings that the database allowed first", |facts| facts.stored.calls[0].is_dialed = false),
    ("rings that the database allowed first", |facts| facts.rings[0].call = Some("call_9".to_owned())),
    ("rings that the database allowed first", |facts| facts.rings[0].number = "+2".to_owned()),
    ("numbers rung once an attempt at most", |facts| facts.rings.push(ring("call_9", "+1"))),
    ("phones that must not ring", |facts| facts.rings.push(ring("call_9", "+3"))),
    ("rings before their call had ended", |facts| facts.rings[0].invited_us = 63_000_000),
    ("calls in which nobody spoke after the end", |facts| facts.rings[0].words_us.push(63_000_000)),
    ("phones that were hung up", |facts| facts.rings[0].ended_us = None),
    ("webhooks whose signature verifies", |facts| facts.arrivals[3].verified = false),
    ("webhooks whose signature verifies", |facts| facts.arrivals.clear()),
    ("events whose repeats are the same", |facts| {
        let other = Arrival { digest: 2, ..facts.arrivals[0].clone() };
        facts.arrivals.push(other);
    }),
    ("events whose repeats are the same", |facts| facts.arrivals[0].body_id = "evt_9".to_owned()),
    ("happenings told under one id", |facts| {
        let other =
            Arrival { id: "evt_9".to_owned(), body_id: "evt_9".to_owned(), ..facts.arrivals[1].clone() };
        facts.arrivals.push(other);
    }),
    ("happenings that were told", |facts| drop(facts.arrivals.remove(0))),
    ("happenings that were told", |facts| drop(facts.arrivals.remove(7))),
    ("phones that the agent spoke to without Postgres", |facts| {
        facts.rings[2].words_us = vec![5_000_000, 51_000_000]
    }),
    ("phones that the agent spoke to without Postgres", |facts| facts.rings.clear()),
    ("calls not cut while Postgres was away", |facts| {
        facts.stored.calls[2].end_reason = Some("agent_crashed".to_owned());
    }),
    ("calls not cut while Postgres was away", |facts| {
        facts.stored.calls[3].end_reason = Some("agent_crashed".to_owned());
    }),
    ("leads told to come again without Postgres", |facts| facts.leads[4].postponed = 0),
    ("leads told to come again without Postgres", |facts| drop(facts.leads.remove(4))),
    ("calls answered when the phones say so", |facts| {
        facts.stored.calls[0].answered_us = Some(3_600_000_000);
    }),
    ("bills for no longer than the call", |facts| facts.stored.calls[1].billed_minutes = Some(60)),
    ("calls taken for stuck", |facts| {
        facts.stored.calls[1].end_reason = Some("reconciled".to_owned());
    }),
    ("conversations recorded, or with the reason", |facts| facts.stored.calls[1].is_recorded = false),
    ("recordings given up on a full disk", |facts| facts.stored.calls[2].recording_failed = false),
    ("recordings given up on a full disk", |facts| facts.stored.calls[2].is_recorded = true),
    ("calls held and recorded after it all", |facts| {
        facts.stored.calls[4].end_reason = Some("telephony_error".to_owned());
    }),
    ("calls held and recorded after it all", |facts| {
        facts.stored.calls[4].is_recorded = false;
        facts.stored.calls[4].recording_failed = true;
    }),
    ("entries of the stream unacknowledged", |facts| facts.left.unacknowledged.push("1-0".to_owned())),
    ("rooms left in LiveKit", |facts| facts.left.rooms.push("talkif-eu-west-out-call_1".to_owned())),
    ("deliveries that arrived and are marked so", |facts| drop(facts.arrivals.remove(2))),
    ("deliveries that arrived and are marked so", |facts| {
        facts.stored.deliveries[0].state = "dead".to_owned()
    }),
    ("calls told in order", |facts| facts.arrivals.swap(0, 1)),
    ("calls with one outcome", |facts| facts.arrivals.push(arrival("call_1", "outcome.no_answer"))),
    ("dialled calls whose outcome was told", |facts| drop(facts.arrivals.remove(3))),
    ("slots that are free again", |facts| facts.slots = (3, 4)),
    ("processes that ended by themselves", |facts| facts.left.fallen.push("the node ended".to_owned())),
    ("nodes still on record", |facts| facts.left.nodes.push("node-1".to_owned())),
    ("processes left behind", |facts| facts.left.processes.push("7 talkif-node".to_owned())),
    ("unfinished recordings left behind", |facts| facts.left.unfinished_files.push("x.rec.part".to_owned())),
    ("recordings that no call knows", |facts| facts.left.unnamed_recordings.push("x.rec".to_owned())),
    ("calls whose recording is gone", |facts| facts.left.missing_recordings.push("x.rec".to_owned())),
];

#[test]
fn a_run_without_fault_passes_every_check() {
    for check in all(&fine()) {
        assert!(check.holds(), "{check:?}");
    }
}

#[test]
fn every_breakage_fails_its_check() {
    for (name, break_it) in BREAKAGES {
        let mut facts = fine();
        break_it(&mut facts);
        let check = all(&facts).into_iter().find(|check| check.name == *name).unwrap();
        assert!(!check.holds(), "{name} did not notice");
    }
}

#[test]
fn every_check_can_fail() {
    let breakable: BTreeSet<&str> = BREAKAGES.iter().map(|(name, _)| *name).collect();
    let names: BTreeSet<&str> = all(&fine()).iter().map(|check| check.name).collect();
    assert_eq!(names, breakable);
}

#[test]
fn repeats_of_a_webhook_are_allowed_at_any_time() {
    let mut facts = fine();
    let again = facts.arrivals[0].clone();
    facts.arrivals.push(again);
    assert!(all(&facts).iter().all(super::Check::holds));
}

#[test]
fn a_canceled_lead_ends_its_call_without_a_dialer() {
    let mut facts = fine();
    let canceled = CallRow { status: "canceled".to_owned(), endings: 0, ..facts.stored.calls[1].clone() };
    facts.stored.calls[1] = canceled;
    assert!(all(&facts).iter().all(super::Check::holds));
}

#[test]
fn an_agent_without_a_voice_is_no_cut_call_and_any_other_failure_is() {
    let mut facts = fine();
    let ends = |facts: &mut Facts, detail: &str| {
        facts.stored.calls[0].end_reason = Some("agent_error".to_owned());
        facts.stored.calls[0].failure_detail = Some(detail.to_owned());
        all(facts).iter().find(|check| check.name == "calls not cut by a rolling restart").unwrap().holds()
    };
    assert!(ends(&mut facts, "the voice stays silent"));
    assert!(!ends(&mut facts, "the session ended without a report"));
}

#[test]
fn a_recording_may_fail_while_things_break() {
    let mut facts = fine();
    facts.stored.calls[1].is_recorded = false;
    facts.stored.calls[1].recording_failed = true;
    assert!(all(&facts).iter().all(super::Check::holds));
}

//! The dial gate: the last word before a phone rings.
//!
//! The gate is asked when a call is due, not only when its lead came in, because everything can
//! have changed meanwhile. It sees [`GateFacts`] and nothing else, so a decision can be stored
//! with what it was based on, and repeated. The order of its checks is fixed, and the first that
//! objects is the one that is named:
//!
//! 1. refusals, which no waiting cures: account, lead, opt-out, consent, do-not-call list,
//!    own number, flow, attempts at the lead, balance;
//! 2. the calling window, which holds;
//! 3. the dial budget (`call_within`), which refuses once it is over, unless the window closed it;
//! 4. limits that wait for room: calls to the number, calls of the account, a call to the same
//!    phone that still runs, concurrent calls.
//!
//! To add a check, add its fact, its reason, a line to [`decide`] and a row to the blockers in
//! the tests: a property there proves that nothing is dialled while any of them objects.

use crate::phone::country_of;
use crate::window::{self, Closed, Window};
use crate::zones;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use talkif_model::E164;
use talkif_model::flow::QuietHours;

/// An account needs this much to start a call: one US dollar. A call that runs is never cut for
/// money.
pub const MIN_BALANCE_MICROCENTS: i64 = 1_000_000;

/// How long a call waits for a free slot before it asks again.
const SLOT_WAIT: SignedDuration = SignedDuration::from_secs(2);

/// What the gate looks at. It names neither the number nor its owner, so it can be stored as the
/// audit of the decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateFacts {
    /// When the gate is asked.
    pub now: Timestamp,
    /// When the call was queued.
    pub queued_at: Timestamp,
    /// Where the number may ring.
    pub place: Place,
    /// The flow's quiet hours.
    pub quiet_hours: Vec<QuietHours>,
    /// The account is not suspended.
    pub account_active: bool,
    /// The lead was not canceled or finished.
    pub lead_open: bool,
    /// The newest word on consent; `None` if there never was one.
    pub consent: Option<bool>,
    /// The person asked not to be called.
    pub opted_out: bool,
    /// The number is on the account's do-not-call list.
    pub on_dnc: bool,
    /// The account's own number may place calls.
    pub number_active: bool,
    /// The flow version exists and its flow is not archived.
    pub flow_published: bool,
    /// Earlier attempts at this lead.
    pub lead_attempts: u32,
    /// At most so many.
    pub max_attempts_per_lead: u32,
    /// Calls to this number in the last 24 hours.
    pub number_attempts_24h: u32,
    /// The oldest of them, if known.
    pub oldest_number_attempt: Option<Timestamp>,
    /// At most so many.
    pub max_daily_calls_per_number: u32,
    /// Calls of the account in the last 24 hours.
    pub account_calls_24h: u32,
    /// At most so many.
    pub max_daily_calls: u32,
    /// What the account has left.
    pub balance_microcents: i64,
    /// The account is on a call with this phone now.
    #[serde(default)]
    pub number_busy: bool,
    /// Calls of the account that run now.
    pub active_calls: u32,
    /// At most so many.
    pub concurrent_calls: u32,
    /// The call must be dialled by then, if it must.
    pub dial_deadline: Option<Timestamp>,
}

/// Where a number may ring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// ISO 3166-1.
    pub country: Option<String>,
    /// IANA zones, all of which must permit the call.
    pub zones: Vec<String>,
}

impl Place {
    /// From the number, and what is known of the person's zone.
    #[must_use]
    pub fn of(number: &E164, stated_zone: Option<&str>) -> Self {
        let country = country_of(number).map(str::to_owned);
        Self { country, zones: zones::deciding(number, stated_zone) }
    }
}

/// What the gate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Dial.
    Dial,
    /// Ask again at a time.
    Hold {
        /// Not before.
        until: Timestamp,
        /// Why.
        reason: HoldReason,
    },
    /// Never dial this call.
    Refuse {
        /// Why.
        reason: RefuseReason,
    },
}

talkif_model::string_enum! {
    /// Why a call waits.
    pub enum HoldReason as "hold reason" {
        /// It is no hour to call in the country.
        OutsideCallableHours = "outside_callable_hours",
        /// The flow's quiet hours.
        QuietHours = "quiet_hours",
        /// The number was called often enough today.
        NumberDailyCap = "number_daily_cap",
        /// The account made its calls for today.
        DailyCallLimit = "daily_call_limit_exceeded",
        /// All of the account's slots are taken.
        NoFreeSlot = "no_free_slot",
        /// The account is talking to the number already.
        NumberBusy = "number_busy",
    }
}

talkif_model::string_enum! {
    /// Why a call is refused.
    pub enum RefuseReason as "refusal reason" {
        /// The account is suspended.
        AccountSuspended = "account_suspended",
        /// The lead is no longer open.
        LeadClosed = "lead_closed",
        /// Nobody consented, or the consent was withdrawn.
        ConsentMissing = "consent_missing",
        /// The person opted out.
        OptedOut = "opted_out",
        /// The number is on the do-not-call list.
        OnDncList = "contact_on_dnc_list",
        /// The own number cannot place calls.
        NumberNotActive = "phone_number_not_active",
        /// The flow cannot be run.
        FlowNotPublished = "flow_not_published",
        /// The lead was tried often enough.
        LeadAttemptsExhausted = "lead_attempts_exhausted",
        /// The balance does not cover a call.
        InsufficientBalance = "insufficient_balance",
        /// Zones and quiet hours leave no moment to call.
        NeverCallable = "never_callable",
        /// The dial budget is over.
        DialDeadlinePassed = "dial_deadline_passed",
    }
}

/// Decides about a call.
#[must_use]
pub fn decide(facts: &GateFacts) -> Decision {
    let objection = refusal(facts).map(|reason| Decision::Refuse { reason });
    let objection = objection.or_else(|| window_objection(facts)).or_else(|| deadline_objection(facts));
    objection.or_else(|| room_objection(facts)).unwrap_or(Decision::Dial)
}

fn refusal(facts: &GateFacts) -> Option<RefuseReason> {
    let checks = [
        (facts.account_active, RefuseReason::AccountSuspended),
        (facts.lead_open, RefuseReason::LeadClosed),
        (!facts.opted_out, RefuseReason::OptedOut),
        (facts.consent == Some(true), RefuseReason::ConsentMissing),
        (!facts.on_dnc, RefuseReason::OnDncList),
        (facts.number_active, RefuseReason::NumberNotActive),
        (facts.flow_published, RefuseReason::FlowNotPublished),
        (facts.lead_attempts < facts.max_attempts_per_lead, RefuseReason::LeadAttemptsExhausted),
        (facts.balance_microcents >= MIN_BALANCE_MICROCENTS, RefuseReason::InsufficientBalance),
    ];
    checks.into_iter().find(|(holds, _)| !holds).map(|(_, reason)| reason)
}

fn window_at(facts: &GateFacts, at: Timestamp) -> Window {
    window::check_in(facts.place.country.as_deref(), &facts.place.zones, &facts.quiet_hours, at)
}

fn window_objection(facts: &GateFacts) -> Option<Decision> {
    match window_at(facts, facts.now) {
        Window::Open => None,
        Window::Closed { until, reason: Closed::OutsideCallableHours } => {
            Some(Decision::Hold { until, reason: HoldReason::OutsideCallableHours })
        }
        Window::Closed { until, reason: Closed::QuietHours } => {
            Some(Decision::Hold { until, reason: HoldReason::QuietHours })
        }
        Window::Never => Some(Decision::Refuse { reason: RefuseReason::NeverCallable }),
    }
}

/// The budget counts only if it could be kept: the window was open when the call was queued and
/// still when the budget ran out.
fn deadline_objection(facts: &GateFacts) -> Option<Decision> {
    let deadline = facts.dial_deadline.filter(|deadline| *deadline < facts.now)?;
    let could_be_kept = [facts.queued_at, deadline].iter().all(|at| window_at(facts, *at) == Window::Open);
    could_be_kept.then_some(Decision::Refuse { reason: RefuseReason::DialDeadlinePassed })
}

fn room_objection(facts: &GateFacts) -> Option<Decision> {
    if facts.number_attempts_24h >= facts.max_daily_calls_per_number {
        let oldest = facts.oldest_number_attempt.unwrap_or(facts.now);
        return Some(hold(facts, later(oldest, SignedDuration::from_hours(24)), HoldReason::NumberDailyCap));
    }
    if facts.account_calls_24h >= facts.max_daily_calls {
        return Some(hold(
            facts,
            later(facts.now, SignedDuration::from_mins(15)),
            HoldReason::DailyCallLimit,
        ));
    }
    if facts.number_busy {
        return Some(hold(facts, later(facts.now, SLOT_WAIT), HoldReason::NumberBusy));
    }
    let is_full = facts.active_calls >= facts.concurrent_calls;
    is_full.then(|| hold(facts, later(facts.now, SLOT_WAIT), HoldReason::NoFreeSlot))
}

/// A hold always ends after now, so that no call is asked about in a tight loop.
fn hold(facts: &GateFacts, until: Timestamp, reason: HoldReason) -> Decision {
    Decision::Hold { until: until.max(later(facts.now, SLOT_WAIT)), reason }
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// A call that nothing speaks against: a Tuesday noon in Istanbul.
    fn clear() -> GateFacts {
        GateFacts {
            now: at("2026-05-26T09:00:10Z"),
            queued_at: at("2026-05-26T09:00:00Z"),
            place: Place::of(&"+905321234218".parse().unwrap(), None),
            quiet_hours: vec![QuietHours { from_minute: 1320, until_minute: 540 }],
            account_active: true,
            lead_open: true,
            consent: Some(true),
            opted_out: false,
            on_dnc: false,
            number_active: true,
            flow_published: true,
            lead_attempts: 0,
            max_attempts_per_lead: 4,
            number_attempts_24h: 0,
            oldest_number_attempt: None,
            max_daily_calls_per_number: 8,
            account_calls_24h: 0,
            max_daily_calls: 100,
            balance_microcents: MIN_BALANCE_MICROCENTS,
            number_busy: false,
            active_calls: 0,
            concurrent_calls: 10,
            dial_deadline: Some(at("2026-05-26T09:01:00Z")),
        }
    }

    type Blocker = fn(&mut GateFacts);

    /// Everything that can speak against a call, in the order of the gate, with its name.
    const BLOCKERS: &[(&str, Blocker)] = &[
        ("account_suspended", |facts| facts.account_active = false),
        ("lead_closed", |facts| facts.lead_open = false),
        ("opted_out", |facts| facts.opted_out = true),
        ("consent_missing", |facts| facts.consent = Some(false)),
        ("consent_missing", |facts| facts.consent = None),
        ("contact_on_dnc_list", |facts| facts.on_dnc = true),
        ("phone_number_not_active", |facts| facts.number_active = false),
        ("flow_not_published", |facts| facts.flow_published = false),
        ("lead_attempts_exhausted", |facts| facts.lead_attempts = 4),
        ("insufficient_balance", |facts| facts.balance_microcents = MIN_BALANCE_MICROCENTS - 1),
        ("never_callable", |facts| facts.place.zones.clear()),
        ("outside_callable_hours", |facts| facts.place.zones.push("America/Los_Angeles".into())),
        ("quiet_hours", |facts| facts.quiet_hours.push(QuietHours { from_minute: 720, until_minute: 780 })),
        ("dial_deadline_passed", |facts| facts.dial_deadline = Some(at("2026-05-26T09:00:05Z"))),
        ("number_daily_cap", |facts| facts.number_attempts_24h = 8),
        ("daily_call_limit_exceeded", |facts| facts.account_calls_24h = 100),
        ("number_busy", |facts| facts.number_busy = true),
        ("no_free_slot", |facts| facts.active_calls = 10),
    ];

    fn name(decision: Decision) -> &'static str {
        match decision {
            Decision::Dial => "dial",
            Decision::Hold { reason, .. } => reason.as_str(),
            Decision::Refuse { reason } => reason.as_str(),
        }
    }

    #[test]
    fn nothing_speaks_against_a_clear_call() {
        assert_eq!(decide(&clear()), Decision::Dial);
    }

    #[test]
    fn every_blocker_is_named() {
        for (reason, block) in BLOCKERS {
            let mut facts = clear();
            block(&mut facts);
            assert_eq!(name(decide(&facts)), *reason);
        }
        let reasons =
            HoldReason::ALL.iter().map(|r| r.as_str()).chain(RefuseReason::ALL.iter().map(|r| r.as_str()));
        for reason in reasons {
            assert!(BLOCKERS.iter().any(|(known, _)| *known == reason), "{reason} has no blocker here");
        }
    }

    #[test]
    fn of_two_blockers_the_earlier_one_is_named() {
        for (at, (reason, block)) in BLOCKERS.iter().enumerate() {
            for (_, other) in BLOCKERS.iter().skip(at + 1) {
                let mut facts = clear();
                other(&mut facts);
                block(&mut facts);
                assert_eq!(name(decide(&facts)), *reason);
            }
        }
    }

    #[test]
    fn holds_end_when_their_reason_ends() {
        let until = |change: fn(&mut GateFacts)| {
            let mut facts = clear();
            change(&mut facts);
            let Decision::Hold { until, .. } = decide(&facts) else { panic!("{facts:?}") };
            until
        };
        assert_eq!(until(|f| f.now = at("2026-05-26T20:00:00Z")), at("2026-05-27T06:00:00Z"));
        let capped = |facts: &mut GateFacts| {
            facts.number_attempts_24h = 8;
            facts.oldest_number_attempt = Some(at("2026-05-25T18:00:00Z"));
        };
        assert_eq!(until(capped), at("2026-05-26T18:00:00Z"));
        assert_eq!(until(|f| f.active_calls = 10), at("2026-05-26T09:00:12Z"));
    }

    #[test]
    fn a_budget_that_the_window_cut_short_is_excused() {
        let mut facts = clear();
        // Queued at night, asked again when the window opened.
        facts.queued_at = at("2026-05-26T01:00:00Z");
        facts.dial_deadline = Some(at("2026-05-26T01:01:00Z"));
        assert_eq!(decide(&facts), Decision::Dial);
        // Queued just before the window closed.
        facts.queued_at = at("2026-05-25T16:59:50Z");
        facts.dial_deadline = Some(at("2026-05-25T17:00:50Z"));
        assert_eq!(decide(&facts), Decision::Dial);
        facts.queued_at = at("2026-05-26T08:00:00Z");
        facts.dial_deadline = Some(at("2026-05-26T08:01:00Z"));
        assert_eq!(decide(&facts), Decision::Refuse { reason: RefuseReason::DialDeadlinePassed });
    }

    #[test]
    fn facts_are_stored_without_the_number() {
        let json = serde_json::to_string(&clear()).unwrap();
        assert!(!json.contains("532"), "{json}");
        assert_eq!(serde_json::from_str::<GateFacts>(&json).unwrap(), clear());
    }

    proptest! {
        #[test]
        fn nothing_is_dialled_while_anything_speaks_against_it(
            blockers in proptest::collection::vec(0..BLOCKERS.len(), 0..5),
        ) {
            let mut facts = clear();
            blockers.iter().for_each(|at| BLOCKERS[*at].1(&mut facts));
            let decision = decide(&facts);
            prop_assert_eq!(decision == Decision::Dial, blockers.is_empty());
            if let Decision::Hold { until, .. } = decision {
                prop_assert!(until > facts.now);
            }
        }
    }
}

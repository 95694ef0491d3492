//! `on`: what follows each outcome.
//!
//! An outcome takes one text (`retry(15m, max=3) whatsapp`) or a list of such texts. Actions run
//! in the order in which they stand.

use super::actions::{self, Action, Argument};
use super::duration;
use super::field::{Entry, Field};
use super::settings::{BACKOFFS, DELAY_S, MAX_ATTEMPTS, retry_policy};
use super::suggest;
use super::vocabulary::CHANNELS;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use talkif_model::Outcome;
use talkif_model::flow::{FollowUp, RetryPolicy};

const ACTIONS: &[&str] = &["book", "retry", "log", "notify", "whatsapp", "sms", "email", "handoff", "crm"];

/// The whole of `on`.
#[derive(Default)]
pub(super) struct FollowUps<'a> {
    pub(super) follow_ups: BTreeMap<Outcome, Vec<FollowUp>>,
    /// Whose calendar the flow books in.
    pub(super) calendar: Option<String>,
    /// The policy that `retry(…)` asks for; a bare `retry` leaves it to `call.retry`.
    pub(super) retry: Option<RetryChoice<'a>>,
}

/// A retry policy and where it stands.
pub(super) struct RetryChoice<'a> {
    pub(super) policy: RetryPolicy,
    pub(super) field: Field<'a>,
}

/// Reads `on`.
pub(super) fn read<'a>(field: Option<&Field<'a>>) -> FollowUps<'a> {
    let mut all = FollowUps::default();
    for entry in field.map(Field::entries).unwrap_or_default() {
        let Some(outcome) = outcome_of(&entry) else { continue };
        let actions = entry.value.items().into_iter().flat_map(|item| all.actions(outcome, &item)).collect();
        all.follow_ups.insert(outcome, actions);
    }
    all
}

fn outcome_of(entry: &Entry<'_>) -> Option<Outcome> {
    let name = entry.key.name.as_str();
    let known: Vec<&str> = Outcome::ALL.iter().map(|outcome| outcome.as_str()).collect();
    name.parse().map_err(|_| entry.error("unknown_outcome", suggest::unknown("outcome", name, &known))).ok()
}

impl<'a> FollowUps<'a> {
    fn actions(&mut self, outcome: Outcome, item: &Field<'a>) -> Vec<FollowUp> {
        let Some(text) = item.text() else { return Vec::new() };
        let parsed = actions::parse(&text);
        let actions = parsed.map_err(|error| item.error("invalid_action", error)).unwrap_or_default();
        actions.iter().filter_map(|action| self.action(outcome, action, item)).collect()
    }

    fn action(&mut self, outcome: Outcome, action: &Action, item: &Field<'a>) -> Option<FollowUp> {
        let result = match action.name.as_str() {
            "book" => self.book(outcome, action),
            "retry" => self.retry(outcome, action, item),
            "log" => single(action).map(|message| FollowUp::Log { message }),
            "notify" => single(action).map(|channel| FollowUp::Notify { channel }),
            name if CHANNELS.contains(&name) => {
                bare(action).map(|()| FollowUp::Notify { channel: name.to_owned() })
            }
            name => Err(suggest::unknown("action", name, ACTIONS)),
        };
        result.map_err(|message| item.error("invalid_action", message)).ok()
    }

    fn book(&mut self, outcome: Outcome, action: &Action) -> Result<FollowUp, String> {
        if !outcome.is_qualified() {
            return Err(format!("`book` makes no sense after {outcome}; it follows qualified or booked"));
        }
        let calendar = calendar(&single(action)?)?;
        if self.calendar.as_ref().is_some_and(|other| *other != calendar) {
            return Err("a flow books in one calendar".to_owned());
        }
        self.calendar = Some(calendar.clone());
        Ok(FollowUp::Book { calendar })
    }

    fn retry(&mut self, outcome: Outcome, action: &Action, item: &Field<'a>) -> Result<FollowUp, String> {
        if outcome != Outcome::NoAnswer {
            return Err(format!("`retry` makes no sense after {outcome}; it follows no_answer"));
        }
        if let Some(policy) = retry_arguments(&action.arguments)? {
            if self.retry.is_some() {
                return Err("a flow has one retry policy".to_owned());
            }
            self.retry = Some(RetryChoice { policy, field: item.clone() });
        }
        Ok(FollowUp::Retry)
    }
}

/// `calendar.mehmet` or `mehmet`: whose calendar.
pub(super) fn calendar(text: &str) -> Result<String, String> {
    let owner = text.strip_prefix("calendar.").unwrap_or(text).trim();
    if owner.is_empty() {
        Err("a calendar has an owner: calendar.mehmet".to_owned())
    } else {
        Ok(owner.to_owned())
    }
}

fn single(action: &Action) -> Result<String, String> {
    match action.arguments.as_slice() {
        [Argument { name: None, value }] if !value.trim().is_empty() => Ok(value.clone()),
        _ => Err(format!("`{}` takes one value: {}(…)", action.name, action.name)),
    }
}

fn bare(action: &Action) -> Result<(), String> {
    if action.arguments.is_empty() { Ok(()) } else { Err(format!("`{}` takes no values", action.name)) }
}

/// The policy of `retry(15m, max=3, backoff=exponential, cap=4h)`; a delay alone is a fixed one.
fn retry_arguments(arguments: &[Argument]) -> Result<Option<RetryPolicy>, String> {
    let (mut delay, mut max, mut cap, mut backoff) = (None, None, None, None);
    for argument in arguments {
        let value = argument.value.as_str();
        match argument.name.as_deref() {
            None | Some("delay") => delay = Some(seconds(value)?),
            Some("cap") => cap = Some(seconds(value)?),
            Some("max") => max = Some(count(value)?),
            Some("backoff") if BACKOFFS.contains(&value) => backoff = Some(value == "fixed"),
            Some("backoff") => return Err(suggest::unknown("backoff", value, BACKOFFS)),
            Some(name) => {
                return Err(suggest::unknown("value of retry", name, &["delay", "max", "backoff", "cap"]));
            }
        }
    }
    let fixed = backoff.unwrap_or(delay.is_some() && cap.is_none());
    Ok((!arguments.is_empty()).then(|| retry_policy(delay, max, cap, fixed)))
}

fn seconds(text: &str) -> Result<u32, String> {
    let ms = duration::parse_ms(text).ok_or_else(|| format!("`{text}` is not a duration such as 15m"))?;
    let read = u32::try_from(ms / 1000).ok().filter(|seconds| within(&DELAY_S, *seconds));
    read.ok_or_else(|| "the pause of a retry must be between 1m and 7d".to_owned())
}

fn count(text: &str) -> Result<u32, String> {
    let read = text.parse().ok().filter(|count| within(&MAX_ATTEMPTS, *count));
    read.ok_or_else(|| format!("`max` must be between {} and {}", MAX_ATTEMPTS.start(), MAX_ATTEMPTS.end()))
}

fn within(range: &RangeInclusive<u32>, value: u32) -> bool {
    range.contains(&value)
}

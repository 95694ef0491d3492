//! The numbering plans of all countries, as `build.rs` wrote them.

use super::pattern;

/// How one country numbers its phones. Patterns are for `pattern`; an empty one matches nothing.
#[derive(Debug)]
pub(crate) struct Plan {
    /// ISO 3166-1, two letters.
    pub(crate) country: &'static str,
    /// Calling code, shared by some countries.
    pub(crate) code: &'static str,
    /// What is dialled before a national number: `0` in Türkiye, `1` in the United States.
    pub(super) trunk: &'static str,
    /// What is dialled before an international number: `00`, `011` …
    pub(super) exit: &'static str,
    /// First digits that tell this country from the others of its calling code.
    leading: &'static str,
    /// Landlines, mobiles, internet phones, free numbers.
    callable: &'static str,
    /// Premium and shared-cost numbers.
    costly: &'static str,
    /// Personal numbers, pagers, company numbers, mailboxes.
    other: &'static str,
}

static PLANS: &[Plan] = include!(concat!(env!("OUT_DIR"), "/plans.rs"));

/// What a plan says about a national number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may be dialled.
    Callable,
    /// Dialling it costs more than a call.
    Costly,
    /// It exists, but no person answers there.
    Other,
}

impl Plan {
    /// What the plan says about `national`, `None` where it knows no such number.
    pub(super) fn verdict(&self, national: &str) -> Option<Verdict> {
        // Costs come first, as some free-looking ranges contain them.
        if pattern::matches(self.costly, national) {
            Some(Verdict::Costly)
        } else if pattern::matches(self.callable, national) {
            Some(Verdict::Callable)
        } else if pattern::matches(self.other, national) {
            Some(Verdict::Other)
        } else {
            None
        }
    }

    fn is_home_of(&self, national: &str) -> bool {
        if self.leading.is_empty() {
            self.verdict(national).is_some()
        } else {
            pattern::matches_start(self.leading, national)
        }
    }
}

/// The plan of a country by its ISO code.
pub(super) fn of_country(country: &str) -> Option<&'static Plan> {
    PLANS.iter().find(|plan| plan.country.eq_ignore_ascii_case(country))
}

/// The plans under a calling code, the main country's first.
pub(super) fn of_code(code: &str) -> impl Iterator<Item = &'static Plan> {
    PLANS.iter().filter(move |plan| plan.code == code)
}

/// Splits an international number (digits only) into calling code and the rest. No calling
/// code begins with another.
pub(crate) fn split(digits: &str) -> Option<(&str, &str)> {
    let parts = |length: usize| digits.split_at_checked(length);
    (1..=3).filter_map(parts).find(|(code, _)| of_code(code).next().is_some())
}

/// The plan that `national` belongs to among those of `code`; the main country's if none
/// claims it.
pub(super) fn home(code: &str, national: &str) -> Option<&'static Plan> {
    of_code(code).find(|plan| plan.is_home_of(national)).or_else(|| of_code(code).next())
}

/// All plans.
#[cfg(test)]
pub(crate) fn all() -> &'static [Plan] {
    PLANS
}

/// Whether somebody in the United States or Canada may have this national number.
#[cfg(test)]
pub(crate) fn is_north_american(national: &str) -> bool {
    let callable = |plan: &&Plan| plan.verdict(national) == Some(Verdict::Callable);
    ["US", "CA"].iter().filter_map(|country| of_country(country)).any(|plan| callable(&plan))
}

//! The rules, each as a pure function over what was seen.
//!
//! To add a rule: a function that makes a [`Check`], its line in its module's list, and a way to
//! break it in [`tests`], which demands one for every rule.

mod leads;
mod leftovers;
mod outage;
mod phones;
mod recordings;
#[cfg(test)]
mod tests;
mod times;
mod webhooks;

pub(super) use leads::fell_silent;

use super::facts::Facts;
use serde::Serialize;

/// How many things were looked at, and which of them are not as they should be.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) expected: usize,
    pub(super) seen: usize,
    /// One line for each thing that is wrong. Names ids, no numbers.
    pub(super) wrong: Vec<String>,
}

impl Check {
    /// All of `items` should be well; `complain` says what is wrong with one that is not.
    fn every<T>(
        name: &'static str,
        items: impl IntoIterator<Item = T>,
        complain: impl Fn(&T) -> Option<String>,
    ) -> Self {
        let items: Vec<T> = items.into_iter().collect();
        let wrong: Vec<String> = items.iter().filter_map(complain).collect();
        Self { name, expected: items.len(), seen: items.len() - wrong.len(), wrong }
    }

    /// There should be none of `items`.
    fn none(name: &'static str, items: impl IntoIterator<Item = String>) -> Self {
        let wrong: Vec<String> = items.into_iter().collect();
        Self { name, expected: 0, seen: wrong.len(), wrong }
    }

    /// A rule that nothing was held against proves nothing.
    fn not_idle(mut self) -> Self {
        if self.expected == 0 {
            self.wrong.push("nothing was there to look at".to_owned());
        }
        self
    }

    /// Whether all is well.
    pub(super) fn holds(&self) -> bool {
        self.wrong.is_empty()
    }
}

/// All rules.
pub(super) fn all(facts: &Facts) -> Vec<Check> {
    let groups = [
        leads::checks(facts),
        phones::checks(facts),
        outage::checks(facts),
        times::checks(facts),
        recordings::checks(facts),
        webhooks::checks(facts),
        leftovers::checks(facts),
    ];
    groups.into_iter().flatten().collect()
}

/// `Some(text)` if `is_wrong`.
fn complaint(is_wrong: bool, text: impl FnOnce() -> String) -> Option<String> {
    is_wrong.then(text)
}

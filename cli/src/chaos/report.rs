//! What is shown in the end.

use super::checks::Check;
use super::plan::{Part, Trouble};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Lines of evidence that are printed for a check; `--json` has all of them.
const EVIDENCE: usize = 8;

/// The run and its verdict.
pub(super) struct Report {
    pub(super) seed: u64,
    pub(super) seconds: f64,
    pub(super) tally: BTreeMap<(Part, Trouble), usize>,
    pub(super) counts: Vec<(&'static str, usize)>,
    pub(super) checks: Vec<Check>,
}

impl Report {
    /// Whether all is well.
    pub(super) fn holds(&self) -> bool {
        self.checks.iter().all(Check::holds)
    }

    pub(super) fn json(&self) -> Value {
        let faults = self.tally.iter().map(|((part, trouble), times)| {
            json!({"part": part.words(), "fault": trouble.words(), "times": times})
        });
        let counts: BTreeMap<&str, usize> = self.counts.iter().copied().collect();
        json!({
            "type": "summary", "seed": self.seed, "seconds": self.seconds, "passed": self.holds(),
            "faults": faults.collect::<Vec<_>>(), "counts": counts, "checks": self.checks,
        })
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!("\nseed {}, {:.0} s\n\n{:<52} times\n", self.seed, self.seconds, "fault");
        for ((part, trouble), times) in &self.tally {
            text.push_str(&format!("{:<52} {times:>5}\n", format!("{} {}", part.words(), trouble.words())));
        }
        text.push('\n');
        for (name, count) in &self.counts {
            text.push_str(&format!("{name:<52} {count:>5}\n"));
        }
        text.push_str(&format!("\n{:<52} {:>8} {:>6}\n", "check", "expected", "seen"));
        for check in &self.checks {
            let mark = if check.holds() { "" } else { "  WRONG" };
            text.push_str(&format!("{:<52} {:>8} {:>6}{mark}\n", check.name, check.expected, check.seen));
            for line in check.wrong.iter().take(EVIDENCE) {
                text.push_str(&format!("    {line}\n"));
            }
            if check.wrong.len() > EVIDENCE {
                text.push_str(&format!("    and {} more\n", check.wrong.len() - EVIDENCE));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(wrong: usize) -> Report {
        let wrong: Vec<String> = (0..wrong).map(|index| format!("call_{index}")).collect();
        let check = Check { name: "calls told in order", expected: 20, seen: 20 - wrong.len(), wrong };
        Report {
            seed: 7,
            seconds: 61.0,
            tally: BTreeMap::from([((Part::Node(0), Trouble::Killed), 3)]),
            counts: vec![("rings", 20)],
            checks: vec![check],
        }
    }

    #[test]
    fn the_table_says_what_was_done_and_what_was_seen() {
        let text = report(0).text();
        assert!(text.contains("node 1 killed") && text.contains("seed 7"), "{text}");
        assert!(!text.contains("WRONG") && report(0).holds(), "{text}");
    }

    #[test]
    fn what_is_wrong_is_marked_and_has_evidence() {
        let text = report(10).text();
        assert!(text.contains("WRONG") && text.contains("call_0") && text.contains("and 2 more"), "{text}");
        assert_eq!(report(10).json()["passed"], false);
        assert_eq!(report(10).json()["checks"][0]["wrong"].as_array().unwrap().len(), 10);
    }
}

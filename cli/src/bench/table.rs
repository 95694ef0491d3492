//! Figures with their marks, as a table for people and as JSON for the next run.

use anyhow::{Context as _, Result};
use serde::Serialize;
use std::path::Path;

/// One figure.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    /// Which section.
    pub(crate) section: &'static str,
    /// What was measured.
    pub(crate) name: String,
    /// Ours.
    pub(crate) value: f64,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// The same of the rival, in the same run.
    pub(crate) rival: Option<f64>,
    /// What it should be.
    pub(crate) mark: Option<Mark>,
}

/// A bound that a figure should keep.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) enum Mark {
    /// Not above this.
    AtMost(f64),
    /// Not below this.
    AtLeast(f64),
    /// Not above this many times the rival's.
    TimesRival(f64),
}

impl Figure {
    pub(crate) fn new(
        section: &'static str,
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
    ) -> Self {
        Self { section, name: name.into(), value, unit, rival: None, mark: None }
    }

    pub(crate) fn beside(mut self, rival: f64) -> Self {
        self.rival = Some(rival);
        self
    }

    pub(crate) fn mark(mut self, mark: Mark) -> Self {
        self.mark = Some(mark);
        self
    }

    /// Whether the mark is kept; `None` without a mark.
    pub(crate) fn holds(&self) -> Option<bool> {
        Some(match self.mark? {
            Mark::AtMost(bound) => self.value <= bound,
            Mark::AtLeast(bound) => self.value >= bound,
            Mark::TimesRival(factor) => self.value <= factor * self.rival?,
        })
    }

    fn cells(&self) -> [String; 6] {
        let mark = self.mark.map_or_else(
            || "-".to_owned(),
            |mark| match mark {
                Mark::AtMost(bound) => format!("≤ {}", number(bound)),
                Mark::AtLeast(bound) => format!("≥ {}", number(bound)),
                Mark::TimesRival(factor) => format!("≤ {factor}×"),
            },
        );
        let verdict = self.holds().map_or("", |holds| if holds { "yes" } else { "NO" });
        [
            self.name.clone(),
            format!("{} {}", number(self.value), self.unit),
            self.rival.map_or_else(|| "-".to_owned(), |rival| format!("{} {}", number(rival), self.unit)),
            self.rival.map_or_else(|| "-".to_owned(), |rival| format!("{:.2}×", self.value / rival)),
            mark,
            verdict.to_owned(),
        ]
    }
}

/// Three significant digits, and whole numbers from a hundred on.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

const HEADINGS: [&str; 6] = ["figure", "ours", "rival", "ratio", "mark", "kept"];

/// A table in Markdown that reads well in a terminal too.
pub(crate) fn markdown(figures: &[Figure]) -> String {
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(figures.iter().map(Figure::cells));
    let widths: Vec<usize> =
        (0..6).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    let line = |row: &[String; 6]| {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    let mut text = line(&rows[0]);
    text.push_str(&format!("| {} |\n", rule.join(" | ")));
    rows[1..].iter().for_each(|row| text.push_str(&line(row)));
    text
}

/// Writes `{folder}/{section}.md` and `.json`.
pub(crate) fn write(folder: &Path, section: &str, machine: &str, figures: &[Figure]) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let text = format!("# {section}\n\n{machine}\n\n{}", markdown(figures));
    std::fs::write(folder.join(format!("{section}.md")), text)?;
    std::fs::write(folder.join(format!("{section}.json")), serde_json::to_vec_pretty(figures)?)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_kept_or_not() {
        let figure = || Figure::new("edge", "p50", 3.0, "ms").beside(2.0);
        assert_eq!(figure().holds(), None);
        assert_eq!(figure().mark(Mark::TimesRival(1.5)).holds(), Some(true));
        assert_eq!(figure().mark(Mark::TimesRival(1.4)).holds(), Some(false));
        assert_eq!(figure().mark(Mark::AtMost(2.9)).holds(), Some(false));
        assert_eq!(figure().mark(Mark::AtLeast(2.9)).holds(), Some(true));
    }

    #[test]
    fn the_table_has_a_row_for_every_figure() {
        let figures = [Figure::new("edge", "p50", 3.0, "ms").beside(2.0).mark(Mark::TimesRival(1.5))];
        let text = markdown(&figures);
        assert_eq!(text.lines().count(), 3);
        assert!(text.contains("| p50    | 3.00 ms | 2.00 ms | 1.50× | ≤ 1.5× | yes  |"), "{text}");
    }
}

//! Reading values out of the tree. Every getter says what it wants; what is found instead is
//! reported with its position, and reading goes on.

use super::tree::{Key, Node, Position, Value};
use super::{FlowError, duration, suggest};
use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Collects mistakes.
#[derive(Debug, Default)]
pub(super) struct Report(RefCell<Vec<FlowError>>);

impl Report {
    fn add(&self, at: Position, path: &str, code: &str, message: String) {
        let (path, code) = (path.to_owned(), code.to_owned());
        self.0.borrow_mut().push(FlowError { line: at.line, column: at.column, path, code, message });
    }

    /// All mistakes in the order of the source.
    pub(super) fn into_errors(self) -> Vec<FlowError> {
        let mut errors = self.0.into_inner();
        errors.sort_by_key(|error| (error.line, error.column));
        errors
    }
}

/// A value with its path.
#[derive(Debug, Clone)]
pub(super) struct Field<'a> {
    pub(super) node: &'a Node,
    pub(super) path: String,
    report: &'a Report,
}

/// An entry of a map whose keys the author chooses.
pub(super) struct Entry<'a> {
    pub(super) key: &'a Key,
    pub(super) value: Field<'a>,
}

impl<'a> Field<'a> {
    pub(super) fn root(node: &'a Node, report: &'a Report) -> Self {
        Self { node, path: String::new(), report }
    }

    /// Reports a mistake at this value.
    pub(super) fn error(&self, code: &str, message: impl Into<String>) {
        self.report.add(self.node.at, &self.path, code, message.into());
    }

    fn wrong_type(&self, wanted: &str) {
        self.error("wrong_type", format!("must be {wanted}, not {}", self.node.value.kind()));
    }

    fn child(&self, name: &str, node: &'a Node) -> Self {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Self { node, path, report: self.report }
    }

    /// A text that is not blank, trimmed.
    pub(super) fn text(&self) -> Option<String> {
        match &self.node.value {
            Value::Text(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
            Value::Text(_) => {
                self.error("required", "must not be blank");
                None
            }
            _ => {
                self.wrong_type("a text");
                None
            }
        }
    }

    /// A text that is read as a `T`, whose own error is the message.
    pub(super) fn parsed<T: FromStr>(&self, code: &str) -> Option<T>
    where
        T::Err: Display,
    {
        let text = self.text()?;
        text.parse().map_err(|error: T::Err| self.error(code, error.to_string())).ok()
    }

    /// One of the words of a vocabulary.
    pub(super) fn one_of(&self, words: &[&'static str], code: &str) -> Option<&'static str> {
        let text = self.text()?;
        let found = words.iter().find(|word| **word == text).copied();
        if found.is_none() {
            self.error(code, suggest::unknown("value", &text, words));
        }
        found
    }

    /// The items of a list; a single value counts as a list of one.
    pub(super) fn items(&self) -> Vec<Self> {
        match &self.node.value {
            Value::List(items) => (0..).zip(items).map(|(at, node)| self.item(at, node)).collect(),
            _ => vec![self.clone()],
        }
    }

    fn item(&self, at: usize, node: &'a Node) -> Self {
        Self { node, path: format!("{}[{at}]", self.path), report: self.report }
    }

    /// A text or a list of texts.
    pub(super) fn texts(&self) -> Vec<String> {
        self.items().iter().filter_map(Self::text).collect()
    }

    /// True or false.
    pub(super) fn boolean(&self) -> Option<bool> {
        if let Value::Bool(value) = self.node.value {
            return Some(value);
        }
        self.wrong_type("true or false");
        None
    }

    /// A whole number within `range`.
    pub(super) fn integer(&self, range: RangeInclusive<u32>) -> Option<u32> {
        let Value::Int(value) = self.node.value else {
            self.wrong_type("a whole number");
            return None;
        };
        let value = u32::try_from(value).ok().filter(|value| range.contains(value));
        if value.is_none() {
            self.error("out_of_range", format!("must be between {} and {}", range.start(), range.end()));
        }
        value
    }

    /// A number within `range`.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "settings are small numbers"
    )]
    pub(super) fn number(&self, range: RangeInclusive<f32>) -> Option<f32> {
        let value = match self.node.value {
            Value::Int(value) => value as f32,
            Value::Float(value) => value as f32,
            _ => {
                self.wrong_type("a number");
                return None;
            }
        };
        if !range.contains(&value) {
            self.error("out_of_range", format!("must be between {} and {}", range.start(), range.end()));
            return None;
        }
        Some(value)
    }

    /// A duration in milliseconds, `90s` or a bare number of seconds, within `range` (in
    /// milliseconds too).
    pub(super) fn duration_ms(&self, range: RangeInclusive<u64>) -> Option<u32> {
        let read = match &self.node.value {
            Value::Int(seconds) => u64::try_from(*seconds).ok().and_then(|seconds| seconds.checked_mul(1000)),
            Value::Text(text) => duration::parse_ms(text),
            _ => None,
        };
        let Some(ms) = read else {
            self.error("invalid_duration", "must be a duration such as 90s, 15m, 1h or 30d");
            return None;
        };
        if !range.contains(&ms) {
            let (least, most) = (duration::in_words(*range.start()), duration::in_words(*range.end()));
            self.error("out_of_range", format!("must be between {least} and {most}"));
            return None;
        }
        u32::try_from(ms).ok()
    }

    /// A duration in whole seconds.
    pub(super) fn duration_s(&self, range: RangeInclusive<u32>) -> Option<u32> {
        let range = u64::from(*range.start()) * 1000..=u64::from(*range.end()) * 1000;
        self.duration_ms(range).map(|ms| ms / 1000)
    }

    /// The entries of a map whose keys the author chooses.
    pub(super) fn entries(&self) -> Vec<Entry<'a>> {
        match &self.node.value {
            Value::Map(entries) => {
                entries.iter().map(|(key, node)| Entry { key, value: self.child(&key.name, node) }).collect()
            }
            _ => {
                self.wrong_type("a map");
                Vec::new()
            }
        }
    }

    /// A map of which `known` are the keys; others are reported.
    pub(super) fn section(&self, known: &[&'static str]) -> Section<'a> {
        let entries = self.entries();
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.name.as_str())) {
            entry.error("unknown_key", suggest::unknown("key", &entry.key.name, known));
        }
        Section { field: self.clone(), entries }
    }

    /// Whether the value is a map.
    pub(super) const fn is_map(&self) -> bool {
        matches!(self.node.value, Value::Map(_))
    }
}

impl Entry<'_> {
    /// Reports a mistake at the key.
    pub(super) fn error(&self, code: &str, message: impl Into<String>) {
        self.value.report.add(self.key.at, &self.value.path, code, message.into());
    }
}

/// A map with known keys.
pub(super) struct Section<'a> {
    field: Field<'a>,
    entries: Vec<Entry<'a>>,
}

impl<'a> Section<'a> {
    /// The value of `name`; nothing and `null` are the same.
    pub(super) fn get(&self, name: &str) -> Option<Field<'a>> {
        let entry = self.entries.iter().find(|entry| entry.key.name == name)?;
        (!matches!(entry.value.node.value, Value::Null)).then(|| entry.value.clone())
    }

    /// The value of `name`, reported if it is missing.
    pub(super) fn required(&self, name: &str) -> Option<Field<'a>> {
        let found = self.get(name);
        if found.is_none() && self.field.is_map() {
            self.missing(name, format!("`{name}` is missing"));
        }
        found
    }

    /// Reports that `name` is missing.
    pub(super) fn missing(&self, name: &str, message: impl Into<String>) {
        let path = self.field.child(name, self.field.node).path;
        self.field.report.add(self.field.node.at, &path, "required", message.into());
    }
}

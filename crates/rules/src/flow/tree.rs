//! The source as a tree in which every value knows its position.

use super::{FlowError, Format, json};
use saphyr::{LoadableYamlNode as _, MarkedYaml, Marker, Scalar, YamlData};

/// Longest source, in bytes.
const MAX_BYTES: usize = 256 * 1024;

/// Deepest indentation. It bounds how deep block collections nest, so that no source can make
/// the recursion below exhaust the stack; the parser itself bounds `[[[…`.
const MAX_INDENTATION: usize = 100;

/// A place in the source; both count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) line: u32,
    pub(super) column: u32,
}

/// A value and where it begins.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: Position,
    pub(super) value: Value,
}

/// A value.
#[derive(Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key of a map and where it stands.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) at: Position,
    pub(super) name: String,
}

impl Value {
    /// What the value is, for messages.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

/// Parses a source of one document.
pub(super) fn parse(source: &str, format: Format) -> Result<Node, FlowError> {
    let start = Position { line: 1, column: 1 };
    if source.len() > MAX_BYTES {
        return Err(mistake(start, "too_large", format!("a flow has at most {} KiB", MAX_BYTES / 1024)));
    }
    match format {
        Format::Yaml => parse_yaml(source),
        Format::Json => parse_json(source),
    }
}

/// JSON is checked by its own rules first. Then the YAML parser reads it for the positions. What
/// that refuses in well-formed JSON, such as a key that stands twice, is refused where it stands.
fn parse_json(source: &str) -> Result<Node, FlowError> {
    serde_json::from_str::<serde_json::Value>(source).map_err(|error| {
        let number = |value: usize| u32::try_from(value.max(1)).unwrap_or(u32::MAX);
        let at = Position { line: number(error.line()), column: number(error.column()) };
        mistake(at, "invalid_json", error.to_string())
    })?;
    parse_yaml(&json::as_yaml(source)).map_err(|error| match error.code.as_str() {
        "invalid_yaml" => FlowError { code: "invalid_json".to_owned(), ..error },
        _ => error,
    })
}

fn parse_yaml(source: &str) -> Result<Node, FlowError> {
    check_indentation(source)?;
    let documents = MarkedYaml::load_from_str(source)
        .map_err(|error| mistake(position(error.marker()), "invalid_yaml", error.info().to_owned()))?;
    let mut documents = documents.into_iter();
    let start = Position { line: 1, column: 1 };
    let Some(document) = documents.next() else {
        return Err(mistake(start, "required", "the flow is empty".into()));
    };
    match documents.next() {
        Some(second) => {
            let at = position(&second.span.start);
            Err(mistake(at, "invalid_yaml", "a source holds one flow, not several documents".into()))
        }
        None => node(document),
    }
}

fn check_indentation(source: &str) -> Result<(), FlowError> {
    for (line, text) in (1..).zip(source.lines()) {
        if indentation(text) > MAX_INDENTATION {
            let at = Position { line, column: 1 };
            return Err(mistake(at, "too_deep", format!("indented by more than {MAX_INDENTATION} columns")));
        }
    }
    Ok(())
}

/// Columns before the line's own content; `- - ` indents too.
fn indentation(line: &str) -> usize {
    let bytes = line.as_bytes();
    let opens = |at: usize| matches!(bytes.get(at), Some(b'-' | b'?')) && bytes.get(at + 1) == Some(&b' ');
    (0..bytes.len()).find(|at| bytes.get(*at) != Some(&b' ') && !opens(*at)).unwrap_or(bytes.len())
}

fn node(yaml: MarkedYaml<'_>) -> Result<Node, FlowError> {
    let at = position(&yaml.span.start);
    let value = match yaml.data {
        YamlData::Value(scalar) => scalar_value(scalar),
        YamlData::Sequence(items) => Value::List(items.into_iter().map(node).collect::<Result<_, _>>()?),
        YamlData::Mapping(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(name, value)| Ok((key(name)?, node(value)?)))
                .collect::<Result<_, _>>()?,
        ),
        YamlData::Tagged(_, inner) => node(*inner)?.value,
        YamlData::Representation(..) | YamlData::Alias(_) | YamlData::BadValue => {
            return Err(mistake(at, "invalid_yaml", "this value cannot be read".into()));
        }
    };
    Ok(Node { at, value })
}

fn scalar_value(scalar: Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(value) => Value::Bool(value),
        Scalar::Integer(value) => Value::Int(value),
        Scalar::FloatingPoint(value) => Value::Float(value.into_inner()),
        Scalar::String(text) => Value::Text(text.into_owned()),
    }
}

/// Keys are texts; a number or a word like `true` is taken as it would be written.
fn key(yaml: MarkedYaml<'_>) -> Result<Key, FlowError> {
    let Node { at, value } = node(yaml)?;
    let name = match value {
        Value::Text(text) => text,
        Value::Int(value) => value.to_string(),
        Value::Bool(value) => value.to_string(),
        _ => return Err(mistake(at, "wrong_type", format!("a key must be a text, not {}", value.kind()))),
    };
    Ok(Key { at, name })
}

fn position(marker: &Marker) -> Position {
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    Position { line: number(marker.line().max(1)), column: number(marker.col() + 1) }
}

fn mistake(at: Position, code: &str, message: String) -> FlowError {
    FlowError { line: at.line, column: at.column, path: String::new(), code: code.to_owned(), message }
}

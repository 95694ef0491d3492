//! The engine's own tools: what the model is told about them, and reading what it calls them
//! with. What a model writes may be anything; [`read`] answers with a sentence the model can act
//! on, never with a panic.
//!
//! To add a tool: a variant of [`Own`], its arm in [`read`], its spec in [`specs`], and what it
//! does in `acting`.

use crate::io::{ToolCall, ToolSpec};
use serde_json::{Map, Value, json};
use talkif_model::Outcome;

const SAVE_SLOT: &str = "save_slot";
const MOVE_TO: &str = "move_to";
const BOOK_SLOT: &str = "book_slot";
const END_CALL: &str = "end_call";
const TRANSFER_CALL: &str = "transfer_call";
const OPT_OUT: &str = "opt_out";
const VOICEMAIL: &str = "voicemail";

/// A checked call of one of the engine's tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Own {
    SaveSlot { name: String, value: String },
    MoveTo { node: String },
    BookSlot { time: String, notes: Option<String> },
    EndCall { outcome: Outcome, reason: Option<String> },
    Transfer { to: String },
    OptOut,
    Voicemail,
}

/// What a node lets the model do.
#[derive(Debug, Clone, Default)]
pub(crate) struct Offer<'f> {
    pub(crate) slots: Vec<&'f str>,
    pub(crate) nodes: Vec<&'f str>,
    pub(crate) books: bool,
    /// To whom the caller may be put through, and when.
    pub(crate) transfers: Vec<(&'f str, &'f str)>,
}

/// Whether the engine runs this tool itself.
pub(crate) fn is_own(name: &str) -> bool {
    [SAVE_SLOT, MOVE_TO, BOOK_SLOT, END_CALL, TRANSFER_CALL, OPT_OUT, VOICEMAIL].contains(&name)
}

/// Reads a call of one of the engine's tools. `Err` is for the model.
pub(crate) fn read(call: &ToolCall) -> Result<Own, String> {
    let arguments = arguments(&call.arguments)?;
    let text = |name: &str| text(&arguments, name);
    match call.name.as_str() {
        SAVE_SLOT => Ok(Own::SaveSlot { name: text("name")?, value: text("value")? }),
        MOVE_TO => Ok(Own::MoveTo { node: text("node")? }),
        BOOK_SLOT => Ok(Own::BookSlot { time: rfc3339(text("time")?)?, notes: text("notes").ok() }),
        END_CALL => Ok(Own::EndCall { outcome: outcome(&text("outcome")?)?, reason: text("reason").ok() }),
        TRANSFER_CALL => Ok(Own::Transfer { to: text("to")? }),
        OPT_OUT => Ok(Own::OptOut),
        VOICEMAIL => Ok(Own::Voicemail),
        unknown => Err(format!("there is no tool `{unknown}`")),
    }
}

/// The arguments of any tool: an object. Models write nothing at all for "no arguments".
pub(crate) fn arguments(written: &str) -> Result<Map<String, Value>, String> {
    if written.trim().is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_str(written) {
        Ok(Value::Object(arguments)) => Ok(arguments),
        Ok(_) => Err("the arguments must be a JSON object".to_owned()),
        Err(error) => Err(format!("the arguments are not JSON: {error}")),
    }
}

/// A text argument; numbers and truth values are taken as written.
fn text(arguments: &Map<String, Value>, name: &str) -> Result<String, String> {
    let value = match arguments.get(name) {
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(plain @ (Value::Number(_) | Value::Bool(_))) => plain.to_string(),
        Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => String::new(),
    };
    if value.is_empty() { Err(format!("`{name}` is missing")) } else { Ok(value) }
}

fn outcome(word: &str) -> Result<Outcome, String> {
    match word.parse() {
        Ok(Outcome::NoAnswer) | Err(_) => {
            Err("`outcome` must be booked, qualified, not_fit or wrong_number".to_owned())
        }
        Ok(outcome) => Ok(outcome),
    }
}

/// A time with its offset, such as `2026-05-26T15:30:00+03:00`. Only the form is checked; which
/// days a month has is the calendar's business.
fn rfc3339(time: String) -> Result<String, String> {
    let (date, rest) = time.split_at_checked(10).unwrap_or_default();
    let clock = rest.strip_prefix(['T', 't', ' ']).unwrap_or_default();
    let cut = clock.find(['Z', 'z', '+', '-']).unwrap_or(0);
    let (clock, zone) = clock.split_at_checked(cut).unwrap_or_default();
    let clock = clock.split('.').next().unwrap_or_default();
    let fits = looks_like(date, "0000-00-00")
        && (looks_like(clock, "00:00:00") || looks_like(clock, "00:00"))
        && (zone.eq_ignore_ascii_case("z") || looks_like(zone, "+00:00") || looks_like(zone, "-00:00"));
    if fits { Ok(time) } else { Err("`time` must be RFC 3339, such as 2026-05-26T15:30:00Z".to_owned()) }
}

/// Whether `text` has a digit wherever `form` has a `0`, and the form's own character elsewhere.
fn looks_like(text: &str, form: &str) -> bool {
    text.len() == form.len()
        && text.chars().zip(form.chars()).all(|(c, f)| if f == '0' { c.is_ascii_digit() } else { c == f })
}

/// What the model is told, in a fixed order.
pub(crate) fn specs(offer: &Offer<'_>) -> Vec<ToolSpec> {
    let mut specs = Vec::new();
    if !offer.slots.is_empty() {
        specs.push(save_slot(offer));
    }
    if !offer.nodes.is_empty() {
        specs.push(move_to(offer));
    }
    if offer.books {
        specs.push(book_slot());
    }
    if !offer.transfers.is_empty() {
        specs.push(transfer_call(offer));
    }
    specs.extend([end_call(), opt_out(), voicemail()]);
    specs
}

fn spec(name: &str, description: &str, properties: Value, required: &[&str]) -> ToolSpec {
    ToolSpec {
        name: name.to_owned(),
        description: description.to_owned(),
        parameters: json!({
            "type": "object", "properties": properties, "required": required, "additionalProperties": false
        }),
    }
}

fn save_slot(offer: &Offer<'_>) -> ToolSpec {
    let properties = json!({
        "name": { "type": "string", "enum": offer.slots },
        "value": { "type": "string", "description": "in the caller's words, short" }
    });
    spec(
        SAVE_SLOT,
        "Note what the caller told. Go on talking in the same answer.",
        properties,
        &["name", "value"],
    )
}

fn move_to(offer: &Offer<'_>) -> ToolSpec {
    let properties = json!({ "node": { "type": "string", "enum": offer.nodes } });
    spec(MOVE_TO, "Go to the next part of the conversation.", properties, &["node"])
}

fn book_slot() -> ToolSpec {
    let properties = json!({
        "time": { "type": "string", "format": "date-time", "description": "RFC 3339 with offset" },
        "notes": { "type": "string", "description": "what the owner of the calendar should know" }
    });
    spec(BOOK_SLOT, "Book the appointment the caller agreed to.", properties, &["time"])
}

fn end_call() -> ToolSpec {
    let properties = json!({
        "outcome": { "type": "string", "enum": ["booked", "qualified", "not_fit", "wrong_number"] },
        "reason": { "type": "string", "description": "for not_fit: why, in a few words" }
    });
    spec(END_CALL, "End the call. Say goodbye as text in the same answer.", properties, &["outcome"])
}

fn transfer_call(offer: &Offer<'_>) -> ToolSpec {
    let names: Vec<&str> = offer.transfers.iter().map(|(name, _)| *name).collect();
    let when: Vec<String> = offer.transfers.iter().map(|(name, when)| format!("{name}: {when}")).collect();
    let description = format!(
        "Put the caller through to somebody. Say so as text in the same answer. To whom, and when: {}",
        when.join("; ")
    );
    let properties = json!({ "to": { "type": "string", "enum": names } });
    spec(TRANSFER_CALL, &description, properties, &["to"])
}

fn opt_out() -> ToolSpec {
    spec(OPT_OUT, "The caller does not want to be called again. The call ends.", json!({}), &[])
}

/// Also the only tool offered when a long greeting is to be told apart.
pub(crate) fn voicemail() -> ToolSpec {
    spec(VOICEMAIL, "An answering machine took the call. The call ends.", json!({}), &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, arguments: &str) -> Result<Own, String> {
        read(&ToolCall { id: String::new(), name: name.to_owned(), arguments: arguments.to_owned() })
    }

    #[test]
    fn whatever_a_model_writes_is_read_or_refused_in_words() {
        let broken = [
            (SAVE_SLOT, "{\"name\":\"budget\""),
            (SAVE_SLOT, "[]"),
            (SAVE_SLOT, "{\"name\":\"budget\",\"value\":null}"),
            (SAVE_SLOT, ""),
            (MOVE_TO, "{\"node\":\"  \"}"),
            (END_CALL, "{\"outcome\":\"no_answer\"}"),
            (END_CALL, "{\"outcome\":\"great\"}"),
            (BOOK_SLOT, "{\"time\":\"tomorrow at three\"}"),
            ("launch", "{}"),
        ];
        for (name, arguments) in broken {
            assert!(call(name, arguments).is_err(), "{name} {arguments}");
        }
    }

    #[test]
    fn plain_values_are_taken_as_written() {
        let expected = Own::SaveSlot { name: "budget".to_owned(), value: "12000".to_owned() };
        assert_eq!(call(SAVE_SLOT, "{\"name\":\"budget\",\"value\":12000}"), Ok(expected));
        assert_eq!(call(OPT_OUT, ""), Ok(Own::OptOut));
    }

    #[test]
    fn only_times_with_an_offset_are_booked() {
        for good in ["2026-05-26T15:30:00Z", "2026-05-26T15:30+03:00", "2026-05-26 15:30:00.5-05:00"] {
            assert!(rfc3339(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["2026-05-26", "2026-05-26T15:30:00", "15:30Z", "2026-05-26Tü5:30Z", "ğğğğğğğğğğğğ", ""]
        {
            assert!(rfc3339(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_node_offers_what_it_can_do() {
        let names = |offer: &Offer<'_>| specs(offer).into_iter().map(|s| s.name).collect::<Vec<_>>();
        assert_eq!(names(&Offer::default()), [END_CALL, OPT_OUT, VOICEMAIL]);
        let all = Offer {
            slots: vec!["budget"],
            nodes: vec!["book"],
            books: true,
            transfers: vec![("desk", "on request")],
        };
        assert!(names(&all).iter().all(|name| is_own(name)) && names(&all).len() == 7);
    }
}

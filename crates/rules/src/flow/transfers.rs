//! `transfer`: to whom the agent may put a caller through.

use super::field::{Entry, Field};
use super::nodes::identifier;
use super::settings::prompt;
use std::collections::BTreeMap;
use talkif_model::E164;
use talkif_model::flow::{TransferMode, TransferTarget};

const KEYS: &[&str] = &["to", "when", "mode", "introduction", "max_ring"];
const RING_S: u32 = 25;

/// Reads `transfer`: a map from names to targets.
pub(super) fn read(field: Option<&Field<'_>>) -> BTreeMap<String, TransferTarget> {
    let entries = field.map(Field::entries).unwrap_or_default();
    entries.iter().filter_map(target).collect()
}

fn target(entry: &Entry<'_>) -> Option<(String, TransferTarget)> {
    let name = identifier(&entry.value, &entry.key.name);
    let section = entry.value.section(KEYS);
    let to = section.required("to").and_then(|field| address(&field));
    let when = section.required("when").and_then(|field| field.text());
    let mode = section.get("mode").and_then(|field| field.parsed("unknown_transfer_mode"));
    let mode = mode.unwrap_or(TransferMode::Blind);
    let introduction = section.get("introduction");
    if let Some(field) = introduction.as_ref().filter(|_| mode == TransferMode::Blind) {
        field.error("conflict", "after a blind transfer nobody is there to introduce: use `mode: attended`");
    }
    let introduction = introduction.and_then(|field| prompt(&field)).unwrap_or_default();
    let max_ring_s = section.get("max_ring").and_then(|field| field.duration_s(5..=60)).unwrap_or(RING_S);
    Some((name?, TransferTarget { to: to?, mode, when: when?, introduction, max_ring_s }))
}

/// A number, or a `sip:` or `tel:` address that can stand in a header as it is.
fn address(field: &Field<'_>) -> Option<String> {
    let text = field.text()?;
    let harmless = text.chars().all(|c| c.is_ascii_graphic() && !"<>\",".contains(c));
    let fits = match text.split_once(':') {
        Some(("sip" | "sips", rest)) => rest.split_once('@').is_some_and(|(user, host)| {
            !user.is_empty() && host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
        }),
        Some(("tel", number)) => number.parse::<E164>().is_ok(),
        Some(_) => false,
        None => text.parse::<E164>().is_ok(),
    };
    if !(harmless && fits) {
        field.error(
            "invalid_transfer_target",
            "must be a number such as +442079460999, or an address such as sip:desk@office.example",
        );
        return None;
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::super::{Format, compile};
    use super::*;

    #[test]
    fn a_flow_says_to_whom_a_caller_may_be_put_through() {
        let flow = compile(
            "id: flow_a
qualify: [need]
transfer:
  sales:
    to: '+442079460999'
    when: the person asks for a price
    mode: attended
    introduction: 'This is {{contact.name}}.'
    max_ring: 20s
  desk: {to: 'sip:desk@office.example', when: anything else}
    ",
            Format::Yaml,
        )
        .unwrap();
        let sales = &flow.transfer["sales"];
        assert_eq!(
            (sales.to.as_str(), sales.mode, sales.max_ring_s),
            ("+442079460999", TransferMode::Attended, 20)
        );
        assert_eq!(sales.introduction, "This is {{contact.name}}.");
        let desk = &flow.transfer["desk"];
        assert_eq!((desk.mode, desk.max_ring_s, desk.introduction.as_str()), (TransferMode::Blind, 25, ""));
    }

    #[test]
    fn a_transfer_to_nowhere_is_a_mistake() {
        let table = [
            ("{to: '0800 123', when: x}", "invalid_transfer_target"),
            ("{to: 'sip:office.example', when: x}", "invalid_transfer_target"),
            ("{to: 'sip:a@<b>', when: x}", "invalid_transfer_target"),
            ("{to: 'https://a.example', when: x}", "invalid_transfer_target"),
            ("{to: '+442079460999'}", "required"),
            ("{to: '+442079460999', when: x, mode: warm}", "unknown_transfer_mode"),
            ("{to: '+442079460999', when: x, introduction: Hi}", "conflict"),
            ("{to: '+442079460999', when: x, max_ring: 2m}", "out_of_range"),
        ];
        for (target, code) in table {
            let source = format!("id: flow_a\nqualify: [need]\ntransfer:\n  desk: {target}\n");
            let errors = compile(&source, Format::Yaml).unwrap_err();
            assert_eq!(errors.first().map(|error| error.code.as_str()), Some(code), "{target}: {errors:?}");
        }
    }
}

//! `qualify`, or `agents` with `entry`: the conversation as nodes, and whether they hang together.

use super::defaults::{qualify_prompt, slot_description};
use super::field::{Entry, Field, Section};
use super::follow_ups::calendar;
use super::settings::prompt;
use super::suggest;
use super::tree::Value;
use std::collections::{BTreeMap, BTreeSet};
use talkif_model::flow::{AgentNode, NodeId, Slot, Transition};

const NODE_KEYS: &[&str] = &["prompt", "slots", "transitions", "book"];
const SLOT_KEYS: &[&str] = &["name", "description", "required"];
const TRANSITION_KEYS: &[&str] = &["to", "when"];
const LONGEST_NAME: usize = 40;

/// The nodes and where a call starts.
#[derive(Default)]
pub(super) struct Outline {
    pub(super) entry: NodeId,
    pub(super) nodes: BTreeMap<NodeId, AgentNode>,
}

/// Reads the conversation. `booking` is the calendar that `on` books in.
pub(super) fn read(root: &Section<'_>, booking: Option<&str>) -> Outline {
    match (root.get("agents"), root.get("qualify")) {
        (Some(agents), qualify) => {
            if let Some(qualify) = qualify {
                qualify.error("conflict", "a flow with `agents` asks its questions in their `slots`");
            }
            graph(&agents, root, booking)
        }
        (None, Some(qualify)) => {
            if let Some(entry) = root.get("entry") {
                entry.error("conflict", "`entry` names one of `agents`; a flow with `qualify` has none");
            }
            single("qualify", slots(&qualify, &qualify_items(&qualify)), booking)
        }
        (None, None) => {
            root.missing("qualify", "a flow needs questions (`qualify`) or `agents`");
            Outline::default()
        }
    }
}

fn single(name: &str, slots: Vec<Slot>, booking: Option<&str>) -> Outline {
    let prompt = qualify_prompt(&slots, booking.is_some());
    let node = AgentNode { prompt, slots, transitions: Vec::new(), book: booking.map(str::to_owned) };
    Outline { entry: name.to_owned(), nodes: BTreeMap::from([(name.to_owned(), node)]) }
}

/// A name of `qualify` that was found in a text or is an item of its own.
struct Item<'a> {
    field: Field<'a>,
    name: Option<String>,
}

/// The product's own example writes all questions in one item: `- need - timing - budget`.
fn qualify_items<'a>(field: &Field<'a>) -> Vec<Item<'a>> {
    let split = |item: Field<'a>| match &item.node.value {
        Value::Text(text) => {
            names_in(text).map(|name| Item { field: item.clone(), name: Some(name) }).collect()
        }
        _ => vec![Item { field: item, name: None }],
    };
    field.items().into_iter().flat_map(split).collect()
}

fn names_in(text: &str) -> impl Iterator<Item = String> {
    let text = text.trim().trim_start_matches("- ");
    text.split(" - ").flat_map(|part| part.split(',')).map(|name| name.trim().to_owned())
}

/// Slots of all forms; names are checked and must differ.
fn slots(field: &Field<'_>, items: &[Item<'_>]) -> Vec<Slot> {
    let mut seen = BTreeSet::new();
    let mut slots = Vec::new();
    for slot in items.iter().filter_map(|item| slot(item).map(|slot| (slot, &item.field))) {
        let (slot, field) = slot;
        if seen.insert(slot.name.clone()) {
            slots.push(slot);
        } else {
            field.error("duplicate_slot", format!("`{}` is asked for twice", slot.name));
        }
    }
    if items.is_empty() {
        field.error("required", "name at least one thing to find out");
    }
    slots
}

/// `budget`, or `{name: budget, description: …, required: false}`.
fn slot(item: &Item<'_>) -> Option<Slot> {
    if let Some(name) = &item.name {
        return identifier(&item.field, name).map(|name| simple_slot(&name));
    }
    if !item.field.is_map() {
        item.field.text()?;
    }
    let section = item.field.section(SLOT_KEYS);
    let name = section.required("name")?;
    let name = name.text().and_then(|text| identifier(&name, &text))?;
    let description = section.get("description").and_then(|field| field.text());
    Some(Slot {
        description: description.unwrap_or_else(|| slot_description(&name)),
        required: section.get("required").and_then(|field| field.boolean()).unwrap_or(true),
        name,
    })
}

fn simple_slot(name: &str) -> Slot {
    Slot { name: name.to_owned(), description: slot_description(name), required: true }
}

/// A name that a model can be given: lower-case letters, digits, `_` and `-`.
pub(super) fn identifier(field: &Field<'_>, text: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    let well_formed = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.len() <= LONGEST_NAME
        && text.chars().all(allowed);
    if !well_formed {
        field.error(
            "invalid_identifier",
            format!("`{text}` must be up to {LONGEST_NAME} lower-case letters, digits, `_` or `-`, beginning with a letter"),
        );
    }
    well_formed.then(|| text.to_owned())
}

/// Reads `agents`.
fn graph(agents: &Field<'_>, root: &Section<'_>, booking: Option<&str>) -> Outline {
    let entries = agents.entries();
    if entries.is_empty() && agents.is_map() {
        agents.error("required", "a flow needs at least one agent");
    }
    let mut nodes: BTreeMap<NodeId, AgentNode> = BTreeMap::new();
    let mut edges = Vec::new();
    for entry in &entries {
        identifier(&entry.value, &entry.key.name);
        let (node, targets) = node(entry, booking);
        edges.extend(targets.into_iter().map(|to| (entry.key.name.as_str(), to)));
        nodes.insert(entry.key.name.clone(), node);
    }
    let names: Vec<&str> = entries.iter().map(|entry| entry.key.name.as_str()).collect();
    check_edges(&edges, &names);
    let start = start(root, &names);
    if let Some(start) = &start {
        check_reachable(start, &entries, &nodes);
    }
    if let Some(booking) = booking {
        let books: Vec<bool> = nodes.values().map(|node| node.book.is_some()).collect();
        if !books.contains(&true) {
            let last = |node: &&mut AgentNode| node.transitions.is_empty();
            nodes.values_mut().filter(last).for_each(|node| node.book = Some(booking.to_owned()));
        }
    }
    Outline { entry: start.unwrap_or_default(), nodes }
}

/// Where the transitions of a node lead, with the place that says so.
type Targets<'a> = Vec<(String, Field<'a>)>;

fn node<'a>(entry: &Entry<'a>, booking: Option<&str>) -> (AgentNode, Targets<'a>) {
    let section = entry.value.section(NODE_KEYS);
    let text = section.required("prompt").and_then(|field| prompt(&field)).unwrap_or_default();
    let asked = section.get("slots").map(|field| slots(&field, &slot_items(&field))).unwrap_or_default();
    let (transitions, targets) = section.get("transitions").map(|f| transitions(&f)).unwrap_or_default();
    let book = section.get("book").and_then(|field| book(&field, booking));
    (AgentNode { prompt: text, slots: asked, transitions, book }, targets)
}

/// A list of names or maps, or one map from names to descriptions.
fn slot_items<'a>(field: &Field<'a>) -> Vec<Item<'a>> {
    qualify_items(field)
}

/// `book: calendar.mehmet`, or `book: true` for the calendar that `on` names.
fn book(field: &Field<'_>, booking: Option<&str>) -> Option<String> {
    match (&field.node.value, booking) {
        (Value::Bool(false), _) => None,
        (Value::Bool(true), Some(booking)) => Some(booking.to_owned()),
        (Value::Bool(true), None) => {
            field.error("required", "name a calendar here, or in `on.qualified: book(…)`");
            None
        }
        _ => calendar(&field.text()?).map_err(|message| field.error("invalid_format", message)).ok(),
    }
}

/// A list of `{to, when}`, or a map from target to condition.
fn transitions<'a>(field: &Field<'a>) -> (Vec<Transition>, Targets<'a>) {
    let listed = |item: Field<'a>| {
        let section = item.section(TRANSITION_KEYS);
        let to = section.required("to").and_then(|to| Some((to.text()?, to)));
        let when = section.required("when").and_then(|when| when.text());
        Some((to?, when?))
    };
    let mapped =
        |entry: Entry<'a>| Some(((entry.key.name.clone(), entry.value.clone()), entry.value.text()?));
    let found: Vec<_> = if field.is_map() {
        field.entries().into_iter().filter_map(mapped).collect()
    } else {
        field.items().into_iter().filter_map(listed).collect()
    };
    found.into_iter().map(|((to, place), when)| (Transition { to: to.clone(), when }, (to, place))).unzip()
}

fn check_edges(edges: &[(&str, (String, Field<'_>))], names: &[&str]) {
    for (from, (to, place)) in edges {
        if from == to {
            place.error("self_transition", format!("`{to}` leads to itself"));
        } else if !names.contains(&to.as_str()) {
            place.error("invalid_edge_reference", suggest::unknown("agent", to, names));
        }
    }
}

/// The node that `entry` names; with a single node it may be left out.
fn start(root: &Section<'_>, names: &[&str]) -> Option<NodeId> {
    let Some(field) = root.get("entry") else {
        if let [only] = names {
            return Some((*only).to_owned());
        }
        root.missing("entry", "`entry` must name the agent a call starts with");
        return None;
    };
    let name = field.text()?;
    if names.contains(&name.as_str()) {
        return Some(name);
    }
    field.error("invalid_initial_node", suggest::unknown("agent", &name, names));
    None
}

fn check_reachable(start: &str, entries: &[Entry<'_>], nodes: &BTreeMap<NodeId, AgentNode>) {
    let mut reached = BTreeSet::from([start]);
    let mut open = vec![start];
    while let Some(node) = open.pop().and_then(|name| nodes.get(name)) {
        let next = node.transitions.iter().map(|transition| transition.to.as_str());
        let new: Vec<&str> = next.filter(|name| reached.insert(name)).collect();
        open.extend(new.into_iter().filter(|name| nodes.contains_key(*name)));
    }
    for entry in entries.iter().filter(|entry| !reached.contains(entry.key.name.as_str())) {
        entry.error("unreachable_node", format!("no way leads from `{start}` to `{}`", entry.key.name));
    }
}

//! Which flow takes a lead.
//!
//! A flow takes a lead if each of its lists is empty or names the lead's value. A lead whose
//! language is unknown is no stranger to any language: forms rarely ask for it. Among those that
//! do, the one that names most dimensions wins. Ties are broken by what they name, in this
//! order: campaign, intent, source, language; then by the shorter lists, because who names one
//! source means it more than who names ten; then by the smaller id. So the answer never depends
//! on the order of the candidates.

use std::cmp::Reverse;
use talkif_model::FlowId;
use talkif_model::flow::FlowMatch;

/// What is known of a lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LeadTraits<'a> {
    /// `web_form` …
    pub source: &'a str,
    /// The campaign's name.
    pub campaign: Option<&'a str>,
    /// `pricing` …
    pub intent: Option<&'a str>,
    /// A language tag; only its first part counts.
    pub language: Option<&'a str>,
}

/// The flow that takes `lead`, `None` if none does.
#[must_use]
pub fn route<'c>(
    lead: LeadTraits<'_>,
    candidates: impl IntoIterator<Item = (&'c FlowId, &'c FlowMatch)>,
) -> Option<&'c FlowId> {
    let rated =
        candidates.into_iter().filter_map(|(id, matches)| Some((rate(lead, matches)?, Reverse(id), id)));
    rated.max_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1))).map(|(_, _, id)| id)
}

/// How well a flow fits: dimensions named, which of them, and how few values they allow.
type Rating = (usize, [bool; 4], Reverse<usize>);

/// `None` if the flow does not take the lead.
fn rate(lead: LeadTraits<'_>, matches: &FlowMatch) -> Option<Rating> {
    let language = lead.language.and_then(|tag| tag.split(['-', '_']).next());
    let named = [
        names(&matches.campaign, lead.campaign)?,
        names(&matches.intent, lead.intent)?,
        names(&matches.source, Some(lead.source))?,
        language.map_or(Some(false), |language| names(&matches.language, Some(language)))?,
    ];
    let values = [&matches.campaign, &matches.intent, &matches.source, &matches.language];
    let length = values.iter().map(|list| list.len()).sum();
    Some((named.iter().filter(|is_named| **is_named).count(), named, Reverse(length)))
}

/// Whether the list names the value; `None` if it names others.
fn names(list: &[String], value: Option<&str>) -> Option<bool> {
    if list.is_empty() {
        return Some(false);
    }
    let value = value?;
    list.iter().any(|one| one.eq_ignore_ascii_case(value)).then_some(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// `source/campaign/intent/language`, each a list.
    fn flow(id: &str, lists: &str) -> (FlowId, FlowMatch) {
        let mut parts = lists.split('/').map(list);
        let mut next = || parts.next().unwrap_or_default();
        let (source, campaign, intent, language) = (next(), next(), next(), next());
        (id.parse().unwrap(), FlowMatch { source, campaign, intent, language })
    }

    fn lead<'a>(source: &'a str, campaign: &'a str, intent: &'a str, language: &'a str) -> LeadTraits<'a> {
        let some = |text: &'a str| (!text.is_empty()).then_some(text);
        LeadTraits { source, campaign: some(campaign), intent: some(intent), language: some(language) }
    }

    fn routed(lead: LeadTraits<'_>, flows: &[(FlowId, FlowMatch)]) -> Option<String> {
        route(lead, flows.iter().map(|(id, matches)| (id, matches))).map(ToString::to_string)
    }

    #[test]
    fn the_most_specific_flow_wins() {
        let flows = [
            flow("flow_any", "///"),
            flow("flow_web", "web_form///"),
            flow("flow_pricing", "web_form meta_lead_ads//pricing/tr en"),
            flow("flow_autumn", "/autumn//"),
        ];
        let table = [
            (lead("web_form", "", "pricing", "tr"), "flow_pricing"),
            (lead("web_form", "", "pricing", "tr-TR"), "flow_pricing"),
            (lead("web_form", "", "Pricing", "EN"), "flow_pricing"),
            (lead("web_form", "", "pricing", "de"), "flow_web"),
            (lead("web_form", "", "pricing", ""), "flow_pricing"),
            (lead("web_form", "", "support", "tr"), "flow_web"),
            (lead("api", "", "", ""), "flow_any"),
            (lead("web_form", "autumn", "", ""), "flow_autumn"),
            (lead("web_form", "autumn", "pricing", "en"), "flow_pricing"),
        ];
        for (lead, expected) in table {
            assert_eq!(routed(lead, &flows).as_deref(), Some(expected), "{lead:?}");
        }
    }

    #[test]
    fn ties_are_broken_by_dimension_then_list_length_then_id() {
        let lead = lead("web_form", "autumn", "pricing", "tr");
        let table = [
            (["web_form///", "/autumn//"], 1),
            (["//pricing/", "web_form///"], 0),
            (["///tr", "web_form///"], 1),
            (["web_form api///", "web_form///"], 1),
            (["web_form///", "web_form///"], 0),
        ];
        for (lists, winner) in table {
            let flows = [flow("flow_a", lists[0]), flow("flow_b", lists[1])];
            assert_eq!(routed(lead, &flows), Some(flows[winner].0.to_string()), "{lists:?}");
        }
    }

    #[test]
    fn no_flow_takes_a_stranger() {
        assert_eq!(routed(lead("api", "", "", ""), &[flow("flow_web", "web_form///")]), None);
        assert_eq!(routed(lead("api", "", "", ""), &[]), None);
    }

    proptest! {
        #[test]
        fn the_order_of_candidates_does_not_matter(
            lists in proptest::collection::vec("(a|b|a b)?/(c|d)?/(e|f)?/(tr|en|tr en)?", 1..6),
            turn in 0_usize..6,
        ) {
            let mut flows: Vec<_> = (0..).zip(&lists).map(|(n, text)| flow(&format!("flow_{n}"), text)).collect();
            let lead = lead("a", "c", "e", "tr");
            let first = routed(lead, &flows);
            let turn = turn % flows.len();
            flows.rotate_left(turn);
            prop_assert_eq!(routed(lead, &flows), first.clone());
            flows.reverse();
            prop_assert_eq!(routed(lead, &flows), first);
        }
    }
}

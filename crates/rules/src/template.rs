//! Templates of prompts and greetings: Handlebars, the language the product documents.
//!
//! Values come as a flat map with dotted keys (`contact.name`); in the template they are nested.
//! What is missing is empty, and nothing is escaped, because the result is spoken. Besides the
//! language's own helpers there are `default` (`{{default contact.name "there"}}`) and the block
//! `ifExists`.
//!
//! Templates come from customers, so what could make them run away is refused: partials, which
//! can include each other for ever, nesting beyond reason, and what `limits` says.

mod limits;

use handlebars::{
    Handlebars, Helper, HelperDef, HelperResult, Output, RenderContext, RenderErrorReason, Renderable,
};
use limits::Page;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Longest template, in bytes.
const MAX_BYTES: usize = 64 * 1024;
/// Deepest nesting of blocks, and of brackets in one expression.
const MAX_DEPTH: usize = 32;

/// Why a template cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Longer than 64 KiB, nested too deeply, or its text is longer than 256 KiB.
    #[error("the template or its text is too long, or it is nested too deeply")]
    TooLarge,
    /// Too many loops, or loops within loops.
    #[error("a template has at most 16 loops, none within another")]
    Loops,
    /// Partials and decorators.
    #[error("partials cannot be used")]
    Partial,
    /// It is not well-formed.
    #[error("{0}")]
    Syntax(String),
    /// It names a helper that does not exist, or uses one wrongly.
    #[error("{0}")]
    Render(String),
}

/// Checks a template without values.
///
/// # Errors
/// As [`render`].
pub fn check(template: &str) -> Result<(), TemplateError> {
    render(template, &BTreeMap::new()).map(drop)
}

/// Fills `values` into `template`. A text without `{{` comes back as it is.
///
/// # Errors
/// [`TemplateError`].
pub fn render(template: &str, values: &BTreeMap<String, String>) -> Result<String, TemplateError> {
    if template.len() > MAX_BYTES {
        return Err(TemplateError::TooLarge);
    }
    if !template.contains("{{") {
        return Ok(template.to_owned());
    }
    check_shape(template)?;
    let mut language = language();
    language
        .register_template_string("t", template)
        .map_err(|error| TemplateError::Syntax(error.reason().to_string()))?;
    language.get_template("t").map_or(Ok(()), limits::check_loops)?;
    let mut page = Page::default();
    match language.render_to_write("t", &nested(values), &mut page) {
        Ok(()) => Ok(page.into_text()),
        Err(_) if page.full => Err(TemplateError::TooLarge),
        Err(error) => Err(TemplateError::Render(error.reason().to_string())),
    }
}

fn language() -> Handlebars<'static> {
    let mut language = Handlebars::new();
    // It would write values of people into the process's log.
    language.unregister_helper("log");
    language.register_escape_fn(handlebars::no_escape);
    language.register_helper("default", Box::new(default));
    language.register_helper("ifExists", Box::new(IfExists));
    language
}

/// Refuses partials and decorators, and bounds nesting.
fn check_shape(template: &str) -> Result<(), TemplateError> {
    let mut blocks = 0_usize;
    for tag in template.split("{{").skip(1) {
        let head = tag.trim_start_matches(['{', '~', '#', '^', ' ', '\t', '\r', '\n']);
        if head.starts_with(['>', '*']) {
            return Err(TemplateError::Partial);
        }
        if tag.trim_start_matches('~').starts_with('#') {
            blocks += 1;
        } else if tag.trim_start_matches('~').starts_with('/') {
            blocks = blocks.saturating_sub(1);
        }
        let brackets = tag.split("}}").next().unwrap_or_default().matches('(').count();
        if blocks > MAX_DEPTH || brackets > MAX_DEPTH {
            return Err(TemplateError::TooLarge);
        }
    }
    Ok(())
}

/// `contact.name` becomes `{"contact": {"name": …}}`. Where a name is both a value and a group,
/// the group stays.
fn nested(values: &BTreeMap<String, String>) -> Value {
    let mut root = Map::new();
    values.iter().for_each(|(key, value)| insert(&mut root, key, value));
    Value::Object(root)
}

fn insert(place: &mut Map<String, Value>, key: &str, value: &str) {
    let Some((group, rest)) = key.split_once('.') else {
        place.entry(key).or_insert_with(|| Value::String(value.to_owned()));
        return;
    };
    let entry = place.entry(group).or_insert(Value::Null);
    if !entry.is_object() {
        *entry = Value::Object(Map::new());
    }
    if let Value::Object(inner) = entry {
        insert(inner, rest, value);
    }
}

/// Texts that exports of other systems write for "nothing".
fn is_absent(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => matches!(text.trim(), "" | "none" | "null" | "undefined"),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// `{{default value "fallback"}}`.
fn default(
    helper: &Helper<'_>,
    _: &Handlebars<'_>,
    _: &handlebars::Context,
    _: &mut RenderContext<'_, '_>,
    out: &mut dyn Output,
) -> HelperResult {
    let parameters = helper.params().iter().map(|parameter| parameter.value());
    let chosen = parameters.into_iter().find(|value| !is_absent(value));
    match chosen {
        Some(Value::String(text)) => out.write(text)?,
        Some(other) => out.write(&other.to_string())?,
        None => {}
    }
    Ok(())
}

/// `{{#ifExists value}}…{{else}}…{{/ifExists}}`.
struct IfExists;

impl HelperDef for IfExists {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        language: &'reg Handlebars<'reg>,
        context: &'rc handlebars::Context,
        state: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let value = helper.param(0).ok_or(RenderErrorReason::ParamNotFoundForIndex("ifExists", 0))?;
        let branch = if is_absent(value.value()) { helper.inverse() } else { helper.template() };
        branch.map_or(Ok(()), |template| template.render(language, context, state, out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fill(template: &str, values: &[(&str, &str)]) -> Result<String, TemplateError> {
        let values = values.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        render(template, &values)
    }

    #[test]
    fn values_are_filled_in() {
        let values = [("contact.name", "Ece"), ("lead.intent", "pricing"), ("contact.address.city", "İzmir")];
        let table = [
            ("no template", "no template"),
            ("Hi {{contact.name}}!", "Hi Ece!"),
            ("{{contact.address.city}}", "İzmir"),
            ("{{default contact.name \"there\"}}", "Ece"),
            ("{{default contact.surname \"there\"}}", "there"),
            ("{{default contact.surname lead.intent}}", "pricing"),
            ("[{{contact.surname}}]", "[]"),
            ("[{{nothing.at.all}}]", "[]"),
            ("{{#if lead.intent}}yes{{else}}no{{/if}}", "yes"),
            ("{{#if (eq lead.intent \"pricing\")}}price{{/if}}", "price"),
            ("{{#ifExists contact.surname}}yes{{else}}no{{/ifExists}}", "no"),
            ("{{#ifExists contact.name}}yes{{else}}no{{/ifExists}}", "yes"),
        ];
        for (template, expected) in table {
            assert_eq!(fill(template, &values).as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn nothing_is_escaped_and_values_are_not_templates() {
        let values = [("contact.name", "<b>O'Neil & {{lead.intent}}</b>")];
        assert_eq!(fill("{{contact.name}}", &values).as_deref(), Ok("<b>O'Neil & {{lead.intent}}</b>"));
    }

    #[test]
    fn words_for_nothing_are_nothing() {
        for nothing in ["", " ", "none", "null", "undefined"] {
            assert_eq!(
                fill("{{default contact.name \"there\"}}", &[("contact.name", nothing)]).unwrap(),
                "there"
            );
        }
    }

    #[test]
    fn a_name_that_is_also_a_group_does_no_harm() {
        assert_eq!(fill("{{contact.name}}", &[("contact", "x"), ("contact.name", "Ece")]).unwrap(), "Ece");
    }

    #[test]
    fn loops_are_few_not_nested_and_write_no_more_than_a_page() {
        let names: Vec<String> = (0..400).map(|number| format!("lead.field{number}")).collect();
        let values: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
        assert_eq!(fill("{{#each lead}}{{this}}{{/each}}", &values), Ok("x".repeat(400)));
        let nested =
            |depth: usize| format!("{}x{}", "{{ #each @root.lead}}".repeat(depth), "{{/each}}".repeat(depth));
        for depth in [2, 8, 30] {
            assert_eq!(fill(&nested(depth), &values), Err(TemplateError::Loops), "{depth}");
        }
        let hidden = "{{#if lead}}{{#each lead}}{{#if this}}{{else}}{{#each @root.lead}}x{{/each}}{{/if}}{{/each}}{{/if}}";
        assert_eq!(fill(hidden, &values), Err(TemplateError::Loops));
        assert!(fill(&"{{#each lead}}{{/each}}".repeat(16), &values).is_ok());
        assert_eq!(fill(&"{{#each lead}}{{/each}}".repeat(17), &values), Err(TemplateError::Loops));
        let long = format!("{{{{#each lead}}}}{}{{{{/each}}}}", "x".repeat(1_000));
        assert_eq!(fill(&long, &values), Err(TemplateError::TooLarge));
    }

    #[test]
    fn what_could_run_away_is_refused() {
        for template in
            ["{{> a}}", "{{#> a}}{{/a}}", "{{#*inline \"a\"}}{{> a}}{{/inline}}", "{{~ > a}}", "{{ #> a}}"]
        {
            assert_eq!(check(template), Err(TemplateError::Partial), "{template}");
        }
        let deep = format!("{}x{}", "{{#if a}}".repeat(33), "{{/if}}".repeat(33));
        assert_eq!(check(&deep), Err(TemplateError::TooLarge));
        let brackets = format!("{{{{#if {}a{}}}}}x{{{{/if}}}}", "(not ".repeat(33), ")".repeat(33));
        assert_eq!(check(&brackets), Err(TemplateError::TooLarge));
        assert_eq!(check(&"x".repeat(MAX_BYTES + 1)), Err(TemplateError::TooLarge));
    }

    #[test]
    fn mistakes_are_errors() {
        assert!(matches!(check("{{#if a}}open"), Err(TemplateError::Syntax(_))));
        assert!(matches!(check("{{shout contact.name}}"), Err(TemplateError::Render(_))));
        assert!(matches!(check("{{log contact.name}}"), Err(TemplateError::Render(_))));
    }

    proptest! {
        #[test]
        fn no_template_panics(template in "[{}#/>~a-z .()\"]{0,40}") {
            let _ = check(&template);
        }
    }
}

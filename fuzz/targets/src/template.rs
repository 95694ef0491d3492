//! Templates of prompts, and what leads put into them.

use std::collections::BTreeMap;
use talkif_rules::template::{check, render};

/// Lines of `key=value`, an empty line, the template.
///
/// # Panics
/// If a value is taken for a part of the template, or a text without any is changed.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (head, template) = text.split_once("\n\n").unwrap_or(("", text));
    let values: BTreeMap<String, String> = head
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let rendered = render(template, &values);
    assert_eq!(render(template, &values), rendered, "the same values give the same text");
    assert_eq!(check(template), render(template, &BTreeMap::new()).map(drop));
    if !template.contains("{{") {
        assert!(rendered.is_err() || rendered.as_deref() == Ok(template));
    }
    let hostile = BTreeMap::from([("contact.name".to_owned(), template.to_owned())]);
    assert_eq!(render("{{contact.name}}", &hostile).as_deref(), Ok(template), "values are not templates");
}

//! `{{ name }}` in manifest values.

use std::collections::BTreeMap;

/// Text with placeholders for variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(String),
}

/// Why a template cannot be expanded.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// `{{` without `}}`.
    #[error("`{{{{` without `}}}}` in \"{0}\"")]
    Unclosed(String),
    /// No such variable.
    #[error("`{{{{ {0} }}}}` names no variable of the application")]
    Undefined(String),
}

impl Template {
    /// Splits `text` at its placeholders.
    ///
    /// # Errors
    /// When a placeholder does not end.
    pub fn parse(text: &str) -> Result<Template, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let unclosed = || TemplateError::Unclosed(text.to_owned());
            let (name, tail) = after.split_once("}}").ok_or_else(unclosed)?;
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Variable(name.trim().to_owned()));
            rest = tail;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Template(parts))
    }

    /// The text with every placeholder replaced by its value.
    ///
    /// # Errors
    /// When a placeholder names no value.
    pub fn expand(&self, values: &BTreeMap<String, String>) -> Result<String, TemplateError> {
        let mut text = String::new();
        for part in &self.0 {
            text.push_str(match part {
                Part::Text(text) => text,
                Part::Variable(name) => {
                    values.get(name).ok_or_else(|| TemplateError::Undefined(name.clone()))?
                }
            });
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(text: &str) -> Result<String, TemplateError> {
        let values =
            BTreeMap::from([("host".to_owned(), "db".to_owned()), ("port".to_owned(), "1".to_owned())]);
        Template::parse(text)?.expand(&values)
    }

    #[test]
    fn placeholders_are_replaced_with_or_without_spaces() {
        assert_eq!(expand("postgres://{{ host }}:{{port}}/"), Ok("postgres://db:1/".to_owned()));
        assert_eq!(expand("plain"), Ok("plain".to_owned()));
    }

    #[test]
    fn unknown_names_and_open_ends_are_errors() {
        assert_eq!(expand("{{ nobody }}"), Err(TemplateError::Undefined("nobody".to_owned())));
        assert_eq!(expand("a{{ host"), Err(TemplateError::Unclosed("a{{ host".to_owned())));
    }
}

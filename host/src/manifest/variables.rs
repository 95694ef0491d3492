//! The values of an application's variables, and what each component sees of them.

use super::{Component, Manifest, ManifestError, Template, VariableSpec};
use std::collections::BTreeMap;

/// Values by name. Printing them shows the names alone, since some values are secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// The value called `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// What `component` sees: its own templates, expanded.
    ///
    /// # Errors
    /// When a template is broken or names no variable.
    pub fn of_component(&self, id: &str, component: &Component) -> Result<Variables, ManifestError> {
        let expanded = component.variables.iter().map(|(name, template)| {
            check_name(name)?;
            Ok((name.clone(), self.expand(id, template)?))
        });
        expanded.collect::<Result<_, ManifestError>>().map(Variables)
    }

    /// Expands one template of component `id`.
    ///
    /// # Errors
    /// When the template is broken or names no variable.
    pub fn expand(&self, id: &str, template: &str) -> Result<String, ManifestError> {
        Template::parse(template)
            .and_then(|template| template.expand(&self.0))
            .map_err(|source| ManifestError::Template { component: id.to_owned(), source })
    }
}

impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The application's values: from `environment` by the name `SPIN_VARIABLE_` and the variable's
/// name in capitals, else the manifest's default.
///
/// # Errors
/// When a required variable has no value, or an entry is neither required nor has a default.
pub fn resolve_variables(
    manifest: &Manifest,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Variables, ManifestError> {
    let resolved = manifest.variables.iter().map(|(name, spec)| {
        check_name(name)?;
        Ok((name.clone(), resolve(name, spec, &environment)?))
    });
    resolved.collect::<Result<_, ManifestError>>().map(Variables)
}

fn resolve(
    name: &str,
    spec: &VariableSpec,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<String, ManifestError> {
    if spec.required == spec.default.is_some() {
        return Err(ManifestError::VariableKind(name.to_owned()));
    }
    let key = format!("SPIN_VARIABLE_{}", name.to_ascii_uppercase());
    environment(&key)
        .or_else(|| spec.default.clone())
        .ok_or(ManifestError::MissingVariable { name: name.to_owned(), environment: key })
}

fn check_name(name: &str) -> Result<(), ManifestError> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    match name.bytes().next() {
        Some(first) if first.is_ascii_lowercase() && name.bytes().all(plain) => Ok(()),
        _ => Err(ManifestError::VariableName(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(variables: &str) -> Manifest {
        let text = format!(
            "spin_manifest_version = 2\n[application]\nname = \"a\"\n[[trigger.http]]\nroute = \"/\"\n\
             component = \"c\"\n[component.c]\nsource = \"c.wasm\"\n\
             variables = {{ url = \"http://{{{{ host }}}}\" }}\n[variables]\n{variables}"
        );
        Manifest::parse(&text).unwrap()
    }

    fn nothing(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn the_environment_wins_over_the_default() {
        let manifest = manifest("host = { default = \"here\" }");
        let set = |key: &str| (key == "SPIN_VARIABLE_HOST").then(|| "there".to_owned());
        assert_eq!(resolve_variables(&manifest, nothing).unwrap().get("host"), Some("here"));
        assert_eq!(resolve_variables(&manifest, set).unwrap().get("host"), Some("there"));
    }

    #[test]
    fn a_missing_required_variable_names_what_to_set() {
        let error = resolve_variables(&manifest("host = { required = true }"), nothing).unwrap_err();
        assert_eq!(error.to_string(), "variable `host` is required: set SPIN_VARIABLE_HOST");
    }

    #[test]
    fn a_variable_is_required_or_has_a_default() {
        let error = resolve_variables(&manifest("host = {}"), nothing).unwrap_err();
        assert!(matches!(error, ManifestError::VariableKind(name) if name == "host"));
    }

    #[test]
    fn a_component_sees_only_its_own_names() {
        let manifest = manifest("host = { default = \"h\" }");
        let values = resolve_variables(&manifest, nothing).unwrap();
        let seen = values.of_component("c", &manifest.component["c"]).unwrap();
        assert_eq!((seen.get("url"), seen.get("host")), (Some("http://h"), None));
    }

    #[test]
    fn printing_variables_shows_no_values() {
        let values = resolve_variables(&manifest("host = { default = \"hush\" }"), nothing).unwrap();
        assert_eq!(format!("{values:?}"), "{\"host\"}");
    }
}

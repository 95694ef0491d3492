//! `spin.toml`, manifest version 2: what an application consists of.
//!
//! Every key is either understood or refused; nothing is silently ignored. To accept another
//! key, add it to the struct of its table, and to [`check`] if it needs a rule of its own.

mod error;
mod template;
mod variables;

pub use error::ManifestError;
pub use template::{Template, TemplateError};
pub use variables::{Variables, resolve_variables};

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A whole `spin.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of the format; only 2 is understood.
    pub spin_manifest_version: u32,
    /// Name and version of the application.
    pub application: Application,
    /// The application's variables by name.
    #[serde(default)]
    pub variables: BTreeMap<String, VariableSpec>,
    /// What starts a component.
    #[serde(default)]
    pub trigger: Triggers,
    /// The components by id.
    #[serde(default)]
    pub component: BTreeMap<String, Component>,
}

/// `[application]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// The application's name.
    pub name: String,
    /// Its version.
    #[serde(default)]
    pub version: String,
    /// What it is.
    #[serde(default)]
    pub description: String,
    /// Who wrote it.
    #[serde(default)]
    pub authors: Vec<String>,
}

/// One entry of `[variables]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VariableSpec {
    /// Without a value from outside the application does not start.
    #[serde(default)]
    pub required: bool,
    /// The value where none comes from outside.
    pub default: Option<String>,
    /// The value is not for logs.
    #[serde(default)]
    pub secret: bool,
    /// What the variable is for.
    #[serde(default)]
    pub description: String,
}

/// `[[trigger.*]]`; only HTTP triggers are run.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Triggers {
    /// `[[trigger.http]]`.
    #[serde(default)]
    pub http: Vec<HttpTrigger>,
}

/// One `[[trigger.http]]`: requests of a route go to a component.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpTrigger {
    /// An optional id.
    pub id: Option<String>,
    /// The pattern of paths.
    pub route: RouteSpec,
    /// The component's id.
    pub component: String,
    /// How the component is called.
    pub executor: Option<Executor>,
}

/// The `route` of an HTTP trigger.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum RouteSpec {
    /// A pattern such as `/leads/:id` or `/static/...`.
    Path(String),
    /// `{ private = true }`: no path leads here.
    Private {
        /// Always true.
        private: bool,
    },
}

/// The `executor` of an HTTP trigger.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Executor {
    /// `http` is the only kind that is run.
    #[serde(rename = "type")]
    pub kind: String,
}

/// One `[component.X]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// The compiled component, relative to the manifest.
    pub source: PathBuf,
    /// What it does.
    #[serde(default)]
    pub description: String,
    /// Environment variables of the guest.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// The variables it may read: templates over the application's variables.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// Where it may connect to, as templates.
    #[serde(default)]
    pub allowed_outbound_hosts: Vec<String>,
    /// How it is built; of no interest to a host.
    pub build: Option<Build>,
    /// Settings of other tools; of no interest to a host.
    pub tool: Option<toml::Table>,
    /// Not supported: guests see no files.
    #[serde(default)]
    pub files: Vec<toml::Value>,
    /// Not supported.
    #[serde(default)]
    pub key_value_stores: Vec<String>,
    /// Not supported.
    #[serde(default)]
    pub sqlite_databases: Vec<String>,
    /// Not supported.
    #[serde(default)]
    pub ai_models: Vec<String>,
    /// Not supported: components are complete.
    #[serde(default)]
    pub dependencies: BTreeMap<String, toml::Value>,
}

/// `[component.X.build]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// The command, or several.
    pub command: toml::Value,
    /// Where it runs.
    pub workdir: Option<PathBuf>,
    /// The files whose change asks for a new build.
    #[serde(default)]
    pub watch: Vec<String>,
}

impl Manifest {
    /// Reads and checks the manifest at `path`.
    ///
    /// # Errors
    /// When the file cannot be read, is not a manifest of version 2, or asks for something this
    /// host does not do.
    pub fn load(path: &Path) -> Result<Manifest, ManifestError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ManifestError::Unreadable { path: path.to_owned(), source })?;
        Manifest::parse(&text)
    }

    /// Parses and checks the text of a manifest.
    ///
    /// # Errors
    /// As for [`Manifest::load`].
    pub fn parse(text: &str) -> Result<Manifest, ManifestError> {
        let manifest: Manifest = toml::from_str(text)?;
        check(&manifest)?;
        Ok(manifest)
    }
}

fn check(manifest: &Manifest) -> Result<(), ManifestError> {
    if manifest.spin_manifest_version != 2 {
        return Err(ManifestError::Version(manifest.spin_manifest_version));
    }
    if manifest.trigger.http.is_empty() {
        return Err(ManifestError::NoTrigger);
    }
    manifest.trigger.http.iter().try_for_each(|trigger| check_trigger(manifest, trigger))?;
    manifest.component.iter().try_for_each(|(id, component)| check_component(id, component))
}

fn check_trigger(manifest: &Manifest, trigger: &HttpTrigger) -> Result<(), ManifestError> {
    if !manifest.component.contains_key(&trigger.component) {
        return Err(ManifestError::UnknownComponent(trigger.component.clone()));
    }
    match &trigger.executor {
        Some(executor) if executor.kind != "http" => Err(ManifestError::Unsupported {
            component: trigger.component.clone(),
            what: format!("executor `{}`", executor.kind),
        }),
        _ => Ok(()),
    }
}

fn check_component(id: &str, component: &Component) -> Result<(), ManifestError> {
    let unsupported = [
        ("files", component.files.is_empty()),
        ("key_value_stores", component.key_value_stores.is_empty()),
        ("sqlite_databases", component.sqlite_databases.is_empty()),
        ("ai_models", component.ai_models.is_empty()),
        ("dependencies", component.dependencies.is_empty()),
    ];
    match unsupported.iter().find(|(_, empty)| !empty) {
        Some((key, _)) => {
            Err(ManifestError::Unsupported { component: id.to_owned(), what: format!("`{key}`") })
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"
        spin_manifest_version = 2
        [application]
        name = "small"
        [[trigger.http]]
        route = "/..."
        component = "one"
        [component.one]
        source = "one.wasm"
    "#;

    fn refusal(text: &str) -> String {
        Manifest::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_small_manifest_is_read() {
        let manifest = Manifest::parse(SMALL).unwrap();
        assert_eq!(manifest.component["one"].source, Path::new("one.wasm"));
    }

    #[test]
    fn an_unknown_key_is_named() {
        assert!(refusal(&format!("{SMALL}\nallowed_hosts = []")).contains("unknown field `allowed_hosts`"));
    }

    #[test]
    fn files_are_refused_with_the_component_s_name() {
        let text = refusal(&format!("{SMALL}\nfiles = [\"a.txt\"]"));
        assert_eq!(text, "component `one` asks for `files`, which this host does not support");
    }

    #[test]
    fn a_trigger_for_an_unknown_component_is_refused() {
        let text = SMALL.replace("[component.one]", "[component.two]");
        assert_eq!(refusal(&text), "a trigger names component `one`, which the manifest does not define");
    }

    #[test]
    fn another_manifest_version_is_refused() {
        let text = SMALL.replace("spin_manifest_version = 2", "spin_manifest_version = 1");
        assert_eq!(refusal(&text), "spin_manifest_version is 1; only 2 is understood");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Manifest::load(Path::new("no/such/spin.toml")).unwrap_err();
        assert!(error.to_string().starts_with("cannot read no/such/spin.toml"));
    }
}

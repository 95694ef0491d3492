//! What can be wrong with a manifest.

use super::TemplateError;
use std::path::PathBuf;

/// Why a manifest was refused.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Unreadable {
        /// The manifest.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not TOML, or not of the shape of a manifest.
    #[error("not a valid manifest: {0}")]
    Invalid(#[from] toml::de::Error),
    /// A format this host does not know.
    #[error("spin_manifest_version is {0}; only 2 is understood")]
    Version(u32),
    /// Nothing to serve.
    #[error("the manifest has no [[trigger.http]]")]
    NoTrigger,
    /// A trigger points nowhere.
    #[error("a trigger names component `{0}`, which the manifest does not define")]
    UnknownComponent(String),
    /// A feature this host lacks.
    #[error("component `{component}` asks for {what}, which this host does not support")]
    Unsupported {
        /// The component's id.
        component: String,
        /// The feature.
        what: String,
    },
    /// A variable's name is not of lower-case letters, digits and underscores.
    #[error("`{0}` is not a valid variable name: lower-case letters, digits and underscores only")]
    VariableName(String),
    /// Neither `required` nor `default`, or both.
    #[error("variable `{0}` must have either `required = true` or a `default`")]
    VariableKind(String),
    /// A required variable has no value.
    #[error("variable `{name}` is required: set {environment}")]
    MissingVariable {
        /// Its name in the manifest.
        name: String,
        /// The environment variable that sets it.
        environment: String,
    },
    /// A template cannot be expanded.
    #[error("component `{component}`: {source}")]
    Template {
        /// The component's id.
        component: String,
        /// What is wrong with it.
        source: TemplateError,
    },
}

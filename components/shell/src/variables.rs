//! The variables a component was given: only those that its routes need, read once.

use spin_sdk::variables;
use std::collections::BTreeMap;
use std::sync::Arc;
use talkif_api::routes::Variable;
use talkif_api::{Artifacts, Config};
use talkif_rules::secret::SealingKey;

/// A variable that is missing or makes no sense. Its value may be a secret and is not shown.
#[derive(Debug, thiserror::Error)]
#[error("variable `{}`: {problem}", .variable.name())]
pub(crate) struct BadVariable {
    variable: Variable,
    problem: &'static str,
}

/// What was given.
pub(crate) struct Variables(BTreeMap<Variable, String>);

impl Variables {
    /// Reads the `wanted` ones. The others are never asked for: the manifest does not give them.
    pub(crate) async fn read(wanted: &[Variable]) -> Result<Self, BadVariable> {
        let mut given = BTreeMap::new();
        for &variable in wanted {
            let value = variables::get(variable.name()).await;
            let value = value.map_err(|_| BadVariable { variable, problem: "not set" })?;
            given.insert(variable, value);
        }
        Ok(Self(given))
    }

    /// The value of `variable`; `None` where the component has none.
    pub(crate) fn text(&self, variable: Variable) -> Option<String> {
        self.0.get(&variable).cloned()
    }

    /// What the handlers see.
    pub(crate) fn config(&self) -> Result<Config, BadVariable> {
        let region = self.text(Variable::Region).unwrap_or_default().parse();
        let is_true = |variable| self.0.get(&variable).is_some_and(|value| value == "true");
        Ok(Config {
            region: region
                .map_err(|_| BadVariable { variable: Variable::Region, problem: "not a region" })?,
            public_url: self.base_url(Variable::PublicUrl),
            artifacts: self.artifacts()?,
            sealing_key: self.sealing_key()?,
            local_mode: is_true(Variable::LocalMode),
            trust_forwarded: is_true(Variable::TrustForwarded),
        })
    }

    fn base_url(&self, variable: Variable) -> Option<String> {
        self.0.get(&variable).map(|text| text.trim_end_matches('/').to_owned())
    }

    fn artifacts(&self) -> Result<Option<Artifacts>, BadVariable> {
        let variable = Variable::ArtifactsKey;
        let (Some(url), Some(key)) = (self.base_url(Variable::ArtifactsUrl), self.0.get(&variable)) else {
            return Ok(None);
        };
        let key = hex::decode(key).map_err(|_| BadVariable { variable, problem: "not hexadecimal" })?;
        Ok(Some(Artifacts { url, key }))
    }

    fn sealing_key(&self) -> Result<Option<Arc<SealingKey>>, BadVariable> {
        let variable = Variable::FernetKey;
        let bad = |_| BadVariable { variable, problem: "not 32 bytes in URL-safe base64" };
        let key = self.0.get(&variable).map(|text| SealingKey::parse(text).map_err(bad)).transpose()?;
        Ok(key.map(Arc::new))
    }
}

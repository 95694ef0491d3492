//! The component's variables, read once.

use spin_sdk::variables;
use std::sync::Arc;
use talkif_api::Config;
use talkif_rules::secret::SealingKey;

/// A variable that is missing or makes no sense. Its value may be a secret and is not shown.
#[derive(Debug, thiserror::Error)]
#[error("variable `{name}`: {problem}")]
pub(crate) struct BadVariable {
    name: &'static str,
    problem: &'static str,
}

pub(crate) struct Settings {
    pub(crate) database_url: String,
    pub(crate) directory_url: String,
    pub(crate) redis_url: String,
    pub(crate) config: Config,
}

pub(crate) async fn read() -> Result<Settings, BadVariable> {
    Ok(Settings {
        database_url: get("database_url").await?,
        directory_url: get("directory_url").await?,
        redis_url: get("redis_url").await?,
        config: config().await?,
    })
}

async fn config() -> Result<Config, BadVariable> {
    let region = get("region").await?.parse();
    let artifacts_key = hex::decode(get("artifacts_key").await?);
    let sealing_key = SealingKey::parse(&get("fernet_key").await?);
    let bad_key = |_| BadVariable { name: "fernet_key", problem: "not 32 bytes in URL-safe base64" };
    Ok(Config {
        region: region.map_err(|_| BadVariable { name: "region", problem: "not a region" })?,
        public_url: base_url(&get("public_url").await?),
        artifacts_url: base_url(&get("artifacts_url").await?),
        artifacts_key: artifacts_key
            .map_err(|_| BadVariable { name: "artifacts_key", problem: "not hexadecimal" })?,
        sealing_key: Arc::new(sealing_key.map_err(bad_key)?),
        local_mode: get("local_mode").await? == "true",
        trust_forwarded: get("trust_forwarded").await? == "true",
    })
}

fn base_url(text: &str) -> String {
    text.trim_end_matches('/').to_owned()
}

async fn get(name: &'static str) -> Result<String, BadVariable> {
    variables::get(name).await.map_err(|_| BadVariable { name, problem: "not set" })
}

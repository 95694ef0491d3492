//! The component's variables, read once.

use spin_sdk::variables;
use talkif_api::Config;

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
    let bad = |name, problem| move |_| BadVariable { name, problem };
    let region = get("region").await?.parse();
    let artifacts_key = hex::decode(get("artifacts_key").await?);
    Ok(Config {
        region: region.map_err(|_| BadVariable { name: "region", problem: "not a region" })?,
        public_url: base_url(&get("public_url").await?),
        artifacts_url: base_url(&get("artifacts_url").await?),
        artifacts_key: artifacts_key.map_err(bad("artifacts_key", "not hexadecimal"))?,
        fernet_key: get("fernet_key").await?,
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

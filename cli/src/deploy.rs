//! `talkif deploy`: a flow from a file becomes a new version.

use crate::api::Api;
use anyhow::{Context as _, Result};
use std::path::PathBuf;

/// Publish a flow from a YAML or JSON file. The same file twice makes no second version.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The flow's file (.yaml, .yml or .json).
    file: PathBuf,
    #[command(flatten)]
    access: Access,
}

/// Where the API is, and the key to it.
#[derive(clap::Args)]
pub(crate) struct Access {
    /// The API's address.
    #[arg(long, env = "TALKIF_API", default_value = "http://127.0.0.1:3000")]
    api: String,
    /// An API key (`tif_live_…`).
    #[arg(long, env = "TALKIF_KEY", hide_env_values = true)]
    key: String,
}

impl Access {
    /// The client.
    pub(crate) fn client(&self) -> Result<Api> {
        Api::new(&self.api, &self.key)
    }
}

/// Reads, posts, prints the version.
pub(crate) async fn run(args: Args) -> Result<()> {
    let source = std::fs::read_to_string(&args.file)
        .with_context(|| format!("cannot read {}", args.file.display()))?;
    let json = args.file.extension().is_some_and(|extension| extension == "json");
    let content_type = if json { "application/json" } else { "application/yaml" };
    let flow = args.access.client()?.post_text("/v1/flows", content_type, source).await?;
    println!("{} version {} is live", flow["flow_id"].as_str().unwrap_or("the flow"), flow["version"]);
    Ok(())
}

//! `talkif migrate`: both databases to the newest schema.

use anyhow::{Context as _, Result};

/// Bring the databases to the newest schema. Safe to run again.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The region's database.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
    /// The directory database; the region's where it is left out.
    #[arg(long, env = "DIRECTORY_URL", hide_env_values = true)]
    directory_url: Option<String>,
}

/// Runs the migrations, the directory's first.
pub(crate) async fn run(args: Args) -> Result<()> {
    let directory = args.directory_url.as_deref().unwrap_or(&args.database_url);
    talkif_store::native::migrate_directory(directory).await.context("the directory database")?;
    println!("directory: up to date");
    talkif_store::native::migrate_region(&args.database_url).await.context("the region's database")?;
    println!("region: up to date");
    Ok(())
}

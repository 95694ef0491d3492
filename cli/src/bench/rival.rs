//! The native server as a process beside the component host.

use crate::stack::{Process, Stack};
use anyhow::Result;
use std::time::Duration;

/// The running rival.
pub(crate) struct Rival {
    /// `host:port`.
    pub(crate) address: String,
    process: Process,
}

impl Rival {
    pub(crate) async fn start(stack: &Stack) -> Result<Self> {
        let ready = stack.options().state.join("rival.ready");
        let mut command = tokio::process::Command::new(std::env::current_exe()?);
        command
            .args(["bench", "--serve-rival"])
            .arg(&ready)
            .env("DATABASE_URL", &stack.database_url)
            .env("DIRECTORY_URL", &stack.directory_url)
            .env("REDIS_URL", &stack.redis_url)
            .env("FERNET_KEY", &stack.secrets.fernet_key);
        let mut process = Process::start("rival", &command, &stack.logs, &ready)?;
        let address = process.ready(Duration::from_secs(20)).await?.trim().to_owned();
        Ok(Self { address, process })
    }

    pub(crate) async fn stop(self) {
        self.process.stop(Duration::from_secs(1)).await;
    }
}

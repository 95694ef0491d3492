//! A child process with a log file, a ready file and a two-step end.
//!
//! Children run under [`talkif_embedded::supervised`]: they end when this process does, even when
//! it is killed.

use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

/// Pause between two looks at a starting process.
const POLL: Duration = Duration::from_millis(20);

/// A running child. Dropping it ends it.
pub(crate) struct Process {
    name: &'static str,
    /// Under its supervisor, to start it again.
    command: Command,
    child: Child,
    log: PathBuf,
    ready: PathBuf,
}

impl Process {
    /// Starts `command` with its output going to `{logs}/{name}.log`.
    pub(crate) fn start(name: &'static str, command: &Command, logs: &Path, ready: &Path) -> Result<Self> {
        let log = logs.join(format!("{name}.log"));
        let file = std::fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        if ready.exists() {
            std::fs::remove_file(ready)?;
        }
        let mut command = Command::from(talkif_embedded::supervised(command.as_std()));
        command.stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().with_context(|| format!("cannot start the {name}"))?;
        Ok(Self { name, command, child, log, ready: ready.to_owned() })
    }

    /// Starts it again after it has ended, however it did: the same command, the same log.
    pub(crate) async fn restart(&mut self) -> Result<()> {
        self.child.wait().await?;
        if self.ready.exists() {
            std::fs::remove_file(&self.ready)?;
        }
        self.child = self.command.spawn().with_context(|| format!("cannot start the {} again", self.name))?;
        Ok(())
    }

    /// An error, with the end of the log, if the process has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        let Some(status) = self.child.try_wait()? else { return Ok(()) };
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines.iter().rev().take(8).rev().map(|line| format!("\n  | {line}")).collect::<String>();
        bail!("the {} ended ({status}); the end of {}:{tail}", self.name, self.log.display())
    }

    /// The supervising shell, while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits for the ready file and returns its text.
    pub(crate) async fn ready(&mut self, within: Duration) -> Result<String> {
        let begun = Instant::now();
        loop {
            self.check()?;
            if let Ok(text) = std::fs::read_to_string(&self.ready)
                && text.ends_with('\n')
            {
                return Ok(text);
            }
            self.give_up_after(begun, within)?;
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until `url` answers with success.
    pub(crate) async fn answers(&mut self, url: &str, within: Duration) -> Result<()> {
        let client = reqwest::Client::new();
        let begun = Instant::now();
        loop {
            self.check()?;
            if client.get(url).send().await.is_ok_and(|response| response.status().is_success()) {
                return Ok(());
            }
            self.give_up_after(begun, within)?;
            tokio::time::sleep(POLL).await;
        }
    }

    fn give_up_after(&self, begun: Instant, within: Duration) -> Result<()> {
        if begun.elapsed() > within {
            bail!("the {} was not ready after {} s; see {}", self.name, within.as_secs(), self.log.display());
        }
        Ok(())
    }

    /// Asks it to end, kills it when it has not ended `within` the given time, and waits.
    pub(crate) async fn stop(mut self, within: Duration) {
        self.end(within).await;
    }

    /// As [`Process::stop`], for a process that may be started again.
    pub(crate) async fn end(&mut self, within: Duration) {
        if let Some(mut pipe) = self.child.stdin.take() {
            // Fails only when the process is gone already.
            let _gone = pipe.write_all(format!("{}\n", within.as_secs()).as_bytes()).await;
            let _ended = tokio::time::timeout(within + Duration::from_secs(2), self.child.wait()).await;
        }
    }
}

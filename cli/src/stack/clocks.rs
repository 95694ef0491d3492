//! Nodes whose clocks can be set while they run.
//!
//! A node is started with a library in front of the system's own that moves what it is told of
//! the time of day by a number of seconds, read from a file once a second. The monotonic clock is
//! left alone, as on a machine whose clock is set. The times of files are true, too.

use anyhow::{Context as _, Result};
use std::path::PathBuf;
use tokio::process::Command;

/// Where Debian and Ubuntu, Fedora, and those who build it themselves have it.
const FOLDERS: [&str; 5] = [
    "/usr/lib/x86_64-linux-gnu/faketime",
    "/usr/lib/aarch64-linux-gnu/faketime",
    "/usr/lib64/faketime",
    "/usr/lib/faketime",
    "/usr/local/lib/faketime",
];
/// The one for programs with threads.
const LIBRARY: &str = "libfaketimeMT.so.1";

/// The clocks of a stack's nodes.
#[derive(Debug, Clone)]
pub(crate) struct MovableClocks {
    library: PathBuf,
    folder: PathBuf,
}

impl MovableClocks {
    /// Clocks whose files lie in `folder`; `None` where libfaketime is not installed.
    pub(crate) fn find(folder: PathBuf) -> Option<Self> {
        let library = FOLDERS.iter().map(|folder| PathBuf::from(folder).join(LIBRARY));
        Some(Self { library: library.into_iter().find(|path| path.exists())?, folder })
    }

    /// Gives a node that is to be started a clock that can be set.
    pub(super) fn lend(&self, node: &str, command: &mut Command) -> Result<()> {
        self.set(node, 0)?;
        command
            .env("LD_PRELOAD", &self.library)
            .env("FAKETIME_TIMESTAMP_FILE", self.file(node))
            .env("FAKETIME_CACHE_DURATION", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("FAKETIME_DISABLE_SHM", "1")
            .env("NO_FAKE_STAT", "1");
        Ok(())
    }

    /// Sets a node's clock to so many seconds after the true time.
    pub(crate) fn set(&self, node: &str, ahead_s: i64) -> Result<()> {
        let (file, new) = (self.file(node), self.folder.join(format!("{node}.clock.new")));
        // Nobody reads half a number.
        std::fs::write(&new, format!("{ahead_s:+}\n")).context("setting a node's clock")?;
        Ok(std::fs::rename(new, file)?)
    }

    fn file(&self, node: &str) -> PathBuf {
        self.folder.join(format!("{node}.clock"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(command: &mut std::process::Command) -> i64 {
        let output = command.args(["+%s"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    }

    #[test]
    fn a_clock_that_is_lent_can_be_set_and_is_right_at_first() {
        let folder = tempfile::tempdir().unwrap();
        let clocks = MovableClocks::find(folder.path().to_owned())
            .expect("libfaketime is missing: apt-get install libfaketime, dnf install libfaketime");
        let mut date = Command::new("date");
        clocks.lend("node", &mut date).unwrap();
        let mut date = date.into_std();
        let now = shown(&mut std::process::Command::new("date"));
        assert!(shown(&mut date).abs_diff(now) < 600);
        clocks.set("node", -7_200).unwrap();
        let mut again = Command::new("date");
        again.envs(date.get_envs().filter_map(|(name, value)| Some((name, value?))));
        assert!((shown(&mut again.into_std()) + 7_200).abs_diff(now) < 600);
    }
}

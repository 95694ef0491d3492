//! One stack for each state folder: `run.json` names who runs there.

use super::process::Process;
use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Held while a stack runs; removed when it is dropped.
pub(crate) struct RunLock {
    path: PathBuf,
}

#[derive(Serialize, Deserialize, Default)]
struct Run {
    pid: u32,
    children: Vec<u32>,
}

impl RunLock {
    /// Takes the folder, or says who has it. What a killed run left behind is ended first.
    pub(crate) fn take(state: &Path) -> Result<Self> {
        let path = state.join("run.json");
        if let Some(run) =
            std::fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str::<Run>(&text).ok())
        {
            if run.pid != std::process::id()
                && program_of(run.pid).is_some_and(|name| name.starts_with("talkif"))
            {
                bail!(
                    "already running in {} (process {}); stop it with Ctrl-C there, or choose another folder with --state",
                    state.display(),
                    run.pid
                );
            }
            end_orphans(&run.children);
        }
        let lock = Self { path };
        lock.write(&Run { pid: std::process::id(), children: Vec::new() })?;
        Ok(lock)
    }

    /// Notes the children, so that a later start can end them if this process is killed.
    pub(crate) fn record(&self, children: &[Option<&Process>]) -> Result<()> {
        let children = children.iter().flatten().filter_map(|process| process.id()).collect();
        self.write(&Run { pid: std::process::id(), children })
    }

    fn write(&self, run: &Run) -> Result<()> {
        std::fs::write(&self.path, serde_json::to_vec(run)?)
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // Nothing to be done about a failure here; the next start copes with a stale file.
        let _stale = std::fs::remove_file(&self.path);
    }
}

/// The program's name of a live process. `None` where there is no such process.
fn program_of(pid: u32) -> Option<String> {
    let output =
        std::process::Command::new("ps").args(["-o", "comm=", "-p", &pid.to_string()]).output().ok()?;
    let name = String::from_utf8_lossy(&output.stdout).trim().rsplit('/').next()?.to_owned();
    (!name.is_empty()).then_some(name)
}

fn end_orphans(children: &[u32]) {
    for pid in children {
        let ours = program_of(*pid).is_some_and(|name| name.starts_with("talkif-") || name == "spin");
        if ours {
            let ended = std::process::Command::new("kill").arg(pid.to_string()).status();
            if ended.is_ok_and(|status| status.success()) {
                eprintln!("talkif: ended process {pid}, left behind by a run that was killed");
            }
        }
    }
}

//! Processes by the kernel's books, and signals to them.

use anyhow::{Context as _, Result, bail};
use std::collections::BTreeSet;
use std::process::Command;

/// A process that may be asked for again: numbers are reused, beginnings are not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Process {
    pub(super) pid: u32,
    parent: u32,
    began: u64,
    pub(super) name: String,
    is_dead: bool,
}

impl Process {
    fn read(pid: u32) -> Option<Self> {
        Self::parse(pid, &std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// `pid (name) state parent …`, the beginning is field 22; a name may hold brackets.
    fn parse(pid: u32, stat: &str) -> Option<Self> {
        let (head, rest) = stat.rsplit_once(')')?;
        let name = head.split_once('(')?.1.to_owned();
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let (state, parent, began) = (fields.first()?, fields.get(1)?, fields.get(19)?);
        let is_dead = matches!(*state, "Z" | "X");
        Some(Self { pid, parent: parent.parse().ok()?, began: began.parse().ok()?, name, is_dead })
    }

    /// Whether it still runs.
    pub(super) fn is_alive(&self) -> bool {
        Self::read(self.pid).is_some_and(|now| now.began == self.began && !now.is_dead)
    }
}

/// All processes below `root`, which is not among them.
pub(super) fn below(root: u32) -> Vec<Process> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let all: Vec<Process> = pids.filter_map(Process::read).collect();
    descendants(root, &all)
}

fn descendants(root: u32, all: &[Process]) -> Vec<Process> {
    let (mut found, mut parents) = (Vec::new(), BTreeSet::from([root]));
    loop {
        let next: Vec<&Process> = all
            .iter()
            .filter(|process| parents.contains(&process.parent) && !parents.contains(&process.pid))
            .collect();
        if next.is_empty() {
            return found;
        }
        for process in next {
            parents.insert(process.pid);
            found.push(process.clone());
        }
    }
}

/// The program under a supervising shell and its own children, without shells.
pub(super) fn program_under(shell: u32) -> Result<Vec<u32>> {
    let processes = below(shell);
    let pids: Vec<u32> = processes
        .iter()
        .filter(|p| !p.is_dead && !["sh", "sleep"].contains(&p.name.as_str()))
        .map(|p| p.pid)
        .collect();
    if pids.is_empty() {
        bail!("process {shell} runs no program");
    }
    Ok(pids)
}

/// Sends `signal` (`KILL`, `STOP`, `CONT`). One that has ended meanwhile is no error.
pub(super) fn signal(pids: &[u32], signal: &str) -> Result<()> {
    let words = pids.iter().map(u32::to_string);
    let _status = Command::new("sh")
        .args(["-c", r#"kill -s "$@" 2>/dev/null"#, "signal", signal])
        .args(words)
        .status()?;
    Ok(())
}

/// The size beyond which none of the processes' files may grow; `None` lifts the limit. A write
/// beyond it fails, as on a full disk.
pub(super) fn limit_files(pids: &[u32], bytes: Option<u64>) -> Result<()> {
    let limit = bytes.map_or_else(|| "unlimited".to_owned(), |bytes| bytes.to_string());
    for pid in pids {
        let mut prlimit = Command::new("prlimit");
        // The soft limit alone: only that may be raised again by anybody.
        prlimit.arg("--pid").arg(pid.to_string()).arg(format!("--fsize={limit}:"));
        // One that has ended meanwhile is no error.
        let _status = prlimit.stderr(std::process::Stdio::null()).status().context("prlimit")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, parent: u32) -> Process {
        Process { pid, parent, began: 1, name: "x".to_owned(), is_dead: false }
    }

    #[test]
    fn a_stat_line_is_read_whatever_the_name() {
        let stat = "7 (a (b) c) S 5 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 9 0 4711 1 1";
        let process = Process::parse(7, stat).unwrap();
        assert_eq!((process.parent, process.began, process.name.as_str()), (5, 4711, "a (b) c"));
    }

    #[test]
    fn descendants_are_found_at_any_depth_and_strangers_are_not() {
        let all = [process(2, 1), process(3, 2), process(9, 8), process(4, 3)];
        let pids: Vec<u32> = descendants(1, &all).iter().map(|process| process.pid).collect();
        assert_eq!(pids, [2, 3, 4]);
    }

    #[test]
    fn a_paused_process_goes_on_and_a_killed_one_is_gone() {
        let mut child = Command::new("sleep").arg("30").spawn().unwrap();
        let own = Process::read(child.id()).unwrap();
        signal(&[child.id()], "STOP").unwrap();
        signal(&[child.id()], "CONT").unwrap();
        assert!(own.is_alive());
        signal(&[child.id()], "KILL").unwrap();
        child.wait().unwrap();
        assert!(!own.is_alive());
    }
}

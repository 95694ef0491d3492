//! One stack for each state folder.
//!
//! The lock is the kernel's, on the file `run.lock`: it is free again the moment its holder ends,
//! however that ends, so there is never a stale one. The file's text, the holder's process id, is
//! for the sentence alone.

use anyhow::{Context as _, Result, bail};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

/// Held while a stack runs.
#[derive(Debug)]
pub(crate) struct RunLock {
    _file: File,
}

impl RunLock {
    /// Takes the folder, or says who has it.
    pub(crate) fn take(state: &Path) -> Result<Self> {
        let path = state.join("run.lock");
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = file.with_context(|| format!("cannot open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "already running in {} (process {}); stop it with Ctrl-C there, or choose another folder with --state",
                state.display(),
                holder(&mut file)
            ),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        let noted = file.set_len(0).and_then(|()| file.rewind());
        noted.and_then(|()| write!(file, "{}", std::process::id()))?;
        Ok(Self { _file: file })
    }
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(_) if !text.is_empty() => text,
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_start_in_the_same_folder_says_who_runs_there() {
        let folder = tempfile::tempdir().unwrap();
        let first = RunLock::take(folder.path()).unwrap();
        let refusal = RunLock::take(folder.path()).unwrap_err().to_string();
        assert!(refusal.contains(&format!("process {}", std::process::id())), "{refusal}");
        assert!(refusal.contains("--state"), "{refusal}");
        drop(first);
        drop(RunLock::take(folder.path()).unwrap());
    }

    #[test]
    fn a_file_that_a_killed_run_left_behind_stops_nobody() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("run.lock"), "4194304000").unwrap();
        assert!(RunLock::take(folder.path()).is_ok());
        assert_eq!(
            std::fs::read_to_string(folder.path().join("run.lock")).unwrap(),
            std::process::id().to_string()
        );
    }
}

//! Keeps a server no longer alive than our process, however that ends.
//!
//! A small shell is the server's parent and holds a pipe whose other end is ours. When we stop
//! the server, exit, or are killed, the pipe closes, and the shell interrupts the server (which
//! both Postgres and Redis take as an orderly, fast shutdown) and kills it if that is not
//! enough. So neither signals nor unsafe code are needed on our side.

use crate::EmbeddedError;
use crate::system::RunAs;
use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// `$1` is a directory to remove afterwards (or empty), the rest is the server.
const SCRIPT: &str = r#"
scratch=$1; shift
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
(
    read -r _ <&3
    kill -s INT "$server"
    for _ in 1 2 3 4 5 6 7 8 9 10; do sleep 0.5; kill -0 "$server" || exit; done
    kill -s KILL "$server"
) >/dev/null 2>&1 &
watcher=$!
exec 3<&-
wait "$server"
code=$?
kill "$watcher" 2>/dev/null
[ -n "$scratch" ] && rm -rf "$scratch"
exit "$code"
"#;

/// How long an orderly stop may take; the shell's own patience is five seconds.
const STOP_TIMEOUT: Duration = Duration::from_secs(8);

/// A running server.
#[derive(Debug)]
pub(crate) struct Supervisor {
    shell: Child,
}

/// What to run.
pub(crate) struct Server<'a> {
    pub(crate) program: &'a Path,
    pub(crate) arguments: Vec<String>,
    pub(crate) log: &'a Path,
    pub(crate) user: &'a RunAs,
    /// Removed when the server has ended.
    pub(crate) scratch: Option<&'a Path>,
}

impl Supervisor {
    pub(crate) fn start(server: Server<'_>) -> Result<Self, EmbeddedError> {
        let log = OpenOptions::new().create(true).append(true).open(server.log);
        let log = log.map_err(EmbeddedError::io("cannot open", server.log))?;
        let errors = log.try_clone().map_err(EmbeddedError::io("cannot open", server.log))?;
        let scratch = server.scratch.map_or_else(String::new, |path| path.display().to_string());
        let shell = Command::new("sh")
            .args(["-c", SCRIPT, "talkif-supervisor", &scratch])
            .args(server.user.prefix())
            .arg(server.program)
            .args(server.arguments)
            // Ctrl-C in a terminal reaches our process group only; the pipe tells the rest.
            .process_group(0)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(EmbeddedError::io("cannot run", server.program))?;
        Ok(Self { shell })
    }

    /// The exit status, if the server has ended by itself.
    pub(crate) fn ended(&mut self) -> Option<String> {
        match self.shell.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(status.to_string()),
            Err(error) => Some(error.to_string()),
        }
    }

    /// Closes the pipe and waits for the server to end.
    pub(crate) fn stop(&mut self) {
        drop(self.shell.stdin.take());
        let deadline = Instant::now() + STOP_TIMEOUT;
        while self.ended().is_none() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(scratch: &Path) -> Supervisor {
        Supervisor::start(Server {
            program: Path::new("/bin/sh"),
            // A shell in the background ignores interrupts, so this one must be killed.
            arguments: vec!["-c".into(), "while :; do sleep 0.1; done".into()],
            log: &scratch.join("log"),
            user: &RunAs::Ourselves,
            scratch: Some(scratch),
        })
        .unwrap()
    }

    fn scratch() -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("talkif-supervisor-{}", crate::system::random_hex(4)));
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn a_server_that_ignores_interrupts_is_killed_and_its_scratch_directory_removed() {
        let scratch = scratch();
        let mut server = sleeper(&scratch);
        assert!(server.ended().is_none());
        server.stop();
        assert!(server.ended().is_some());
        assert!(!scratch.exists());
    }

    #[test]
    fn a_server_that_ends_by_itself_is_noticed() {
        let scratch = scratch();
        let mut server = Supervisor::start(Server {
            program: Path::new("/bin/sh"),
            arguments: vec!["-c".into(), "exit 3".into()],
            log: &scratch.join("log"),
            user: &RunAs::Ourselves,
            scratch: None,
        })
        .unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        while server.ended().is_none() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(server.ended().unwrap(), "exit status: 3");
        std::fs::remove_dir_all(scratch).unwrap();
    }
}

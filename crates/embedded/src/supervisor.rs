//! Keeps a process no longer alive than ours, however ours ends.
//!
//! A small shell is the process's parent and holds a pipe whose other end is ours. When we stop
//! the process, exit, or are killed, the pipe closes, and the shell interrupts the process
//! (which Postgres, Redis and our own programs take as an orderly stop) and kills it if that is
//! not enough. So neither signals nor unsafe code are needed on our side.

use crate::EmbeddedError;
use crate::system::RunAs;
use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// `$1` is a directory to remove afterwards (or empty), the rest is the process. A number on the
/// pipe asks for the end and says how many seconds it may take; closing the pipe before that
/// cuts this short. A pipe that is closed without a number gives five seconds. (`$$` is the outer
/// shell, which is there as long as the process is.)
///
/// A limit on the size of files (`ulimit -f`) fails the write, as a full disk does; the signal that
/// would end the process is ignored.
const SCRIPT: &str = r#"
trap '' XFSZ
scratch=$1; shift
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
(
    if read -r patience <&3; then
        (
            read -r _ <&3
            kill -0 $$ && kill -s INT "$server"
            sleep 2
            kill -0 $$ && kill -s KILL "$server"
        ) &
    else
        patience=5
    fi
    kill -s INT "$server"
    looks=$((patience * 5))
    while [ "$looks" -gt 0 ]; do sleep 0.2; kill -0 "$server" || exit; looks=$((looks - 1)); done
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

/// `command` under a shell that ends it when this process does: spawn it with a piped standard
/// input, keep that, and drop it to end the process. Before that, a line with a number asks for
/// the end and gives so many seconds.
///
/// Program, arguments, environment and folder are taken over; standard output and error are to be
/// set on the result.
#[must_use]
pub fn supervised(command: &Command) -> Command {
    let mut shell = shell("".as_ref(), command.get_program());
    shell.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        shell.current_dir(folder);
    }
    shell
}

fn shell(scratch: &OsStr, program: &OsStr) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", SCRIPT, "talkif-supervisor"]).arg(scratch).arg(program);
    // Ctrl-C in a terminal reaches our process group only; the pipe tells the rest.
    shell.process_group(0).stdin(Stdio::piped());
    shell
}

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
        let scratch = server.scratch.map_or_else(|| OsStr::new(""), Path::as_os_str);
        let mut words = server.user.prefix().into_iter();
        let (program, first) = match words.next() {
            Some(setpriv) => (setpriv.into(), Some(server.program)),
            None => (server.program.as_os_str().to_owned(), None),
        };
        let shell = shell(scratch, &program)
            .args(words)
            .args(first)
            .args(server.arguments)
            .current_dir("/")
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(EmbeddedError::io("cannot run", server.program))?;
        Ok(Self { shell })
    }

    /// The shell.
    pub(crate) fn pid(&self) -> u32 {
        self.shell.id()
    }

    /// The exit status, if the server has ended by itself.
    pub(crate) fn ended(&mut self) -> Option<String> {
        match self.shell.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(status.to_string()),
            Err(error) => Some(error.to_string()),
        }
    }

    /// Leaves the server no time at all, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        if let Some(mut pipe) = self.shell.stdin.take() {
            // Fails only when the server is gone already.
            let _ = pipe.write_all(b"0\n");
            self.wait();
        }
    }

    /// Closes the pipe and waits for the server to end.
    pub(crate) fn stop(&mut self) {
        drop(self.shell.stdin.take());
        self.wait();
    }

    fn wait(&mut self) {
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
    use std::io::Read as _;

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
    fn a_killed_server_is_given_no_time() {
        let scratch = scratch();
        let mut server = sleeper(&scratch);
        let begun = Instant::now();
        server.kill();
        assert!(server.ended().is_some());
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    }

    /// A supervised shell that is up, and must be killed: it ignores interrupts.
    fn stubborn() -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' INT; echo up; while :; do sleep 0.1; done"]);
        let mut child = supervised(&command).stdout(Stdio::piped()).spawn().unwrap();
        let mut up = [0; 3];
        child.stdout.as_mut().unwrap().read_exact(&mut up).unwrap();
        child
    }

    #[test]
    fn a_supervised_process_ends_when_the_pipe_is_dropped() {
        let mut child = stubborn();
        drop(child.stdin.take());
        let begun = Instant::now();
        assert_eq!(child.wait().unwrap().code(), Some(128 + 9), "interrupts did not help");
        assert!(begun.elapsed() >= Duration::from_secs(4), "it had time to end by itself");
    }

    #[test]
    fn a_number_on_the_pipe_bounds_how_long_the_end_may_take() {
        let mut child = stubborn();
        let mut pipe = child.stdin.take().unwrap();
        pipe.write_all(b"1\n").unwrap();
        let begun = Instant::now();
        child.wait().unwrap();
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    }

    #[test]
    fn a_patient_end_is_cut_short_when_the_pipe_closes() {
        let mut child = stubborn();
        let mut pipe = child.stdin.take().unwrap();
        pipe.write_all(b"60\n").unwrap();
        drop(pipe);
        let begun = Instant::now();
        child.wait().unwrap();
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }

    #[test]
    fn a_supervised_process_keeps_its_environment_and_its_exit_status() {
        let mut command = Command::new("sh");
        command.args(["-c", "test \"$TALKIF_SUPERVISED\" = yes && exit 7"]).env("TALKIF_SUPERVISED", "yes");
        let mut child = supervised(&command).spawn().unwrap();
        // Waiting would close the pipe, and the process might be interrupted before it is done.
        let _pipe = child.stdin.take();
        assert_eq!(child.wait().unwrap().code(), Some(7));
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

//! What the servers and our node said while a case ran, told when it fails.
//!
//! Cases run side by side, so the words of others are among them; rooms and SIP Call-IDs tell
//! which are whose.

use std::cell::Cell;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use tracing_subscriber::EnvFilter;

/// No log is told of at greater length, counted from its end.
const LONGEST: usize = 256 * 1024;

/// What our node has said so far.
static NODE: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// From now on, what the node says is kept. `RUST_LOG` chooses what; without it, this crate's.
pub(crate) fn keep() {
    let filter = EnvFilter::try_from_default_env();
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_env_filter(filter.unwrap_or_else(|_| "talkif_livekit=debug".into()))
        .with_writer(|| Node)
        .init();
}

/// Writes to [`NODE`].
struct Node;

impl Write for Node {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        NODE.lock().unwrap_or_else(PoisonError::into_inner).write(text)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

thread_local! {
    /// Whether the case on this thread fails because of a goodbye that the server lost.
    static GOODBYE_LOST: Cell<bool> = const { Cell::new(false) };
}

/// Whether the case that has just failed on this thread said so.
pub(crate) fn take_lost_goodbye() -> bool {
    GOODBYE_LOST.take()
}

/// A log of somebody's.
#[derive(Clone)]
enum Log {
    Node,
    Server(PathBuf),
}

impl Log {
    /// All of it.
    fn read(&self) -> Vec<u8> {
        match self {
            Self::Node => NODE.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            Self::Server(file) => std::fs::read(file).unwrap_or_default(),
        }
    }
}

/// Logs, and from where on they matter.
pub(crate) struct Logs(Vec<(&'static str, Log, usize)>);

impl Logs {
    /// The logs of the servers in `folder` and of the node, from now on.
    pub(crate) fn of(folder: &Path) -> Self {
        let server = |name: &'static str| (name, Log::Server(folder.join(format!("{name}.log"))));
        let logs = [server("livekit-server"), server("livekit-sip"), ("node", Log::Node)];
        Self(logs.map(|(name, log)| (name, log.clone(), log.read().len())).into())
    }

    /// Fails the case if the server lost a goodbye in the room whose name contains `room`.
    ///
    /// `livekit-sip` says that somebody has hung up, and closes its socket. If `livekit-server`
    /// writes to that socket before it has read so far, it stops reading, and waits 20 s for the
    /// person to come back. Seen in one of 100 calls on a machine with three times too much to do.
    pub(crate) fn excuse_lost_goodbye(&self, room: &str) {
        let server = self.0.iter().find(|(name, ..)| *name == "livekit-server");
        let text = server.map(|(_, log, from)| log.read().split_off(*from)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lost = |line: &str| line.contains("error writing to websocket") && line.contains(room);
        if let Some(line) = text.lines().find(|line| lost(line)) {
            GOODBYE_LOST.set(true);
            panic!("livekit-server lost a goodbye: {line}");
        }
    }

    /// Prints what was said since.
    pub(crate) fn tell(&self) {
        for (name, log, from) in &self.0 {
            let text = log.read();
            let from = text.len().saturating_sub(LONGEST).max(*from);
            let text = String::from_utf8_lossy(text.get(from..).unwrap_or_default());
            eprintln!("--- {name}\n{text}");
        }
    }
}

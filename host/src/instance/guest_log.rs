//! What a guest writes to its standard output and error: lines in the host's log.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};

/// A longer line is cut into several.
const MAX_LINE: usize = 8 * 1024;

/// One output stream of one component's instance.
#[derive(Clone)]
pub(crate) struct GuestLog {
    component: Arc<str>,
    stream: &'static str,
}

impl GuestLog {
    /// The stream called `stream` of `component`.
    pub(crate) fn new(component: Arc<str>, stream: &'static str) -> GuestLog {
        GuestLog { component, stream }
    }
}

impl IsTerminal for GuestLog {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestLog {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(Lines { log: self.clone(), pending: Vec::new() })
    }
}

/// Collects bytes into lines.
struct Lines {
    log: GuestLog,
    pending: Vec<u8>,
}

impl Lines {
    fn push(&mut self, byte: u8) {
        if byte == b'\n' || self.pending.len() >= MAX_LINE {
            self.emit();
        }
        if byte != b'\n' {
            self.pending.push(byte);
        }
    }

    fn emit(&mut self) {
        let line = String::from_utf8_lossy(&self.pending);
        if !line.trim().is_empty() {
            let GuestLog { component, stream } = &self.log;
            tracing::info!(target: "guest", component = &**component, stream, "{}", line.trim_end());
        }
        self.pending.clear();
    }
}

impl AsyncWrite for Lines {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        bytes.iter().for_each(|byte| self.push(*byte));
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.emit();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.emit();
    }
}

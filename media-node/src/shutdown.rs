//! SIGTERM and Ctrl-C.

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};

/// Returns when the process is asked to stop.
pub(crate) async fn asked() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

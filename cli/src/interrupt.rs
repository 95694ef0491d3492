//! Being asked to stop: Ctrl-C in a terminal, SIGTERM from whoever runs us.

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};

/// Returns when this process is asked to stop.
pub(crate) async fn asked_to_stop() -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

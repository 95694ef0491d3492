//! Whoever is called into a call stays only if the step of the transfer that they are in works:
//! where it fails, or its future is dropped, they are sent away.

use crate::control::SipControl;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// One visitor at a time: the next is called in when the last one has been sent away.
#[derive(Debug, Clone, Default)]
pub(super) struct Visits(Arc<Mutex<()>>);

impl Visits {
    /// Begins a visit when there is no other.
    pub(super) async fn begin(&self, control: Arc<dyn SipControl>) -> Visit {
        Visit { control, turn: Some(Arc::clone(&self.0).lock_owned().await), stays: false }
    }

    /// Goes on with the visit that there is.
    pub(super) fn resume(&self, control: Arc<dyn SipControl>) -> Visit {
        Visit { control, turn: Arc::clone(&self.0).try_lock_owned().ok(), stays: false }
    }
}

/// A visit in the balance.
pub(super) struct Visit {
    pub(super) control: Arc<dyn SipControl>,
    turn: Option<OwnedMutexGuard<()>>,
    stays: bool,
}

impl Visit {
    /// The step has worked.
    pub(super) fn stays(mut self) {
        self.stays = true;
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        // Without a runtime the process is at its end, and so are its rooms.
        let Some(runtime) = Handle::try_current().ok().filter(|_| !self.stays) else { return };
        let (control, turn) = (Arc::clone(&self.control), self.turn.take());
        runtime.spawn(async move {
            control.dismiss().await;
            drop(turn);
        });
    }
}

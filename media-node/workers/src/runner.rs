//! From a leg to a finished call: the session and its journal, side by side.

use crate::context::CallContext;
use crate::journal::{Journal, JournalEnd, JournalSetup};
use crate::running::{Entered, Running};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::SystemTime;
use talkif_session::job::{CallJob, Entry, Report, Reports};
use talkif_telephony::CallLeg;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// Holds one call. The node's main implements it over `talkif-session`.
#[async_trait]
pub trait CallRunner: Send + Sync {
    /// Runs `job` on `leg` to its end and reports what happens, [`Entry::Finished`] last. The
    /// future is dropped when the call's lease is lost: then it must stop speaking at once.
    async fn run(&self, job: CallJob, leg: Box<dyn CallLeg>, reports: Reports);
}

/// What it takes to run calls.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) runner: Arc<dyn CallRunner>,
    pub(crate) running: Running,
    pub(crate) journal: JournalSetup,
}

impl Stage {
    /// Runs a call to its end. `slot` is given back with the leg, the journal may take longer.
    pub(crate) async fn play(
        &self,
        entered: Entered,
        call: CallContext,
        job: CallJob,
        leg: Box<dyn CallLeg>,
        slot: OwnedSemaphorePermit,
    ) -> JournalEnd {
        let (reports, inbox) = mpsc::unbounded_channel();
        let session = self.spawn_session(job, leg, reports, slot, entered.lost());
        let end = Journal::new(self.journal.clone(), call).run(inbox).await;
        if end == JournalEnd::LeaseLost {
            entered.lost().cancel();
        }
        // A session that has reported its end has nothing more to say; one that lost its lease
        // must not.
        let _ = session.await;
        end
    }

    /// In a task of its own, so that the panic of one call ends one call: its reports close
    /// without an end, and the journal writes one.
    fn spawn_session(
        &self,
        job: CallJob,
        leg: Box<dyn CallLeg>,
        reports: Reports,
        slot: OwnedSemaphorePermit,
        lost: CancellationToken,
    ) -> AbortOnDropHandle<()> {
        let runner = Arc::clone(&self.runner);
        let at = self.journal.clock.now();
        AbortOnDropHandle::new(tokio::spawn(async move {
            let _slot = slot;
            announce(at, &job, &*leg, &reports);
            tokio::select! {
                () = lost.cancelled() => {}
                () = runner.run(job, leg, reports) => {}
            }
        }))
    }
}

/// The INVITE of an outbound call is out by now, whatever becomes of the session.
fn announce(at: SystemTime, job: &CallJob, leg: &dyn CallLeg, reports: &Reports) {
    if job.direction == talkif_model::Direction::Outbound {
        let entry = Entry::Dialed { sip_call_id: leg.id().to_owned() };
        // The journal holds the other end until it has seen the call's end.
        let _ = reports.send(Report { at, entry });
    }
}

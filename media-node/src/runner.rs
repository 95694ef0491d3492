//! Sessions for the workers' calls.

use async_trait::async_trait;
use talkif_session::job::{CallJob, Reports};
use talkif_session::{Session, SessionDeps};
use talkif_telephony::CallLeg;
use talkif_workers::CallRunner;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Runs each call as a [`Session`].
pub(crate) struct SessionRunner {
    pub(crate) deps: SessionDeps,
}

#[async_trait]
impl CallRunner for SessionRunner {
    async fn run(&self, job: CallJob, leg: Box<dyn CallLeg>, reports: Reports) {
        // Kept to the end of the call: a closed channel of commands would end its select arm.
        let (_orders, commands) = mpsc::channel(4);
        // The workers drop this future when the lease is lost, and the guard tells the session,
        // which runs in tasks of its own.
        let fence = CancellationToken::new();
        let _guard = fence.clone().drop_guard();
        Session::run(job, leg, self.deps.clone(), commands, reports, fence).await;
    }
}

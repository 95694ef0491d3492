//! An agent's job in LiveKit's books.

use tokio::sync::mpsc;

/// An agent's job, which ends with its call.
pub(crate) struct Job {
    id: String,
    ended: mpsc::UnboundedSender<String>,
}

impl Job {
    /// `ended` is told the id when the job is dropped.
    pub(crate) fn new(id: String, ended: mpsc::UnboundedSender<String>) -> Self {
        Self { id, ended }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // The worker goes only when the telephony does.
        let _ = self.ended.send(std::mem::take(&mut self.id));
    }
}

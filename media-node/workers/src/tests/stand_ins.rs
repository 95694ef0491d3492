//! What stands in for the world around the workers: carrier, sessions, object store.

use crate::recordings::Recordings;
use crate::runner::CallRunner;
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use talkif_call_engine::io::{Ending, Event};
use talkif_model::{CallId, CallStatus, EndReason, Outcome};
use talkif_session::job::{CallJob, Entry, Report, Reports};
use talkif_telephony::{
    CallLeg, DialError, DialRequest, IncomingCall, LegError, LegEvent, LegQuality, Received, Rejection,
    Telephony, TransferError,
};
use tokio::sync::mpsc;

/// The sessions' script: what each reports at its end.
pub(super) fn ending(status: CallStatus, end_reason: EndReason, outcome: Option<Outcome>) -> Ending {
    Ending {
        status,
        end_reason,
        outcome,
        outcome_reason: None,
        booking: None,
        slots: BTreeMap::new(),
        detail: None,
    }
}

pub(super) fn no_answer() -> Ending {
    ending(CallStatus::NoAnswer, EndReason::NoAnswer, Some(Outcome::NoAnswer))
}

pub(super) fn qualified() -> Ending {
    ending(CallStatus::Completed, EndReason::AgentCompleted, Some(Outcome::Qualified))
}

pub(super) fn report(entry: Entry) -> Report {
    Report { at: SystemTime::now(), entry }
}

pub(super) fn status(status: CallStatus) -> Report {
    report(Entry::Event(Event::Status { status }))
}

pub(super) fn finished(ending: Ending) -> Report {
    report(Entry::Finished { ending, sip_status: None, quality: None })
}

/// A carrier that writes down what it is asked to dial.
#[derive(Default)]
pub(super) struct Carrier {
    pub(super) dialed: Mutex<Vec<CallId>>,
    pub(super) rejected: Arc<Mutex<Vec<Rejection>>>,
    pub(super) refuses_to_dial: bool,
    pub(super) incoming: tokio::sync::Mutex<Option<mpsc::UnboundedReceiver<IncomingCall>>>,
}

impl Carrier {
    /// A carrier on which calls come in.
    pub(super) fn with_incoming(incoming: mpsc::UnboundedReceiver<IncomingCall>) -> Self {
        Self { incoming: tokio::sync::Mutex::new(Some(incoming)), ..Self::default() }
    }
}

#[async_trait]
impl Telephony for Carrier {
    async fn dial(&self, request: DialRequest) -> Result<Box<dyn CallLeg>, DialError> {
        self.dialed.lock().unwrap().push(request.call_id);
        if self.refuses_to_dial {
            return Err(DialError::Media("no port".into()));
        }
        let id = format!("sip-{}", request.call_id);
        Ok(Box::new(Leg { id, rejected: Arc::clone(&self.rejected) }))
    }

    async fn next_call(&self) -> Option<IncomingCall> {
        match &mut *self.incoming.lock().await {
            Some(incoming) => incoming.recv().await,
            None => std::future::pending().await,
        }
    }
}

/// A leg without sound.
pub(super) struct Leg {
    pub(super) id: String,
    pub(super) rejected: Arc<Mutex<Vec<Rejection>>>,
}

#[async_trait]
impl CallLeg for Leg {
    fn id(&self) -> &str {
        &self.id
    }
    fn sample_rate(&self) -> u32 {
        8000
    }
    async fn event(&mut self) -> LegEvent {
        std::future::pending().await
    }
    fn receive(&mut self, _: &mut [i16]) -> Received {
        Received::Silence
    }
    fn send(&mut self, _: &[i16]) {}
    async fn answer(&mut self) -> Result<(), LegError> {
        Ok(())
    }
    async fn reject(&mut self, why: Rejection) -> Result<(), LegError> {
        self.rejected.lock().unwrap().push(why);
        Ok(())
    }
    fn hang_up(&mut self) {}
    fn send_dtmf(&mut self, _: &str) {}
    async fn transfer(&mut self, _: &str) -> Result<(), TransferError> {
        Err(TransferError { sip_status: None })
    }
    fn quality(&self) -> LegQuality {
        LegQuality::default()
    }
}

/// Sessions that report the script's next entries and end.
#[derive(Default)]
pub(super) struct Sessions {
    pub(super) scripts: Mutex<VecDeque<Vec<Report>>>,
    pub(super) jobs: Mutex<Vec<CallJob>>,
    pub(super) panics: AtomicBool,
}

#[async_trait]
impl CallRunner for Sessions {
    async fn run(&self, job: CallJob, _leg: Box<dyn CallLeg>, reports: Reports) {
        self.jobs.lock().unwrap().push(job);
        assert!(!self.panics.load(Ordering::Relaxed), "a session panics, as the test wants it");
        let script = self.scripts.lock().unwrap().pop_front();
        for report in script.unwrap_or_else(|| vec![finished(no_answer())]) {
            reports.send(report).unwrap();
        }
    }
}

/// An object store that remembers what was deleted.
#[derive(Default)]
pub(super) struct Store {
    pub(super) deleted: Mutex<Vec<String>>,
    pub(super) untouched: Vec<String>,
    pub(super) cannot_delete: Option<String>,
}

#[async_trait]
impl Recordings for Store {
    async fn length(&self, path: &str) -> std::io::Result<u64> {
        if path == "a.wav" { Ok(8) } else { Err(std::io::ErrorKind::NotFound.into()) }
    }
    async fn open(
        &self,
        _path: &str,
        bytes: Range<u64>,
    ) -> std::io::Result<BoxStream<'static, std::io::Result<Bytes>>> {
        let audio = Bytes::from_static(b"RIFF....").slice(bytes.start as usize..bytes.end as usize);
        Ok(Box::pin(futures::stream::iter([Ok(audio)])))
    }
    async fn untouched(&self) -> std::io::Result<Vec<String>> {
        Ok(self.untouched.clone())
    }
    async fn delete(&self, path: &str) -> std::io::Result<()> {
        if self.cannot_delete.as_deref() == Some(path) {
            return Err(std::io::ErrorKind::PermissionDenied.into());
        }
        self.deleted.lock().unwrap().push(path.to_owned());
        Ok(())
    }
}

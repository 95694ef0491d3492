//! The journal of one call: what its session reports becomes durable, in order, under the
//! call's lease.
//!
//! Audio never waits for it: reports queue up and are written as fast as Postgres takes them,
//! also through an outage ([`buffer`]). A write that finds the lease gone ends the journal and
//! tells the session to stop speaking: somebody else answers for the call now. What an end
//! means is [`outcome`]'s, what a webhook says [`webhook`]'s business.

mod buffer;
mod outcome;
mod records;
mod webhook;

pub(crate) use outcome::{End, Finish, Fresh, NextAttempt};
pub(crate) use webhook::ArtifactLinks;

use crate::clock::RegionClock;
use crate::context::CallContext;
use crate::fresh;
use crate::live::Live;
use crate::otlp::Exporter;
use crate::policy;
use buffer::{Buffer, Step};
use records::Records;
use std::sync::Arc;
use std::time::Duration;
use talkif_call_engine::io::Event;
use talkif_model::event::{EventBody, EventType};
use talkif_model::{CallStatus, EndReason, Region};
use talkif_session::job::{Entry, Report};
use talkif_store::{Db, DbError, Param, Statement, journal};
use tokio::sync::{Notify, mpsc};

/// Pauses while Postgres is away double from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// What all journals of a node share.
#[derive(Clone)]
pub(crate) struct JournalSetup {
    pub(crate) db: Arc<dyn Db>,
    pub(crate) clock: RegionClock,
    pub(crate) region: Region,
    pub(crate) links: ArtifactLinks,
    pub(crate) live: Live,
    pub(crate) exporter: Option<Exporter>,
    /// Wakes the courier when deliveries were queued.
    pub(crate) courier: Arc<Notify>,
}

/// How a journal came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JournalEnd {
    /// The call has its terminal state.
    Finished,
    /// Somebody else holds the call: the session must stop.
    LeaseLost,
}

/// Why a step was not written.
enum Unwritten {
    /// No row came back: the lease is gone.
    LeaseLost,
    /// Try again later.
    Later(DbError),
    /// Trying again would fail again.
    Never(String),
}

impl From<DbError> for Unwritten {
    fn from(error: DbError) -> Self {
        if is_passing(&error) { Self::Later(error) } else { Self::Never(error.to_string()) }
    }
}

impl From<serde_json::Error> for Unwritten {
    fn from(error: serde_json::Error) -> Self {
        Self::Never(error.to_string())
    }
}

/// Outages, deadlocks, lock and statement timeouts pass, and so does a row that was deleted while
/// another began to refer to it: the next attempt does not see it.
fn is_passing(error: &DbError) -> bool {
    match error {
        DbError::Unavailable(_) => true,
        DbError::Failed { code, .. } => matches!(code.as_str(), "40001" | "40P01" | "55P03" | "57014"),
        DbError::Constraint { code, .. } => code == "23503",
        DbError::Shape(_) => false,
    }
}

/// Writes the journal of one call.
pub(crate) struct Journal {
    setup: JournalSetup,
    call: CallContext,
    /// The number of the last event.
    seq: i64,
}

impl Journal {
    pub(crate) const fn new(setup: JournalSetup, call: CallContext) -> Self {
        Self { setup, call, seq: 0 }
    }

    /// Writes what comes in until the call is finished. An inbox that closes without an end is
    /// a session that died: then the journal ends the call.
    pub(crate) async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Report>) -> JournalEnd {
        let mut buffer = Buffer::default();
        loop {
            self.drain(&mut inbox, &mut buffer);
            let step = match buffer.next() {
                Some(step) => step,
                None => match inbox.recv().await {
                    Some(report) => {
                        self.take(report, &mut buffer);
                        continue;
                    }
                    None => Step::One(Box::new(self.died())),
                },
            };
            match self.write(step, &mut inbox, &mut buffer).await {
                Progress::Goes => {}
                Progress::Ends(end) => {
                    self.close(&buffer);
                    return end;
                }
            }
        }
    }

    /// Ends a call that has no session, by the same statement as all others.
    pub(crate) async fn end(mut self, end: End) -> Result<bool, DbError> {
        let finish = self.finish(end);
        let written = self.fenced(&journal::FINISH, vec![to_json(&finish)]).await;
        match written {
            Ok(()) => {
                self.close(&Buffer::default());
                Ok(true)
            }
            Err(Unwritten::LeaseLost) => Ok(false),
            Err(Unwritten::Later(error)) => Err(error),
            Err(Unwritten::Never(message)) => Err(DbError::Failed { code: String::new(), message }),
        }
    }

    fn drain(&mut self, inbox: &mut mpsc::UnboundedReceiver<Report>, buffer: &mut Buffer) {
        while let Ok(report) = inbox.try_recv() {
            self.take(report, buffer);
        }
    }

    /// Viewers hear of it at once, the database in order.
    fn take(&mut self, report: Report, buffer: &mut Buffer) {
        self.setup.live.publish(self.call.account_id, self.call.call_id, &report.entry);
        buffer.push(report);
    }

    /// Writes one step, through outages.
    async fn write(
        &mut self,
        step: Step,
        inbox: &mut mpsc::UnboundedReceiver<Report>,
        buffer: &mut Buffer,
    ) -> Progress {
        let mut prepared = match self.prepare(step) {
            Ok(prepared) => prepared,
            Err(error) => return self.dropped(&error.to_string()),
        };
        let mut pause = FIRST_PAUSE;
        loop {
            match self.fenced(prepared.statement, prepared.params.clone()).await {
                Ok(()) => return self.written(&prepared),
                Err(Unwritten::LeaseLost) => return Progress::Ends(JournalEnd::LeaseLost),
                Err(Unwritten::Never(why)) => match self.without_particulars(prepared, &why) {
                    Ok(bare) => prepared = bare,
                    Err(progress) => return progress,
                },
                Err(Unwritten::Later(error)) => {
                    tracing::warn!(call = %self.call.call_id, %error, "the journal waits for the database");
                    tokio::time::sleep(pause.mul_f64(1.0 + 0.2 * fresh::jitter())).await;
                    pause = (pause * 2).min(LAST_PAUSE);
                    self.drain(inbox, buffer);
                }
            }
        }
    }

    fn written(&self, prepared: &Prepared) -> Progress {
        if prepared.wakes_courier {
            self.setup.courier.notify_one();
        }
        if prepared.is_end { Progress::Ends(JournalEnd::Finished) } else { Progress::Goes }
    }

    /// A step that Postgres will never take is dropped, except for the end, which is then
    /// written without its particulars.
    fn without_particulars(&self, prepared: Prepared, why: &str) -> Result<Prepared, Progress> {
        match (prepared.bare, prepared.is_end) {
            (Some(bare), _) => {
                tracing::error!(call = %self.call.call_id, why, "the outcome was not written, only the end");
                Ok(Prepared { params: vec![bare], bare: None, ..prepared })
            }
            // Without renewal the lease runs out, and a janitor ends the call.
            (None, true) => {
                tracing::error!(call = %self.call.call_id, why, "the end was not written");
                Err(Progress::Ends(JournalEnd::LeaseLost))
            }
            (None, false) => Err(self.dropped(why)),
        }
    }

    fn dropped(&self, why: &str) -> Progress {
        tracing::error!(call = %self.call.call_id, why, "an entry of the journal was dropped");
        Progress::Goes
    }

    async fn fenced(&self, statement: &Statement, params: Vec<Param>) -> Result<(), Unwritten> {
        let params = self.call.fence().into_iter().chain(params).collect();
        let row = self.setup.db.query_one(statement, params).await?;
        row.map(|_| ()).ok_or(Unwritten::LeaseLost)
    }

    fn prepare(&mut self, step: Step) -> Result<Prepared, serde_json::Error> {
        let report = match step {
            Step::Batch(reports) => {
                self.notice(&reports);
                return Ok(Prepared::plain(&journal::RECORD, Records::of(&reports, &mut self.seq).params()?));
            }
            Step::One(report) => *report,
        };
        let at_us = fresh::unix_us(report.at);
        Ok(match report.entry {
            Entry::Dialed { sip_call_id } => self.prepare_dialed(sip_call_id),
            Entry::Event(Event::Status { status }) => self.prepare_status(status, at_us),
            Entry::Recording { path, bytes, duration_ms } => self.prepare_recording(path, bytes, duration_ms),
            Entry::Finished { ending, sip_status, quality } => {
                self.prepare_finish(End { sip_status, quality, ..End::new(ending, at_us) })
            }
            // The buffer hands these out in batches only; a batch of one is as good.
            entry @ (Entry::Event(_)
            | Entry::Particulars { .. }
            | Entry::RecordingFailed { .. }
            | Entry::Span(_)) => {
                let reports = [Report { at: report.at, entry }];
                Prepared::plain(&journal::RECORD, Records::of(&reports, &mut self.seq).params()?)
            }
        })
    }

    fn notice(&mut self, reports: &[Report]) {
        let opted_out = |report: &Report| matches!(report.entry, Entry::Event(Event::OptedOut));
        self.call.opted_out |= reports.iter().any(opted_out);
    }

    fn prepare_dialed(&mut self, sip_call_id: String) -> Prepared {
        self.call.dialed(self.setup.clock.now_us());
        let body = EventBody {
            call_sid: Some(sip_call_id.clone()),
            attempt: Some(self.call.attempt),
            ..EventBody::default()
        };
        let event = self.event(EventType::CallStarted, body);
        let params = std::iter::once(sip_call_id.into()).chain(event.params()).collect();
        Prepared { wakes_courier: true, ..Prepared::plain(&journal::DIALED, params) }
    }

    fn prepare_status(&mut self, status: CallStatus, at_us: i64) -> Prepared {
        let before = CallStatus::ALL.iter().filter(|earlier| earlier.may_become(status));
        let before: Vec<String> = before.map(|earlier| earlier.as_str().to_owned()).collect();
        let mut params = vec![status.as_str().into(), before.into(), at_us.into()];
        if status == CallStatus::InProgress {
            self.call.answered(at_us);
            params.extend(self.event(EventType::CallAnswered, EventBody::default()).params());
        } else {
            params.extend([Param::Text(None), Param::Text(None), Param::Text(None)]);
        }
        Prepared { wakes_courier: true, ..Prepared::plain(&journal::STATUS, params) }
    }

    fn prepare_recording(&mut self, path: String, bytes: u64, duration_ms: u64) -> Prepared {
        self.call.recorded = true;
        let days = self.call.flow.as_ref().map_or(30, |flow| flow.call.recording_ttl_days);
        let whole = |value: u64| Param::from(i64::try_from(value).unwrap_or(i64::MAX));
        let params = vec![path.into(), whole(bytes), whole(duration_ms), i64::from(days).into()];
        Prepared::plain(&journal::RECORDING, params)
    }

    fn prepare_finish(&mut self, end: End) -> Prepared {
        let bare = to_json(&Finish::bare(&end, fresh::span_id()));
        let params = vec![to_json(&self.finish(end))];
        Prepared {
            bare: Some(bare),
            is_end: true,
            wakes_courier: true,
            ..Prepared::plain(&journal::FINISH, params)
        }
    }

    fn finish(&mut self, end: End) -> Finish {
        let now_us = self.setup.clock.now_us().max(end.at_us);
        let next = policy::next_attempt_us(&self.call, &end, now_us);
        let fresh = Fresh {
            event_id: fresh::event_id(),
            span_id: fresh::span_id(),
            now_us,
            next: next.map(|at_us| NextAttempt { call_id: fresh::call_id(), at_us }),
        };
        Finish::new(&self.call, end, self.setup.region, &self.setup.links, fresh)
    }

    fn event(&self, kind: EventType, body: EventBody) -> webhook::Prepared {
        let (id, now_us) = (fresh::event_id(), self.setup.clock.now_us());
        webhook::prepare(&self.call, self.setup.region, id, now_us, kind, body)
    }

    /// `agent_crashed` is for a whole node; here one call broke and its node lives on.
    fn died(&self) -> Report {
        let mut ending = End::plain(CallStatus::Failed, EndReason::AgentError, 0).ending;
        ending.detail = Some("the session ended without a report".to_owned());
        Report {
            at: self.setup.clock.now(),
            entry: Entry::Finished { ending, sip_status: None, quality: None },
        }
    }

    fn close(&self, buffer: &Buffer) {
        if buffer.refused() > 0 {
            tracing::warn!(call = %self.call.call_id, refused = buffer.refused(), "the journal has gaps");
        }
        self.setup.courier.notify_one();
        if let Some(exporter) = &self.setup.exporter {
            exporter.export_call(&self.setup.db, self.call.account_id, self.call.call_id);
        }
    }
}

/// Whether the journal goes on.
enum Progress {
    Goes,
    Ends(JournalEnd),
}

/// A statement with its parameters after the fence.
struct Prepared {
    statement: &'static Statement,
    params: Vec<Param>,
    /// Of the end only: what to write if the whole is refused.
    bare: Option<Param>,
    is_end: bool,
    wakes_courier: bool,
}

impl Prepared {
    const fn plain(statement: &'static Statement, params: Vec<Param>) -> Self {
        Self { statement, params, bare: None, is_end: false, wakes_courier: false }
    }
}

fn to_json(finish: &Finish) -> Param {
    // A struct of plain values always becomes JSON.
    serde_json::to_string(finish).unwrap_or_default().into()
}

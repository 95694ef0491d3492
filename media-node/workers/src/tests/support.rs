//! A region with one account that is ready to call, and a node's parts around it.

use crate::courier::{Courier, CourierConfig};
use crate::dialer::{Dialer, DialerSetup};
use crate::fresh;
use crate::janitor::Janitor;
use crate::journal::{ArtifactLinks, JournalSetup};
use crate::live::Live;
use crate::recordings::Recordings;
use crate::runner::{CallRunner, Stage};
use crate::running::Running;
use crate::shutdown::Shutdown;
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use talkif_call_engine::io::{Ending, Event};
use talkif_embedded::testing::{self, TestRegion};
use talkif_model::flow::{CallPolicy, FlowGraph, FlowMatch, RetryPolicy, VoiceSettings};
use talkif_model::{AccountId, CallId, CallStatus, EndReason, LeadId, Outcome, Region};
use talkif_rules::secret::{self, SealingKey};
use talkif_session::job::{CallJob, Entry, Report, Reports};
use talkif_store::{Param, Statement};
use talkif_telephony::{
    CallLeg, DialError, DialRequest, IncomingCall, LegError, LegEvent, LegQuality, Received, Rejection,
    Telephony, TransferError,
};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

pub(super) const OWN_NUMBER: &str = "+12025550100";
const FLOW: &str = "flow_pricing_v3";

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
}

#[async_trait]
impl Recordings for Store {
    async fn open(&self, path: &str) -> std::io::Result<BoxStream<'static, std::io::Result<Bytes>>> {
        if path != "a.wav" {
            return Err(std::io::ErrorKind::NotFound.into());
        }
        Ok(Box::pin(futures::stream::iter([
            Ok(Bytes::from_static(b"RIFF")),
            Ok(Bytes::from_static(b"....")),
        ])))
    }
    async fn delete(&self, path: &str) -> std::io::Result<()> {
        self.deleted.lock().unwrap().push(path.to_owned());
        Ok(())
    }
}

/// A region with one account.
pub(super) struct World {
    pub(super) region: TestRegion,
    pub(super) account: AccountId,
    pub(super) sealing_key: Arc<SealingKey>,
    pub(super) secret: String,
}

impl World {
    pub(super) async fn new() -> Self {
        let region = testing::region().await;
        let account = AccountId::from_uuid(Uuid::now_v7());
        let key = secret::new_key([7; 32]);
        let world = Self {
            region,
            account,
            sealing_key: Arc::new(SealingKey::parse(&key).unwrap()),
            secret: talkif_rules::signature::new_secret([9; 32]),
        };
        world.arrange().await;
        world
    }

    async fn arrange(&self) {
        let account = self.account.uuid();
        self.sql(&format!(
            "insert into account_settings (account_id, name, concurrent_calls, max_daily_calls_per_number, balance_microcents)
             values ('{account}', 'Helena', 1000, 1000, 1000000000)"
        ))
        .await;
        self.sql(&format!(
            "insert into numbers (id, account_id, phone, termination_uri, flow_id)
             values (gen_random_uuid(), '{account}', '{OWN_NUMBER}', '127.0.0.1:5070', '{FLOW}')"
        ))
        .await;
        let graph = serde_json::to_string(&flow()).unwrap();
        self.run("with f as (insert into flows (account_id, id, name, current_version) values ($1::text::uuid, $2::text, 'Pricing', 1))
             insert into flow_versions (account_id, flow_id, version, source_format, source, source_sha256, graph)
             values ($1::text::uuid, $2::text, 1, 'yaml', '', '', $3::text::jsonb)", &[&account, &FLOW, &graph]).await;
    }

    /// A consented lead with its first call queued.
    pub(super) async fn lead(&self, phone: &str) -> (LeadId, CallId) {
        let (lead, call) = (LeadId::from_uuid(Uuid::now_v7()), CallId::from_uuid(Uuid::now_v7()));
        self.run("with consent as (
                insert into consents (id, account_id, phone, granted, source)
                values (gen_random_uuid(), $1::text::uuid, $2::text, true, 'web_form')
            ), lead as (
                insert into leads (id, account_id, source, phone, name, intent, timezone, flow_id, flow_version, from_number, call_within_s)
                values ($3::text::uuid, $1::text::uuid, 'web_form', $2::text, 'Ece', 'pricing', $7::text, $5::text, 1, $6::text, 60)
            )
            insert into calls (id, account_id, lead_id, direction, flow_id, flow_version, from_number, to_number, trace_id)
            values ($4::text::uuid, $1::text::uuid, $3::text::uuid, 'outbound', $5::text, 1, $6::text, $2::text, '0af7651916cd43dd8448eb211c80319c')", &[&self.account.uuid(), &phone, &lead.uuid(), &call.uuid(), &FLOW, &OWN_NUMBER, &zone_at(12)]).await;
        (lead, call)
    }

    /// An endpoint for all events, at `url`.
    pub(super) async fn endpoint(&self, url: &str) -> Uuid {
        let id = Uuid::now_v7();
        self.run("insert into webhook_endpoints (id, account_id, url, secret) values ($1::text::uuid, $2::text::uuid, $3::text, $4::text)", &[&id, &self.account.uuid(), &url, &secret::seal(&self.sealing_key, &self.secret)]).await;
        id
    }

    /// Runs `sql` with text parameters.
    pub(super) async fn run(&self, sql: &'static str, params: &[&dyn ToString]) {
        let statement = Statement { name: "test.arrange", sql };
        let params = params.iter().map(|param| Param::from(param.to_string())).collect();
        self.region.db.query(&statement, params).await.unwrap();
    }

    pub(super) async fn sql(&self, sql: &str) {
        sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).execute(&self.region.pool).await.unwrap();
    }

    pub(super) async fn text(&self, sql: &str) -> Option<String> {
        let sql = sqlx::AssertSqlSafe(format!("select ({sql})::text"));
        sqlx::query_scalar(sql).fetch_one(&self.region.pool).await.unwrap()
    }

    pub(super) async fn count(&self, sql: &str) -> i64 {
        self.text(&format!("select count(*) {sql}")).await.unwrap().parse().unwrap()
    }

    /// One column of a call.
    pub(super) async fn call(&self, call: CallId, column: &str) -> Option<String> {
        self.text(&format!("select {column} from calls where id = '{}'", call.uuid())).await
    }

    /// One column of a lead.
    pub(super) async fn lead_column(&self, lead: LeadId, column: &str) -> Option<String> {
        self.text(&format!("select {column} from leads where id = '{}'", lead.uuid())).await
    }

    pub(super) fn journal(&self) -> JournalSetup {
        let client = redis::Client::open(self.region.redis_url.as_str()).unwrap();
        let (live, feed) = Live::new(client, "talkif:eu-west:events".into());
        tokio::spawn(feed);
        JournalSetup {
            db: Arc::clone(&self.region.db),
            region: Region::EuWest,
            links: ArtifactLinks { base: "http://artifacts.test".into(), key: vec![1; 32].into() },
            live,
            exporter: None,
            courier: Arc::new(Notify::new()),
        }
    }

    pub(super) fn stage(&self, sessions: &Arc<Sessions>) -> Stage {
        Stage { runner: Arc::clone(sessions) as _, running: Running::default(), journal: self.journal() }
    }

    pub(super) fn janitor(&self, store: &Arc<Store>) -> Janitor {
        Janitor { journal: self.journal(), recordings: Arc::clone(store) as _, owner: "janitor".into() }
    }

    pub(super) fn courier(&self) -> Courier {
        Courier::new(self.courier_config(true)).unwrap()
    }

    pub(super) fn courier_config(&self, local_mode: bool) -> CourierConfig {
        CourierConfig {
            db: Arc::clone(&self.region.db),
            owner: format!("courier/{}", fresh::span_id()),
            sealing_key: Arc::clone(&self.sealing_key),
            local_mode,
            exporter: None,
            wake: Arc::new(Notify::new()),
        }
    }
}

/// A dialer with its carrier and sessions.
pub(super) struct Node {
    pub(super) dialer: Arc<Dialer>,
    pub(super) carrier: Arc<Carrier>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) calls: TaskTracker,
    pub(super) stage: Stage,
}

impl Node {
    pub(super) fn new(world: &World) -> Self {
        Self::with(world, Carrier::default(), 64)
    }

    pub(super) fn with(world: &World, carrier: Carrier, slots: usize) -> Self {
        let (carrier, sessions) = (Arc::new(carrier), Arc::new(Sessions::default()));
        let (calls, stage) = (TaskTracker::new(), world.stage(&sessions));
        let dialer = Dialer::new(DialerSetup {
            stage: stage.clone(),
            telephony: Arc::clone(&carrier) as _,
            sealing_key: Arc::clone(&world.sealing_key),
            slots: Arc::new(Semaphore::new(slots)),
            owner: format!("node/{}", fresh::span_id()),
            calls: calls.clone(),
        });
        Self { dialer, carrier, sessions, calls, stage }
    }

    pub(super) fn script(&self, reports: Vec<Report>) {
        self.sessions.scripts.lock().unwrap().push_back(reports);
    }

    pub(super) fn dialed(&self) -> Vec<CallId> {
        self.carrier.dialed.lock().unwrap().clone()
    }

    /// Sweeps once and lets all calls end.
    pub(super) async fn sweep(&self) {
        self.dialer.sweep_once().await.unwrap();
        self.settle().await;
    }

    pub(super) async fn settle(&self) {
        self.calls.close();
        tokio::time::timeout(Duration::from_secs(20), self.calls.wait()).await.unwrap();
        self.calls.reopen();
    }
}

/// Waits until `done` says so, for at most ten seconds.
pub(super) async fn until(mut done: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !done().await {
        assert!(tokio::time::Instant::now() < deadline, "it never came true");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Starts a shutdown-able worker for the length of a test.
pub(super) fn never() -> Shutdown {
    Shutdown::default()
}

/// A zone in which the clock now shows `hour` and some minutes. At noon, no calling window is in
/// the way.
pub(super) fn zone_at(hour: i64) -> String {
    let ahead = hour - fresh::now_us() / 3_600_000_000 % 24;
    let ahead = if ahead < -12 { ahead + 24 } else { ahead };
    // `Etc/GMT-3` lies three hours ahead of Greenwich.
    if ahead >= 0 { format!("Etc/GMT-{ahead}") } else { format!("Etc/GMT+{}", -ahead) }
}

/// A flow that retries after 15 minutes, three times.
pub(super) fn flow() -> FlowGraph {
    FlowGraph {
        id: FLOW.parse().unwrap(),
        name: "Pricing".into(),
        matches: FlowMatch::default(),
        call: CallPolicy {
            within_s: 60,
            quiet_hours: Vec::new(),
            max_ring_s: 30,
            max_duration_s: 600,
            silence_prompt_ms: 8000,
            max_silence_prompts: 2,
            record: true,
            recording_ttl_days: 30,
            retry: RetryPolicy::Fixed { delay_s: 900, max: 3 },
        },
        voice: VoiceSettings {
            language: "en".into(),
            voice: "v".into(),
            stt_provider: "deepgram".into(),
            stt_model: "m".into(),
            llm_provider: "openai".into(),
            llm_model: "m".into(),
            temperature: 0.2,
            tts_provider: "cartesia".into(),
            tts_model: "m".into(),
        },
        system_prompt: String::new(),
        greeting: String::new(),
        entry: "main".into(),
        nodes: BTreeMap::new(),
        on: BTreeMap::new(),
    }
}

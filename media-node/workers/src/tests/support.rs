//! A region with one account that is ready to call, and a node's parts around it.

pub(super) use super::stand_ins::*;
use super::unsteady::Forgetful;
use crate::clock::RegionClock;
use crate::courier::{Courier, CourierConfig};
use crate::dialer::{Dialer, DialerSetup};
use crate::directory::Directory;
use crate::fresh;
use crate::janitor::Janitor;
use crate::journal::{ArtifactLinks, JournalSetup};
use crate::live::Live;
use crate::runner::Stage;
use crate::running::Running;
use crate::shutdown::Shutdown;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use talkif_embedded::testing::{self, TestRegion};
use talkif_model::flow::{CallPolicy, FlowGraph, FlowMatch, RetryPolicy, VoiceSettings};
use talkif_model::{AccountId, CallId, LeadId, Region};
use talkif_rules::secret::{self, SealingKey};
use talkif_session::job::Report;
use talkif_store::{Db, DbError, Param, Statement};
use tokio::sync::{Notify, Semaphore};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

pub(super) const OWN_NUMBER: &str = "+12025550100";
const FLOW: &str = "flow_pricing_v3";

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
            "insert into directory.accounts (id, name, home_region) values ('{account}', 'Helena', 'eu-west')"
        ))
        .await;
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
            clock: RegionClock::default(),
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
        self.janitor_of(store, &Running::default())
    }

    /// The janitor of a node that runs calls.
    pub(super) fn janitor_of(&self, store: &Arc<Store>, running: &Running) -> Janitor {
        Janitor {
            journal: self.journal(),
            recordings: Arc::clone(store) as _,
            owner: "janitor".into(),
            running: running.clone(),
        }
    }

    pub(super) fn directory(&self) -> Arc<Directory> {
        Arc::new(Directory::new(Arc::clone(&self.region.db)))
    }

    pub(super) fn courier(&self) -> Courier {
        Courier::new(self.courier_config(true)).unwrap()
    }

    pub(super) fn courier_config(&self, local_mode: bool) -> CourierConfig {
        CourierConfig {
            db: Arc::clone(&self.region.db),
            clock: RegionClock::default(),
            owner: format!("courier/{}", fresh::span_id()),
            sealing_key: Arc::clone(&self.sealing_key),
            local_mode,
            exporter: None,
            wake: Arc::new(Notify::new()),
        }
    }
}

impl Janitor {
    /// All that a janitor does every few seconds, as if there were calm.
    pub(super) async fn round(&self) -> Result<(), DbError> {
        self.judge(fresh::now_us() + 3_600_000_000).await?;
        self.tidy().await
    }
}

/// A dialer with its carrier and sessions.
pub(super) struct Node {
    pub(super) dialer: Arc<Dialer>,
    pub(super) carrier: Arc<Carrier>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) calls: TaskTracker,
    pub(super) stage: Stage,
    pub(super) slots: Arc<Semaphore>,
}

impl Node {
    pub(super) fn new(world: &World) -> Self {
        Self::with(world, Carrier::default(), 64)
    }

    pub(super) fn with(world: &World, carrier: Carrier, slots: usize) -> Self {
        let sessions = Arc::new(Sessions::default());
        let slots = Arc::new(Semaphore::new(slots));
        Self { sessions: Arc::clone(&sessions), ..Self::on(world, world.stage(&sessions), carrier, slots) }
    }

    /// A node whose statements go through `db`.
    pub(super) fn over(world: &World, db: Arc<dyn Db>) -> Self {
        let sessions = Arc::new(Sessions::default());
        let mut stage = world.stage(&sessions);
        stage.journal.db = db;
        let slots = Arc::new(Semaphore::new(64));
        Self { sessions, ..Self::on(world, stage, Carrier::default(), slots) }
    }

    /// A node to which the answers of these statements are lost, once each.
    pub(super) fn forgetting(world: &World, loses: &[&'static str]) -> Self {
        let inner = Arc::clone(&world.region.db);
        Self::over(world, Arc::new(Forgetful { inner, loses: Mutex::new(loses.to_vec()) }))
    }

    /// A node with its own kind of sessions.
    pub(super) fn on(world: &World, stage: Stage, carrier: Carrier, slots: Arc<Semaphore>) -> Self {
        let (carrier, sessions) = (Arc::new(carrier), Arc::new(Sessions::default()));
        let calls = TaskTracker::new();
        let dialer = Dialer::new(DialerSetup {
            stage: stage.clone(),
            telephony: Arc::clone(&carrier) as _,
            directory: world.directory(),
            sealing_key: Arc::clone(&world.sealing_key),
            slots: Arc::clone(&slots),
            owner: format!("node/{}", fresh::span_id()),
            calls: calls.clone(),
        });
        Self { dialer, carrier, sessions, calls, stage, slots }
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
            headers: BTreeMap::new(),
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
        transfer: BTreeMap::new(),
    }
}

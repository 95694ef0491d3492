//! A call in virtual time: a person at a virtual phone, and vendors inside the process.

#![allow(dead_code, reason = "each test file uses some of this")]
#![allow(clippy::unwrap_used, reason = "tests")]

pub(crate) mod vendors;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use talkif_call_engine::io::{Command, Ending, Event};
use talkif_model::flow::FlowGraph;
use talkif_model::{AccountId, CallId, Direction, Region, Speaker, Turn};
use talkif_providers::Providers;
use talkif_session::job::{CallJob, Entry, Report};
use talkif_session::{RecordingConfig, RecordingKey, Session, SessionDeps};
use talkif_telephony::{LegEvent, PhoneEvent, VirtualPhone, virtual_leg};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use vendors::Vendors;

pub(crate) const FRAME_MS: u64 = 20;
pub(crate) const SAMPLES_PER_MS: usize = 8;
/// No call of these tests is longer, in virtual time.
const LIMIT: Duration = Duration::from_secs(120);

pub(crate) fn flow(record: bool) -> FlowGraph {
    serde_json::from_value(serde_json::json!({
        "id": "flow_test", "name": "Test",
        "call": {
            "within_s": 60, "max_ring_s": 30, "max_duration_s": 90, "silence_prompt_ms": 8000,
            "max_silence_prompts": 2, "recording_ttl_days": 30, "retry": { "kind": "never" }, "record": record
        },
        "voice": {
            "language": "en", "voice": "v", "stt_provider": "ears", "stt_model": "m", "llm_provider": "brain",
            "llm_model": "m", "temperature": 0.2, "tts_provider": "mouth", "tts_model": "m"
        },
        "system_prompt": "You are kind.",
        "greeting": "Hello {{contact.name}}, do you have a minute?",
        "entry": "talk",
        "nodes": { "talk": { "prompt": "Find out what {{contact.name}} needs." } }
    }))
    .unwrap()
}

/// A call that is being held.
pub(crate) struct Held {
    pub(crate) phone: VirtualPhone,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) fence: CancellationToken,
    pub(crate) reports: mpsc::UnboundedReceiver<Report>,
    session: JoinHandle<Ending>,
    /// All that the phone heard so far.
    pub(crate) heard: Vec<i16>,
}

/// What a call needs besides its vendors.
#[derive(Default)]
pub(crate) struct Setup {
    pub(crate) recordings: Option<PathBuf>,
    pub(crate) inbound: bool,
}

pub(crate) const KEY: RecordingKey = RecordingKey([42; 32]);

pub(crate) fn job(setup: &Setup) -> CallJob {
    CallJob {
        account_id: AccountId::new(1, [1; 10]),
        call_id: CallId::new(2, [2; 10]),
        lead_id: None,
        direction: if setup.inbound { Direction::Inbound } else { Direction::Outbound },
        caller: None,
        flow: Arc::new(flow(setup.recordings.is_some())),
        variables: BTreeMap::from([("contact.name".to_owned(), "Ece".to_owned())]),
        trace_id: "0".repeat(32),
    }
}

/// Starts a call.
pub(crate) fn hold(vendors: &Vendors, setup: &Setup) -> Held {
    hold_job(vendors.providers(), job(setup), setup)
}

pub(crate) fn hold_job(providers: Providers, job: CallJob, setup: &Setup) -> Held {
    let (leg, phone) = virtual_leg();
    let (commands, received) = mpsc::channel(8);
    let (sender, reports) = mpsc::unbounded_channel();
    let fence = CancellationToken::new();
    let recording =
        setup.recordings.clone().map(|dir| RecordingConfig { dir, region: Region::EuWest, key: KEY });
    let deps = SessionDeps {
        recording,
        wall_clock: Arc::new(|| SystemTime::UNIX_EPOCH),
        ..SessionDeps::new(Arc::new(providers))
    };
    let session = tokio::spawn(Session::run(job, Box::new(leg), deps, received, sender, fence.clone()));
    Held { phone, commands, fence, reports, session, heard: Vec::new() }
}

impl Held {
    /// The far end rings and answers.
    pub(crate) async fn answer(&self) {
        self.phone.report(LegEvent::Ringing);
        sleep(Duration::from_millis(500)).await;
        self.phone.report(LegEvent::Answered);
    }

    /// Lets time pass, listening.
    pub(crate) async fn wait(&mut self, ms: u64) -> Vec<i16> {
        let from = self.heard.len();
        for _ in 0..ms / FRAME_MS {
            sleep(Duration::from_millis(FRAME_MS)).await;
            self.heard.extend(self.phone.heard());
        }
        self.heard[from..].to_vec()
    }

    /// Waits until the agent sounds.
    pub(crate) async fn until_agent_speaks(&mut self) {
        let started = Instant::now();
        while is_silent(&self.wait(FRAME_MS).await) {
            if started.elapsed() > Duration::from_secs(15) {
                let reports: Vec<_> = std::iter::from_fn(|| self.reports.try_recv().ok()).collect();
                panic!("the agent stays silent: {reports:#?}");
            }
        }
    }

    /// Waits until the agent has been silent for 200 ms.
    pub(crate) async fn until_agent_is_quiet(&mut self) {
        let started = Instant::now();
        while !is_silent(&self.wait(200).await) {
            assert!(started.elapsed() < Duration::from_secs(30), "the agent never stops");
        }
    }

    /// The caller speaks for so long, and the time passes.
    pub(crate) async fn speak(&mut self, ms: u64) {
        self.phone.speak(&voice(ms));
        self.wait(ms).await;
    }

    /// The ending and all reports.
    pub(crate) async fn ending(mut self) -> (Ending, Vec<Report>) {
        let ending = timeout(LIMIT, self.session).await.expect("the call does not end").unwrap();
        let mut reports = Vec::new();
        while let Ok(report) = self.reports.try_recv() {
            reports.push(report);
        }
        (ending, reports)
    }

    /// Whether the session has hung up or dropped its leg.
    pub(crate) fn has_hung_up(&mut self) -> bool {
        std::iter::from_fn(|| self.phone.try_action()).any(|action| action == PhoneEvent::HungUp)
    }
}

pub(crate) fn is_silent(samples: &[i16]) -> bool {
    samples.iter().all(|sample| *sample == 0)
}

/// Something that the voice detector takes for a voice: a gliding pitch under moving formants, in
/// syllables.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a test signal")]
pub(crate) fn voice(ms: u64) -> Vec<i16> {
    use std::f32::consts::TAU;
    let mut phase = 0.0_f32;
    let sample = |n: usize| {
        let t = n as f32 / 8_000.0;
        let pitch = 120.0 + 20.0 * (TAU * 0.7 * t).sin();
        phase += TAU * pitch / 8_000.0;
        let formant = 600.0 + 250.0 * (TAU * 2.3 * t).sin();
        let harmonic = |k: f32| (k * phase).sin() / (1.0 + ((k * pitch - formant) / 250.0).powi(2));
        let sum: f32 = (1_u8..20).map(|k| harmonic(f32::from(k))).sum();
        (6_000.0 * sum * (0.15 + 0.85 * (TAU * 2.5 * t).sin().abs())) as i16
    };
    (0..ms as usize * SAMPLES_PER_MS).map(sample).collect()
}

pub(crate) fn turns(reports: &[Report]) -> Vec<Turn> {
    let turn = |report: &Report| match &report.entry {
        Entry::Event(Event::Turn(turn)) => Some(turn.clone()),
        _ => None,
    };
    reports.iter().filter_map(turn).collect()
}

pub(crate) fn said(reports: &[Report], speaker: Speaker) -> Vec<String> {
    turns(reports).into_iter().filter(|turn| turn.speaker == speaker).map(|turn| turn.text.0).collect()
}

pub(crate) fn spans(reports: &[Report]) -> Vec<&'static str> {
    let name = |report: &Report| match &report.entry {
        Entry::Span(span) => Some(span.name),
        _ => None,
    };
    reports.iter().filter_map(name).collect()
}

/// The attributes of the first span of that name.
pub(crate) fn attributes(reports: &[Report], name: &str) -> BTreeMap<String, serde_json::Value> {
    let attributes = |report: &Report| match &report.entry {
        Entry::Span(span) if span.name == name => Some(span.attributes.clone()),
        _ => None,
    };
    reports.iter().find_map(attributes).unwrap_or_default()
}

pub(crate) fn troubles(reports: &[Report]) -> Vec<&str> {
    let mut details = Vec::new();
    for report in reports {
        if let Entry::Event(Event::Trouble { detail }) = &report.entry {
            details.push(detail.as_str());
        }
    }
    details
}

/// A folder that is gone with the test.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("talkif-session-{:016x}", rand::random::<u64>()));
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    /// All files below it, relative.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.0.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().flatten() {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else {
                    found.push(self.relative(&entry.path()));
                }
            }
        }
        found
    }

    fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.0).unwrap().to_string_lossy().into_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

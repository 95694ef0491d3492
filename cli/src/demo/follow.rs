//! One lead, from the POST to its last webhook, seen through the public API alone.

use super::Deliveries;
use super::people::{Person, Persona};
use super::story::{Hook, Story, ToldTurn, text, turns_of};
use super::view::View;
use crate::api::Api;
use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Pause between two looks at the call.
const POLL: Duration = Duration::from_millis(150);
/// A conversation of the demo is over by then.
const CALL_WITHIN: Duration = Duration::from_secs(240);
/// Webhooks follow the end of the call within this time.
const WEBHOOKS_WITHIN: Duration = Duration::from_secs(15);

/// What is needed to follow a call.
pub(crate) struct CallStory {
    pub(crate) api: Api,
    pub(crate) deliveries: Deliveries,
    pub(crate) state: PathBuf,
}

/// A call that is over.
#[derive(Debug, Clone)]
pub(crate) struct Followed {
    pub(crate) persona: Persona,
    pub(crate) call_id: String,
    pub(crate) status: String,
    pub(crate) end_reason: String,
    pub(crate) outcome: Option<String>,
    pub(crate) slots: Value,
    pub(crate) booking: Value,
    pub(crate) turns: Vec<ToldTurn>,
    pub(crate) webhooks: Vec<Hook>,
    pub(crate) recording: Option<PathBuf>,
    pub(crate) trace: Vec<Value>,
    pub(crate) trace_file: PathBuf,
    pub(crate) trace_spans: usize,
    pub(crate) took: Duration,
}

impl Followed {
    /// Whether a webhook of this type arrived.
    pub(crate) fn heard_of(&self, event: &str) -> bool {
        self.webhooks.iter().any(|hook| hook.event == event)
    }
}

impl CallStory {
    /// Posts the lead and follows its first call to the end. `live` prints while it happens.
    pub(crate) async fn follow(&self, person: &Person, view: &View, live: bool) -> Result<Followed> {
        let (begun, posted_at) = (Instant::now(), Timestamp::now());
        let lead = json!({
            "event": "lead.created", "source": "web_form", "phone": person.number, "name": "Ece", "intent": "pricing",
            "language": "en", "consent": true, "call_within": 60,
        });
        let accepted = self.api.post("/v1/leads", &lead).await.context("posting the lead")?;
        let call_id = accepted["call_id"].as_str().context("the answer names no call")?.to_owned();
        view.accepted(&accepted, begun.elapsed(), live);

        let mut teller = Teller { view, live, story: Story::since(posted_at) };
        let call = self.until_over(&call_id, begun, &mut teller).await?;
        let webhooks = self.webhooks(&call_id, &call, &mut teller).await;
        let recording = self.fetch_recording(&call_id, &call).await?;
        let trace = self.trace(&call_id).await?;
        Ok(Followed {
            persona: person.persona,
            status: text(&call, "status"),
            end_reason: text(&call, "end_reason"),
            outcome: call["outcome"].as_str().map(str::to_owned),
            slots: call["slots"].clone(),
            booking: call["booking"].clone(),
            turns: turns_of(&call),
            trace_file: self.keep(&format!("{call_id}.trace.json"), &serde_json::to_vec_pretty(&trace)?)?,
            trace_spans: trace.len(),
            trace,
            webhooks,
            recording,
            took: begun.elapsed(),
            call_id,
        })
    }

    async fn until_over(&self, call_id: &str, begun: Instant, teller: &mut Teller<'_>) -> Result<Value> {
        let path = format!("/v1/calls/{call_id}?include=transcript,trace");
        loop {
            let call = self.api.get(&path).await?;
            teller.tell(&call, &self.hooks_of(call_id).await);
            if call["ended_at"].is_string() {
                return Ok(call);
            }
            if begun.elapsed() > CALL_WITHIN {
                bail!(
                    "{call_id} was not over after {} s: it is {}",
                    CALL_WITHIN.as_secs(),
                    text(&call, "status")
                );
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits for the outcome's webhook, the last one of a call.
    async fn webhooks(&self, call_id: &str, call: &Value, teller: &mut Teller<'_>) -> Vec<Hook> {
        let last = call["outcome"].as_str().map(|outcome| format!("outcome.{outcome}"));
        let waiting_since = Instant::now();
        loop {
            let hooks = self.hooks_of(call_id).await;
            teller.tell(call, &hooks);
            let complete = last.as_ref().is_none_or(|last| hooks.iter().any(|hook| hook.event == *last));
            if (complete && !hooks.is_empty()) || waiting_since.elapsed() > WEBHOOKS_WITHIN {
                return hooks;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn hooks_of(&self, call_id: &str) -> Vec<Hook> {
        let deliveries = self.deliveries.lock().await;
        deliveries
            .iter()
            .filter(|delivery| delivery.text("call_id") == call_id)
            .map(|delivery| Hook {
                event: delivery.text("event").to_owned(),
                verified: delivery.verified,
                at: delivery.at,
            })
            .collect()
    }

    /// Fetches the recording by its signed address and checks that it is a stereo WAV.
    async fn fetch_recording(&self, call_id: &str, call: &Value) -> Result<Option<PathBuf>> {
        let Some(url) = call["recording_url"].as_str() else { return Ok(None) };
        let response = reqwest::get(url).await.context("fetching the recording")?.error_for_status()?;
        let wav = response.bytes().await?;
        let stereo = wav.get(..4) == Some(b"RIFF") && wav.get(22..24) == Some(&[2, 0]);
        if !stereo {
            bail!("the recording of {call_id} is not a stereo WAV");
        }
        self.keep(&format!("{call_id}.wav"), &wav).map(Some)
    }

    /// The trace as it is when the last webhook has arrived, whose span it contains too.
    async fn trace(&self, call_id: &str) -> Result<Vec<Value>> {
        let call = self.api.get(&format!("/v1/calls/{call_id}?include=trace")).await?;
        Ok(call["trace"].as_array().cloned().unwrap_or_default())
    }

    /// Writes what was fetched where it outlives the demo.
    fn keep(&self, name: &str, content: &[u8]) -> Result<PathBuf> {
        let folder = self.state.join("fetched");
        std::fs::create_dir_all(&folder)?;
        let path = folder.join(name);
        std::fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

/// Hands each thing that has happened to the view, once.
struct Teller<'a> {
    view: &'a View,
    live: bool,
    story: Story,
}

impl Teller<'_> {
    fn tell(&mut self, call: &Value, hooks: &[Hook]) {
        if self.live {
            for (at, event) in self.story.news(call, hooks, Timestamp::now()) {
                self.view.event(at, &event, call);
            }
        }
    }
}

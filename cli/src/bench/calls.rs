//! Whole calls: lead in, SIP and audio out, against the phone lab with stand-ins that answer at
//! once. What is left is what the product itself takes.

use super::load::quantile;
use super::table::{Figure, Mark};
use crate::api::Api;
use crate::demo::{Person, Persona, Tenant, callable_now, install, publish_example};
use crate::stack::Stack;
use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::PgPool;
use std::cell::Cell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long a round of calls may take.
const ROUND_WITHIN: Duration = Duration::from_secs(240);
/// Between two looks at a call: every look takes some of the core that the lab needs.
const BETWEEN_LOOKS: Duration = Duration::from_secs(10);

/// A tenant, and what is needed to call people.
pub(crate) struct Caller<'a> {
    pub(super) stack: &'a Stack,
    api: Api,
    lab: String,
    /// People called so far: nobody is called twice, as caps would come into play.
    called: Cell<usize>,
}

/// What a call had come to when it was over.
pub(super) struct Ended {
    pub(super) number: String,
    accepted_at: Timestamp,
    pub(super) call: Value,
}

/// What an operator sets for a customer who calls this much: a hundred thousand dollars, and no
/// cap below the node's own.
const RAISE: &str = "update account_settings set concurrent_calls = 10000, balance_microcents = 100000000000";

impl<'a> Caller<'a> {
    pub(crate) async fn new(stack: &'a Stack) -> Result<Self> {
        let tenant = Tenant::create(stack, "Bench", "http://127.0.0.1:9/webhooks").await?;
        let api = Api::new(&stack.api_url, &tenant.key)?;
        publish_example(&api).await?;
        let pool = PgPool::connect(&stack.database_url).await?;
        sqlx::query(RAISE).execute(&pool).await.context("raising the account's limits")?;
        let lab = stack.lab.as_ref().context("the bench calls the lab's phones")?.http.clone();
        Ok(Self { stack, api, lab, called: Cell::new(0) })
    }

    /// From the answer to `POST /v1/leads` to the INVITE at the carrier.
    pub(crate) async fn dialling(&self) -> Result<Vec<Figure>> {
        let idle = self.waits(20, Duration::from_millis(400)).await?;
        let loaded = self.waits(250, Duration::from_millis(20)).await?;
        let figure =
            |name: &str, value, mark| Figure::new("dialling", name, value, "ms").mark(Mark::AtMost(mark));
        Ok(vec![
            figure("lead accepted to INVITE, p95, idle", quantile(&idle, 0.95), 150.0),
            figure("lead accepted to INVITE, p95, at 50 leads/s", quantile(&loaded, 0.95), 1_000.0),
        ])
    }

    /// Milliseconds from acceptance to INVITE of `count` leads, one every `period`, all busy.
    async fn waits(&self, count: usize, period: Duration) -> Result<Vec<f64>> {
        let people = self.people(&[Persona::Busy], count)?;
        eprintln!("  {count} leads, one every {} ms …", period.as_millis());
        let ended = self.round(&people, period).await?;
        let log = self.lab_log().await?;
        let mut invited: HashMap<String, Timestamp> = HashMap::new();
        for record in &log {
            if let (Some(number), Some(at)) = (record["number"].as_str(), time(&record["invited_at"])) {
                invited.insert(number.to_owned(), at);
            }
        }
        let wait = |call: &Ended| {
            let at = invited.get(&call.number)?;
            Some(at.duration_since(call.accepted_at).as_secs_f64() * 1e3)
        };
        let mut waits: Vec<f64> = ended.iter().filter_map(wait).collect();
        if waits.len() != count {
            bail!("{} of {count} leads were dialled", waits.len());
        }
        waits.sort_by(f64::total_cmp);
        Ok(waits)
    }

    /// Turns of ten calls at once on a machine that is not busy.
    pub(crate) async fn turns(&self) -> Result<Vec<Figure>> {
        let people = self.people(&[Persona::Books, Persona::Interrupts], 10)?;
        let ended = self.round(&people, Duration::from_millis(300)).await?;
        let latencies = |stage: &str| {
            let turns =
                ended.iter().flat_map(|call| call.call["transcript"].as_array().into_iter().flatten());
            let mut values: Vec<f64> = turns.filter_map(|turn| turn["latency"][stage].as_f64()).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let (engine, heard) = (latencies("engine_ms"), latencies("heard_ms"));
        Ok(vec![
            Figure::new(
                "turns",
                "turn committed to first sample on the wire, median",
                quantile(&engine, 0.5),
                "ms",
            )
            .mark(Mark::AtMost(20.0)),
            Figure::new(
                "turns",
                "turn committed to first sample on the wire, p95",
                quantile(&engine, 0.95),
                "ms",
            )
            .mark(Mark::AtMost(40.0)),
            Figure::new("turns", "caller's last word to agent's first, median", quantile(&heard, 0.5), "ms"),
            Figure::new("turns", "turns measured", engine.len() as f64, ""),
        ])
    }

    /// `count` people who may be called now and have not been called yet.
    pub(super) fn people(&self, personas: &[Persona], count: usize) -> Result<Vec<Person>> {
        let before = self.called.get();
        self.called.set(before + count);
        let each = (before + count).div_ceil(personas.len());
        Ok(callable_now(personas, each)?.into_iter().skip(before).take(count).collect())
    }

    /// Every INVITE that the lab has seen.
    pub(super) async fn lab_log(&self) -> Result<Vec<Value>> {
        Ok(reqwest::get(format!("http://{}/lab/log", self.lab)).await?.json().await?)
    }

    /// Posts a lead for each of `people`, one every `period`, and waits for the end of all calls.
    pub(super) async fn round(&self, people: &[Person], period: Duration) -> Result<Vec<Ended>> {
        let lab = self.stack.lab.as_ref().context("the bench calls the lab's phones")?;
        install(lab, people).await?;
        let mut clock = tokio::time::interval(period);
        let mut calls = Vec::new();
        for person in people {
            clock.tick().await;
            let (api, number) = (self.api.clone(), person.number.as_str().to_owned());
            calls.push(tokio::spawn(async move { follow(&api, number).await }));
        }
        let mut ended = Vec::new();
        for call in calls {
            ended.push(call.await??);
        }
        Ok(ended)
    }
}

async fn follow(api: &Api, number: String) -> Result<Ended> {
    let lead = json!({
        "source": "web_form", "phone": number, "intent": "pricing", "language": "en", "consent": true,
    });
    let answer = api.post("/v1/leads", &lead).await?;
    let accepted_at = Timestamp::now();
    let id = answer["call_id"].as_str().context("the answer names no call")?.to_owned();
    let begun = Instant::now();
    loop {
        tokio::time::sleep(BETWEEN_LOOKS).await;
        let call = api.get(&format!("/v1/calls/{id}")).await?;
        if call["ended_at"].is_string() {
            let call = api.get(&format!("/v1/calls/{id}?include=transcript,trace")).await?;
            return Ok(Ended { number, accepted_at, call });
        }
        if begun.elapsed() > ROUND_WITHIN {
            bail!("{id} was not over after {} s: {}", ROUND_WITHIN.as_secs(), call["status"]);
        }
    }
}

pub(super) fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

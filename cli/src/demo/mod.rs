//! `talkif demo`: the main job, live, and checked.
//!
//! Everything shown comes from outside: the API's own answers, the webhooks received, the
//! recording fetched. The demo knows nothing that a customer could not see.

mod expect;
mod follow;
mod people;
mod story;
mod tenant;
mod view;

use crate::api::Api;
use crate::interrupt::asked_to_stop;
use crate::receiver::{Delivery, Receiver};
use crate::stack::{Binaries, CUT_WITHIN, DRAIN_WITHIN, Options, Stack};
use anyhow::{Context as _, Result, bail};
use expect::Expectation;
use follow::{CallStory, Followed};
pub(crate) use people::{Person, Persona, callable_now, install};
use std::path::PathBuf;
use std::sync::Arc;
use talkif_model::Region;
pub(crate) use tenant::{System, Tenant, bare_app};
use tokio::sync::{Mutex, mpsc};

/// Show the main job: start everything privately, post a lead, follow the call, verify the webhook.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Who picks up; several, with commas between, are called at once.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "books")]
    persona: Vec<Persona>,
    /// Post this many leads at once (to each persona) and print a table.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=500))]
    calls: u32,
    /// Print one JSON object a line; the last one sums up.
    #[arg(long)]
    json: bool,
    /// Answer as slowly as vendors do, instead of at once.
    #[arg(long)]
    realistic: bool,
    #[command(flatten)]
    place: Place,
}

impl Args {
    fn total(&self) -> usize {
        self.calls as usize * self.persona.len()
    }
}

/// Where a local installation lives, who serves its components, and how it reaches telephones.
#[derive(clap::Args, Clone)]
pub(crate) struct Place {
    /// Folder for data, logs and keys [default: .talkif in the project's folder].
    #[arg(long, env = "TALKIF_STATE")]
    pub(crate) state: Option<PathBuf>,
    /// Who serves the components [default: spin where it is on PATH].
    #[arg(long, value_enum)]
    pub(crate) host: Option<crate::stack::Host>,
    /// The region to be.
    #[arg(long, default_value = "eu-west", value_parser = |text: &str| text.parse::<Region>().map_err(|error| error.to_string()))]
    pub(crate) region: Region,
    /// Calls go through LiveKit: through private servers, built from source the first time, or
    /// through those that LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET name.
    #[arg(long)]
    pub(crate) livekit: bool,
}

impl Place {
    /// The state folder, `sub` below it.
    pub(crate) fn state(&self, sub: &str) -> PathBuf {
        let home = std::env::var_os("TALKIF_HOME").map_or_else(|| PathBuf::from("."), PathBuf::from);
        self.state.clone().unwrap_or_else(|| home.join(".talkif")).join(sub)
    }
}

/// Deliveries of all webhooks so far.
pub(crate) type Deliveries = Arc<Mutex<Vec<Delivery>>>;

/// Starts the stack, runs the calls, stops the stack whatever happened.
pub(crate) async fn run(args: Args) -> Result<()> {
    let binaries = Binaries::find()?;
    let options = Options {
        state: args.place.state("demo"),
        region: args.place.region,
        port: 0,
        host: args.place.host,
        realistic_delays: args.realistic,
        always_lab: true,
        slots: args.total().max(10),
        livekit: args.place.livekit,
        clocks: None,
        node_core: None,
    };
    let view = view::View::new(args.json);
    let telephony = if args.place.livekit { "LiveKit, " } else { "" };
    view.note(&format!("starting Postgres, Redis, the edge, {telephony}a media node and the phone lab"));
    let stack = tokio::select! {
        started = Stack::start(options, &binaries) => started?,
        asked = asked_to_stop() => { asked?; bail!("interrupted") }
    };
    let outcome = tokio::select! {
        outcome = demonstrate(&stack, &args, &view) => outcome,
        asked = asked_to_stop() => asked.and_then(|()| bail!("interrupted")),
    };
    let logs = stack.logs.clone();
    // After a failure or an interruption there may be calls, which nobody wants to wait for.
    stack.stop(if outcome.is_ok() { DRAIN_WITHIN } else { CUT_WITHIN }).await;
    outcome.with_context(|| format!("the demo did not come to its end; logs lie in {}", logs.display()))
}

async fn demonstrate(stack: &Stack, args: &Args, view: &view::View) -> Result<()> {
    let receiver = Receiver::bind(0).await?;
    let tenant = Tenant::create(stack, "Helena Education", &receiver.url()).await?;
    let deliveries = collect(receiver.serve(&tenant.webhook_secret)?);
    let api = Api::new(&stack.api_url, &tenant.key)?;
    let lab = stack.lab.as_ref().context("the demo calls the lab's phones")?;
    publish_example(&api).await?;
    view.note(&format!("edge {} · flow {EXAMPLE_FLOW} published", stack.api_url));

    let people = people::callable_now(&args.persona, args.calls as usize)?;
    people::install(lab, &people).await?;
    let one = people.len() == 1;
    let calls = people.iter().map(|person| {
        let story = CallStory {
            api: api.clone(),
            deliveries: deliveries.clone(),
            state: stack.options().state.clone(),
        };
        async move { story.follow(person, view, one).await }
    });
    let followed = futures::future::join_all(calls).await.into_iter().collect::<Result<Vec<Followed>>>()?;
    conclude(&followed, view)
}

/// The flow of a new local account.
pub(crate) const EXAMPLE_FLOW: &str = "flow_pricing_v3";

/// Publishes the example as a new version, unless the newest says the same.
pub(crate) async fn publish_example(api: &Api) -> Result<()> {
    let flow = include_str!("../../../examples/pricing-v3.yaml").to_owned();
    api.post_text("/v1/flows", "application/yaml", flow).await.context("publishing the flow")?;
    Ok(())
}

/// Judges every call against what its persona must lead to.
fn conclude(followed: &[Followed], view: &view::View) -> Result<()> {
    let complaints = |call: &Followed| {
        let told = Expectation::of(call.persona).complaints(call);
        told.into_iter()
            .map(|text| format!("{} ({}): {text}", call.call_id, call.persona.name()))
            .collect::<Vec<_>>()
    };
    let failures: Vec<String> = followed.iter().flat_map(complaints).collect();
    view.conclude(followed);
    if failures.is_empty() {
        view.verdict("everything above really happened");
        return Ok(());
    }
    bail!("not as it should be:\n  {}", failures.join("\n  "))
}

fn collect(mut received: mpsc::UnboundedReceiver<Delivery>) -> Deliveries {
    let deliveries = Deliveries::default();
    let kept = deliveries.clone();
    tokio::spawn(async move {
        while let Some(delivery) = received.recv().await {
            kept.lock().await.push(delivery);
        }
    });
    deliveries
}

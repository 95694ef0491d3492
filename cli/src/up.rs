//! `talkif up`: a whole region on this machine, left running.

use crate::api::Api;
use crate::demo::{EXAMPLE_FLOW, Persona, Place, Tenant, callable_now, publish_example};
use crate::interrupt::asked_to_stop;
use crate::stack::{Binaries, DRAIN_WITHIN, Options, Stack};
use anyhow::Result;
use serde_json::{Value, json};
use std::time::Duration;

/// Start everything on this machine and leave it running.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Port of the API.
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// Where webhooks go; `talkif listen` receives them there.
    #[arg(long, default_value = "http://127.0.0.1:4000/webhooks")]
    webhook_url: String,
    /// Calls at once.
    #[arg(long, default_value_t = 100)]
    slots: usize,
    #[command(flatten)]
    place: Place,
}

/// Runs until Ctrl-C or SIGTERM, then drains calls and stops all it started.
pub(crate) async fn run(args: Args) -> Result<()> {
    let binaries = Binaries::find()?;
    let options = Options {
        state: args.place.state("up"),
        region: args.place.region,
        port: args.port,
        host: args.place.host,
        realistic_delays: false,
        always_lab: false,
        slots: args.slots,
        livekit: args.place.livekit,
        clocks: None,
        node_core: None,
    };
    println!("starting; the first start compiles the components");
    let mut stack = tokio::select! {
        started = Stack::start(options, &binaries) => started?,
        asked = asked_to_stop() => return asked,
    };
    let outcome = tokio::select! {
        outcome = attend(&mut stack, &args) => outcome,
        asked = asked_to_stop() => asked,
    };
    println!("draining calls, then stopping; Ctrl-C again cuts the calls");
    tokio::select! {
        () = stack.stop(DRAIN_WITHIN) => outcome,
        asked = asked_to_stop() => outcome.and(asked),
    }
}

/// Sets an account up, says how to use it, and watches the processes; returns only on failure.
async fn attend(stack: &mut Stack, args: &Args) -> Result<()> {
    let tenant = Tenant::create(stack, "Local", &args.webhook_url).await?;
    let api = Api::new(&stack.api_url, &tenant.key)?;
    // A version that its owner has published since then is not replaced.
    if !api.finds(&format!("/v1/flows/{EXAMPLE_FLOW}")).await? {
        publish_example(&api).await?;
    }
    print!("{}", greeting(stack, &tenant, args)?);
    let mut look = tokio::time::interval(Duration::from_secs(1));
    loop {
        look.tick().await;
        stack.check()?;
    }
}

fn greeting(stack: &Stack, tenant: &Tenant, args: &Args) -> Result<String> {
    let (api, key, number) = (&stack.api_url, &tenant.key, &tenant.number);
    let vendors = match &stack.lab {
        Some(lab) => format!("phones and stand-ins of the lab at http://{}", lab.http),
        None => "the real ones, by the keys in the environment".to_owned(),
    };
    let mut text = format!(
        "
  API        {api}
  key        {key}
  number     {number}, answered by {EXAMPLE_FLOW} at sip:{number}@{sip}
  telephony  {telephony}
  webhooks   {webhooks}
  vendors    {vendors}
  database   {database}
  redis      {redis}
  logs       {logs}
  recordings {recordings}

Post a lead; the flow {EXAMPLE_FLOW} calls it:

  curl -X POST {api}/v1/leads \\
    -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\
    -d '{lead}'
",
        sip = stack.sip,
        telephony = match stack.livekit() {
            Some(livekit) => format!("through LiveKit at {}; dial the number with a softphone", livekit.url),
            None => "our own SIP".to_owned(),
        },
        webhooks = args.webhook_url,
        database = stack.database_url,
        redis = stack.redis_url,
        logs = stack.logs.display(),
        recordings = stack.recordings.display(),
        lead = lead(stack)?,
    );
    if let Some(lab) = &stack.lab {
        let call = json!({ "from": "+905321234219", "to": number, "persona": "books", "target": stack.sip });
        text.push_str(&format!(
            "
Let a phone of the lab call the number:

  curl -X POST http://{}/lab/calls -H 'Content-Type: application/json' -d '{call}'
",
            lab.http
        ));
    }
    text.push_str(&format!(
        "
See the webhooks come, publish a flow of yours, look at the calls:

  export TALKIF_API={api} TALKIF_KEY={key}
  ./talkif listen --secret {secret}
  ./talkif deploy examples/pricing-v3.yaml
  curl -H \"Authorization: Bearer $TALKIF_KEY\" {api}/v1/calls

Ctrl-C drains calls and stops everything.
",
        secret = tenant.webhook_secret
    ));
    Ok(text)
}

/// A lead that may be called at this hour, in the lab; with a real carrier, its reader's own number.
fn lead(stack: &Stack) -> Result<Value> {
    let phone = match &stack.lab {
        Some(_) => {
            callable_now(&[Persona::Books], 1)?.first().map(|person| person.number.as_str().to_owned())
        }
        None => None,
    };
    Ok(json!({
        "source": "web_form", "phone": phone.as_deref().unwrap_or("+ your number"), "intent": "pricing",
        "language": "en", "consent": true,
    }))
}

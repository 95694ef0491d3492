//! `talkif up`: a whole region on this machine, left running.

use crate::demo::{Place, Tenant};
use crate::stack::{Binaries, Options, Stack, TRUNK_USER};
use anyhow::Result;
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
        slots: args.slots,
    };
    println!("starting; the first start compiles the components");
    let mut stack = Stack::start(options, &binaries).await?;
    let outcome = attend(&mut stack, &args).await;
    println!("draining calls, then stopping");
    stack.stop().await;
    outcome
}

async fn attend(stack: &mut Stack, args: &Args) -> Result<()> {
    let tenant = Tenant::create(stack, "Local", &args.webhook_url).await?;
    greet(stack, &tenant, args);
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let mut look = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(()),
            _ = terminated.recv() => return Ok(()),
            _ = look.tick() => stack.check()?,
        }
    }
}

fn greet(stack: &Stack, tenant: &Tenant, args: &Args) {
    println!();
    println!("  API       {}", stack.api_url);
    println!("  key       {}", tenant.key);
    println!("  number    {} (calls into it: sip:{}@{})", tenant.number, tenant.number, stack.sip);
    println!("  webhooks  {} (secret {})", args.webhook_url, tenant.webhook_secret);
    println!("  database  {}", stack.database_url);
    println!("  directory {}", stack.directory_url);
    println!("  redis     {}", stack.redis_url);
    println!("  logs      {} · recordings {}", stack.logs.display(), stack.recordings.display());
    match &stack.lab {
        Some(lab) => println!(
            "  lab       phones at {} (trunk user {TRUNK_USER}), stand-ins at http://{}",
            lab.sip, lab.http
        ),
        None => println!("  vendors   the real ones, by the keys in the environment"),
    }
    println!();
    println!("Publish a flow, receive its webhooks, post a lead:");
    println!();
    println!("  export TALKIF_KEY={} TALKIF_API={}", tenant.key, stack.api_url);
    println!("  talkif deploy examples/pricing-v3.yaml");
    println!("  talkif listen --secret {}", tenant.webhook_secret);
    println!("  curl -X POST {}/v1/leads \\", stack.api_url);
    println!("    -H \"Authorization: Bearer $TALKIF_KEY\" -H \"Content-Type: application/json\" \\");
    println!(
        "    -d '{{\"source\":\"web_form\",\"phone\":\"+905321234218\",\"intent\":\"pricing\",\"language\":\"en\",\"consent\":true}}'"
    );
    println!();
    println!("Ctrl-C drains calls and stops everything.");
}

//! `talkif listen`: deliveries on the terminal, verified.

use crate::receiver::{Delivery, Receiver};
use anyhow::{Context as _, Result};

/// Receive webhooks here, print them and verify their signatures.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The endpoint's secret (`whsec_…`), shown when the endpoint was created.
    #[arg(long, env = "TALKIF_WEBHOOK_SECRET", hide_env_values = true)]
    secret: String,
    /// Port to listen on; 0 takes a free one.
    #[arg(long, default_value_t = 4000)]
    port: u16,
    /// Print whole bodies, one JSON object a line.
    #[arg(long)]
    json: bool,
}

/// Runs until Ctrl-C.
pub(crate) async fn run(args: Args) -> Result<()> {
    let receiver = Receiver::bind(args.port).await.context("choose another port with --port")?;
    println!("listening on {}; Ctrl-C ends it", receiver.url());
    let mut deliveries = receiver.serve(&args.secret)?;
    loop {
        tokio::select! {
            Some(delivery) = deliveries.recv() => println!("{}", line(&delivery, args.json)),
            asked = crate::interrupt::asked_to_stop() => return asked,
        }
    }
}

fn line(delivery: &Delivery, json: bool) -> String {
    if json {
        return serde_json::json!({ "id": delivery.id, "verified": delivery.verified, "body": delivery.body }).to_string();
    }
    let mark = if delivery.verified { "✓ verified" } else { "✗ SIGNATURE REFUSED (answered 401)" };
    format!("{:<22} {:<32} {mark}", delivery.text("event"), delivery.text("call_id"))
}

//! How many leads an account may send, one by one and in lists.

use crate::app::App;
use crate::auth::Caller;
use talkif_problem::{Code, Problem};
use talkif_rules::rate::{self, Limit};
use tracing::warn;

/// One of an account's buckets.
pub(super) struct Bucket {
    name: &'static str,
    limit: Limit,
    /// What the client is told.
    rule: &'static str,
}

/// Leads that are sent one by one.
pub(super) const LEADS: Bucket = Bucket {
    name: "leads",
    limit: rate::LEADS,
    rule: "The account may send 120 leads a minute, and bursts of 600 a minute for 30 seconds",
};

/// Leads in lists.
pub(super) const LISTED_LEADS: Bucket = Bucket {
    name: "lists",
    limit: rate::LISTED_LEADS,
    rule: "The account may send 1000 leads a minute in lists, and 2000 after a pause",
};

/// Lets `leads` through or says when to come back. Without Redis everything goes through: the
/// limit protects the platform, and the dialer has limits of its own.
pub(super) async fn admit(app: &App, caller: &Caller, bucket: Bucket, leads: usize) -> Result<(), Problem> {
    let key = format!("talkif:rl:{}:{}", bucket.name, caller.account.uuid());
    let cost = u32::try_from(leads).unwrap_or(u32::MAX);
    match app.ports.limits.eval(rate::GCRA_LUA, &key, &rate::lua_arguments(bucket.limit, cost)).await {
        Ok(answer) => verdict(&bucket, &answer),
        Err(error) => {
            warn!(%error, "the rate limit is not checked");
            Ok(())
        }
    }
}

/// The script's answer: allowed, tokens remaining, milliseconds to wait.
fn verdict(bucket: &Bucket, answer: &[i64]) -> Result<(), Problem> {
    let [0, _, wait_ms] = *answer else { return Ok(()) };
    let seconds = u64::try_from(rate::retry_after_s(wait_ms)).unwrap_or(1);
    Err(Problem::new(Code::RateLimitExceeded, bucket.rule).retry_after(seconds))
}

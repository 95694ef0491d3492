//! 120 leads a minute for each account, with room for bursts.

use crate::app::App;
use crate::auth::Caller;
use talkif_problem::{Code, Problem};
use crate::pending::rate;
use tracing::warn;

/// Lets the request through or says when to come back. Without Redis everything goes through:
/// the limit protects the platform, and the dialer has limits of its own.
pub(super) async fn admit(app: &App, caller: &Caller) -> Result<(), Problem> {
    let key = format!("talkif:rl:leads:{}", caller.account.uuid());
    let limit = rate::LEADS;
    match app.ports.limits.eval(rate::SCRIPT, &key, &limit.args(app.now_us())).await {
        Ok(answer) => verdict(&answer),
        Err(error) => {
            warn!(%error, "the rate limit is not checked");
            Ok(())
        }
    }
}

/// The script answers whether the request goes through and how long to wait otherwise, in µs.
fn verdict(answer: &[i64]) -> Result<(), Problem> {
    let [0, wait_us] = *answer else { return Ok(()) };
    let seconds = u64::try_from(wait_us).unwrap_or_default().div_ceil(1_000_000).max(1);
    let detail = "More than 120 leads a minute, with a burst";
    Err(Problem::new(Code::RateLimitExceeded, detail).retry_after(seconds))
}

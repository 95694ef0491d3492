//! 120 leads a minute for each account, with room for bursts.

use crate::app::App;
use crate::auth::Caller;
use talkif_problem::{Code, Problem};
use talkif_rules::rate;
use tracing::warn;

/// Lets the request through or says when to come back. Without Redis everything goes through:
/// the limit protects the platform, and the dialer has limits of its own.
pub(super) async fn admit(app: &App, caller: &Caller) -> Result<(), Problem> {
    let key = format!("talkif:rl:leads:{}", caller.account.uuid());
    match app.ports.limits.eval(rate::GCRA_LUA, &key, &rate::lua_arguments(rate::LEADS, 1)).await {
        Ok(answer) => verdict(&answer),
        Err(error) => {
            warn!(%error, "the rate limit is not checked");
            Ok(())
        }
    }
}

/// The script's answer: allowed, tokens remaining, milliseconds to wait.
fn verdict(answer: &[i64]) -> Result<(), Problem> {
    let [0, _, wait_ms] = *answer else { return Ok(()) };
    let seconds = u64::try_from(rate::retry_after_s(wait_ms)).unwrap_or(1);
    let detail = "The account may send 120 leads a minute, and bursts of 600 a minute for 30 seconds";
    Err(Problem::new(Code::RateLimitExceeded, detail).retry_after(seconds))
}

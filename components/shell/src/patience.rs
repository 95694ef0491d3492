//! How long a request waits for what is behind it. A server that is frozen, or behind a dead
//! cable, refuses nothing: without these limits each request would hang until the host gives up.

use futures::FutureExt;
use futures::future::{Either, select};
use spin_sdk::wasip3::clocks::monotonic_clock;
use std::pin::pin;
use std::time::Duration;

/// For a statement, opening the connection included. Statements take milliseconds.
pub(crate) const DATABASE: Duration = Duration::from_secs(4);
/// For a Redis command, opening the connection included. Nothing of Redis' is worth a wait:
/// requests go on without it.
pub(crate) const REDIS: Duration = Duration::from_millis(750);
/// How long Redis is not asked again after it failed. Otherwise every request would wait.
pub(crate) const REDIS_PAUSE: Duration = Duration::from_secs(2);

/// The result of `work`, or `None` if it is not there in time. The work is dropped then, and the
/// host ends what it was doing.
pub(crate) async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    let nanos = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
    let timer = pin!(monotonic_clock::wait_for(nanos).fuse());
    match select(pin!(work), timer).await {
        Either::Left((result, _)) => Some(result),
        Either::Right(((), _)) => None,
    }
}

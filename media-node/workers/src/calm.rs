//! Whether every node that lives can have renewed its leases.
//!
//! After an outage of the database all leases look expired, and by no means every outage returns
//! an error: a full disk or a lock on `calls` lets everything wait and then go through, and a
//! clock that is set ahead ends all leases at a stroke. So a lease is judged only after a while
//! of answers that came promptly and told the time that was due, and as of the moment of the last
//! of them: what waits on its way to the database while the others cannot renew does no harm.

use crate::running::RENEWAL;
use std::sync::Arc;
use std::time::Duration;
use talkif_store::{Db, DbError, janitor};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// How often the database is asked; what lasts no longer costs no node its leases.
const PAUSE: Duration = Duration::from_secs(2);
/// An answer that takes longer is an outage.
const PROMPT: Duration = Duration::from_secs(2);
/// Between two questions. After a longer sleep we cannot say what there was meanwhile.
const LAPSE: Duration = Duration::from_secs(6);
/// By as much the database's clock may go faster or slower than ours from one answer to the next.
const STEP_US: i64 = 5_000_000;
/// Every node that lives has renewed its leases by then.
pub(crate) const SETTLING: Duration = RENEWAL.saturating_mul(2);

/// As of when leases may be judged, by the database's clock; `None` until there was calm.
pub(crate) type AsOf = watch::Receiver<Option<i64>>;

/// Asks the database, and tells as of when leases may be judged, for as long as it is polled.
pub(crate) async fn watch(db: Arc<dyn Db>, as_of: watch::Sender<Option<i64>>) {
    let mut calm = Calm::default();
    loop {
        let asked = Instant::now();
        let now_us = match answer(&*db).await {
            Ok(us) => calm.hear(asked, us),
            Err(error) => {
                tracing::debug!(%error, "the janitor waits for the database");
                calm = Calm::default();
                None
            }
        };
        as_of.send_replace(now_us);
        sleep(PAUSE).await;
    }
}

async fn answer(db: &dyn Db) -> Result<i64, DbError> {
    let row = db.query_one(&janitor::ANSWER, Vec::new()).await?;
    row.ok_or_else(|| DbError::Unavailable("no answer".to_owned()))?.int("now_us")
}

/// What was heard since the last trouble.
#[derive(Debug, Default)]
struct Calm {
    since: Option<Instant>,
    /// When the last good answer was asked for, and the time that it told.
    last: Option<(Instant, i64)>,
}

impl Calm {
    /// The database, asked at `asked` and heard just now, said `us`.
    fn hear(&mut self, asked: Instant, us: i64) -> Option<i64> {
        if asked.elapsed() > PROMPT {
            tracing::info!("the database answered late: leases are judged once it was prompt for a while");
            *self = Self::default();
            return None;
        }
        if !self.follows(asked, us) {
            tracing::info!("a clock has stepped, or we slept: leases are judged in a while");
            self.since = None;
        }
        self.last = Some((asked, us));
        let since = *self.since.get_or_insert_with(Instant::now);
        (asked.saturating_duration_since(since) >= SETTLING).then_some(us)
    }

    /// Whether an answer comes when it should and tells the time that is due.
    fn follows(&self, asked: Instant, us: i64) -> bool {
        let Some((before, told)) = self.last else { return true };
        let passed = asked - before;
        let passed_us = i64::try_from(passed.as_micros()).unwrap_or(i64::MAX);
        passed <= LAPSE && us.saturating_sub(told).saturating_sub(passed_us).abs() <= STEP_US
    }
}

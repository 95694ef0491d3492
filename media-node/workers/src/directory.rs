//! Which accounts are in good standing, as the directory says.
//!
//! The directory may be a replica far from its writer, so answers are kept for seconds, and a
//! directory that is away is bridged for minutes: an outage there must not stop the calls of
//! accounts that were active a moment ago. An account it does not know, or never told us about,
//! calls nobody.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use talkif_model::AccountId;
use talkif_store::{Db, DbError, directory};

/// How long an answer is as good as a new one.
const FRESH: Duration = Duration::from_secs(5);
/// How long an answer counts while there is no new one.
const USABLE: Duration = Duration::from_secs(300);
/// How long the directory may take.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Beyond so many answers, the old ones are forgotten.
const MANY: usize = 10_000;

#[derive(Debug, Clone, Copy)]
struct Answer {
    active: bool,
    at: Instant,
}

/// Asks the directory, and remembers.
pub(crate) struct Directory {
    db: Arc<dyn Db>,
    known: Mutex<HashMap<AccountId, Answer>>,
}

impl Directory {
    pub(crate) fn new(db: Arc<dyn Db>) -> Self {
        Self { db, known: Mutex::default() }
    }

    /// Whether the account exists and is not suspended.
    ///
    /// # Errors
    /// If the directory does not answer and has not done so for minutes.
    pub(crate) async fn is_active(&self, account: AccountId) -> Result<bool, DbError> {
        let known = self.with(|known| known.get(&account).copied());
        if let Some(answer) = known.filter(|answer| answer.at.elapsed() < FRESH) {
            return Ok(answer.active);
        }
        match (self.ask(account).await, known) {
            (Ok(active), _) => {
                self.remember(account, active);
                Ok(active)
            }
            (Err(error), Some(answer)) if answer.at.elapsed() < USABLE => {
                tracing::warn!(%error, "the directory does not answer; its last word counts");
                Ok(answer.active)
            }
            (Err(error), _) => Err(error),
        }
    }

    async fn ask(&self, account: AccountId) -> Result<bool, DbError> {
        let answer = self.db.query_one(&directory::STATUS, vec![account.sql().into()]);
        let silent = |_| DbError::Unavailable("the directory does not answer".to_owned());
        let row = tokio::time::timeout(TIMEOUT, answer).await.map_err(silent)??;
        row.map_or(Ok(false), |row| Ok(row.text("status")? == "active"))
    }

    fn remember(&self, account: AccountId, active: bool) {
        self.with(|known| {
            if known.len() >= MANY {
                known.retain(|_, answer| answer.at.elapsed() < USABLE);
            }
            known.insert(account, Answer { active, at: Instant::now() });
        });
    }

    /// No panic of ours leaves the map half changed, so a poisoned lock is as good as any.
    fn with<T>(&self, change: impl FnOnce(&mut HashMap<AccountId, Answer>) -> T) -> T {
        change(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

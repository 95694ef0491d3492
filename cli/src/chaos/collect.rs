//! Reads what is to be judged: the phones' log, the database, the files.

use super::facts::{CallRow, DeliveryRow, LabRecord, LeadRow, Ring, Stored};
use anyhow::{Context as _, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use talkif_model::{CallId, EventId, LeadId};
use talkif_store::{Db, DbError, Row, Statement};

const LEADS: Statement =
    Statement { name: "chaos.leads", sql: "select id::text, phone, state from leads order by id" };

const CALLS: Statement = Statement {
    name: "chaos.calls",
    sql: "
select c.id::text, c.lead_id::text, c.to_number, c.attempt_no, c.status, c.end_reason, c.failure_detail, c.outcome,
       c.dialed_at is not null as dialed, c.sip_call_id is not null as started,
       c.answered_at is not null as answered, c.billed_minutes,
       (extract(epoch from c.answered_at) * 1000000)::bigint as answered_us,
       exists (select from recordings r where r.call_id = c.id) as recorded,
       exists (select from events e where e.call_id = c.id and e.type = 'call.recording_failed') as unrecorded,
       (extract(epoch from c.ended_at) * 1000000)::bigint as ended_us,
       c.lease_owner is not null or c.lease_until is not null as leased,
       (select count(*) from events e where e.call_id = c.id and e.type = 'call.ended') as endings
from calls c order by c.id",
};

const DELIVERIES: Statement = Statement {
    name: "chaos.deliveries",
    sql: "select event_id::text, event_type, state, lease_owner is not null as leased from webhook_deliveries",
};

/// Totals of lists that are not the number of calls.
const TOTALS: Statement = Statement {
    name: "chaos.totals",
    sql: "
with counted as (
    select account_id, status, count(*) as calls from calls group by grouping sets ((account_id, status), (account_id))
)
select coalesce(status, 'all') || ': ' || calls_total(account_id, status) || ' for ' || calls as wrong
from counted where calls_total(account_id, status) <> calls",
};

const RECORDINGS: Statement =
    Statement { name: "chaos.recordings", sql: "select path from recordings where deleted_at is null" };

const NODES: Statement = Statement { name: "chaos.nodes", sql: "select id from nodes" };

const BUSY: Statement = Statement {
    name: "chaos.busy",
    sql: "
select (select count(*) from calls where ended_at is null and held_reason is distinct from 'quiet_hours') as calls,
       (select count(*) from webhook_deliveries where state = 'pending') as deliveries",
};

/// What waits for a time comes now: a run has no minutes to wait for. What somebody holds is left
/// alone, and so is the rest of a call that waits for the end of quiet hours.
const HURRY_CALLS: Statement = Statement {
    name: "chaos.hurry_calls",
    sql: "
update calls set not_before = now()
where status = 'queued' and not_before > now() and lease_owner is null
  and ($1::boolean or held_reason is distinct from 'quiet_hours')",
};
const HURRY_DELIVERIES: Statement = Statement {
    name: "chaos.hurry_deliveries",
    sql: "update webhook_deliveries set next_at = now() where state = 'pending' and next_at > now() and lease_owner is null",
};

/// Brings forward what waits; with `held`, also what waits for the end of quiet hours.
pub(super) async fn hurry(db: &dyn Db, held: bool) -> Result<()> {
    db.query(&HURRY_CALLS, vec![held.into()]).await?;
    db.query(&HURRY_DELIVERIES, Vec::new()).await?;
    Ok(())
}

/// Calls that go on and deliveries that wait.
pub(super) async fn busy(db: &dyn Db) -> Result<(i64, i64)> {
    let row = db.query_one(&BUSY, Vec::new()).await?.context("no row")?;
    Ok((row.int("calls")?, row.int("deliveries")?))
}

pub(super) async fn stored(db: &dyn Db) -> Result<Stored> {
    let leads = db.query(&LEADS, Vec::new()).await?;
    let calls = db.query(&CALLS, Vec::new()).await?;
    let deliveries = db.query(&DELIVERIES, Vec::new()).await?;
    let totals = db.query(&TOTALS, Vec::new()).await?;
    Ok(Stored {
        leads: leads.iter().map(lead).collect::<Result<_, _>>()?,
        calls: calls.iter().map(call).collect::<Result<_, _>>()?,
        deliveries: deliveries.iter().map(delivery).collect::<Result<_, _>>()?,
        wrong_totals: totals.iter().map(|row| row.text("wrong")).collect::<Result<_, _>>()?,
    })
}

fn lead(row: &Row) -> Result<LeadRow, DbError> {
    let id = LeadId::from_uuid(row.uuid("id")?).to_string();
    Ok(LeadRow { id, number: row.text("phone")?, state: row.text("state")? })
}

fn call(row: &Row) -> Result<CallRow, DbError> {
    Ok(CallRow {
        id: CallId::from_uuid(row.uuid("id")?).to_string(),
        lead: LeadId::from_uuid(row.uuid("lead_id")?).to_string(),
        number: row.text("to_number")?,
        attempt: row.int("attempt_no")?,
        status: row.text("status")?,
        end_reason: row.opt_text("end_reason")?,
        failure_detail: row.opt_text("failure_detail")?,
        outcome: row.opt_text("outcome")?,
        is_dialed: row.bool("dialed")?,
        is_started: row.bool("started")?,
        is_answered: row.bool("answered")?,
        answered_us: row.opt_int("answered_us")?,
        billed_minutes: row.opt_int("billed_minutes")?,
        is_recorded: row.bool("recorded")?,
        recording_failed: row.bool("unrecorded")?,
        ended_us: row.opt_int("ended_us")?,
        is_leased: row.bool("leased")?,
        endings: row.int("endings")?,
    })
}

fn delivery(row: &Row) -> Result<DeliveryRow, DbError> {
    Ok(DeliveryRow {
        event_id: EventId::from_uuid(row.uuid("event_id")?).to_string(),
        event: row.text("event_type")?,
        state: row.text("state")?,
        is_leased: row.bool("leased")?,
    })
}

/// Nodes that the database thinks are there.
pub(super) async fn nodes(db: &dyn Db) -> Result<Vec<String>> {
    let rows = db.query(&NODES, Vec::new()).await?;
    Ok(rows.iter().map(|row| row.text("id")).collect::<Result<_, _>>()?)
}

/// What the phones went through.
pub(super) async fn rings(lab: &str) -> Result<Vec<Ring>> {
    let records: Vec<LabRecord> = reqwest::get(format!("http://{lab}/lab/log")).await?.json().await?;
    Ok(records.into_iter().filter_map(LabRecord::ring).collect())
}

/// The recordings on disk against those in the database.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Recordings {
    pub(super) unfinished: Vec<String>,
    pub(super) unnamed: Vec<String>,
    pub(super) missing: Vec<String>,
}

impl Recordings {
    /// Whether every file is known.
    pub(super) fn is_tidy(&self) -> bool {
        self.unfinished.is_empty() && self.unnamed.is_empty()
    }
}

/// Lets days pass for all files: those that a crash left behind are searched for when they are
/// so old that nobody can be writing them.
pub(super) fn age(folder: &Path) -> Result<()> {
    let then = SystemTime::now() - Duration::from_secs(3 * 24 * 3_600);
    for file in files_below(folder)? {
        std::fs::File::options().append(true).open(file)?.set_modified(then)?;
    }
    Ok(())
}

pub(super) async fn recordings(db: &dyn Db, folder: &Path) -> Result<Recordings> {
    let rows = db.query(&RECORDINGS, Vec::new()).await?;
    let named: BTreeSet<String> = rows.iter().map(|row| row.text("path")).collect::<Result<_, _>>()?;
    let files = files_below(folder)?;
    let inside =
        |file: &PathBuf| file.strip_prefix(folder).ok().map(|path| path.to_string_lossy().into_owned());
    Ok(compare(&named, files.iter().filter_map(inside).collect()))
}

fn compare(named: &BTreeSet<String>, files: BTreeSet<String>) -> Recordings {
    let missing = named.difference(&files).cloned().collect();
    let (finished, unfinished): (Vec<String>, Vec<String>) =
        files.into_iter().partition(|file| Path::new(file).extension().is_some_and(|end| end == "rec"));
    Recordings {
        unfinished,
        missing,
        unnamed: finished.into_iter().filter(|file| !named.contains(file)).collect(),
    }
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { files.extend(files_below(&path)?) } else { files.push(path) }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_without_rows_and_rows_without_files_are_told_apart() {
        let set = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<BTreeSet<String>>();
        let found = compare(&set(&["a/1.rec", "a/2.rec"]), set(&["a/1.rec", "a/3.rec", "a/4.rec.part"]));
        let expected = Recordings {
            unfinished: vec!["a/4.rec.part".to_owned()],
            unnamed: vec!["a/3.rec".to_owned()],
            missing: vec!["a/2.rec".to_owned()],
        };
        assert_eq!(found, expected);
    }
}

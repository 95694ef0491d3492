//! The two sets of migrations, compiled into the binary, so that an installed node or CLI
//! migrates without a source tree.
//!
//! To add a migration, write the file under `migrations/` and list it here. One whose first line
//! is [`NO_TRANSACTION`] runs outside a transaction and is a single statement that may be repeated,
//! such as `create index concurrently if not exists`.

use super::{DbError, base_options, error};
use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, SqlSafeStr};
use std::time::Duration;

const NO_TRANSACTION: &str = "-- no-transaction";
/// How long a migration waits for a lock on a table. Whoever writes there waits behind it.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it waits at a time for its turn among processes that migrate. Whoever waits in the
/// database keeps a snapshot, and `create index concurrently` waits until that is gone.
const TURN: Duration = Duration::from_millis(500);
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// Version, description and text of a migration.
type Source = (i64, &'static str, &'static str);

const DIRECTORY: &[Source] = &[
    (1, "directory", include_str!("../../../../migrations/directory/0001_directory.sql")),
    (2, "key answers", include_str!("../../../../migrations/directory/0002_key_answers.sql")),
];

const REGION: &[Source] = &[
    (1, "region", include_str!("../../../../migrations/region/0001_region.sql")),
    (2, "endpoint limit", include_str!("../../../../migrations/region/0002_endpoint_limit.sql")),
    (3, "durable node", include_str!("../../../../migrations/region/0003_durable_node.sql")),
    (4, "transferred", include_str!("../../../../migrations/region/0004_transferred.sql")),
    (5, "deliveries leased", include_str!("../../../../migrations/region/0005_deliveries_leased.sql")),
    (6, "call tallies", include_str!("../../../../migrations/region/0006_call_tallies.sql")),
    (7, "call tallies filled", include_str!("../../../../migrations/region/0007_call_tallies_filled.sql")),
    (8, "calls by status", include_str!("../../../../migrations/region/0008_calls_by_status.sql")),
];

/// A set of migrations, and where a database says which of them it has.
struct Set {
    migrator: Migrator,
    table: &'static str,
}

/// Brings the directory database at `url` up to date. Its migrations table lives in the schema
/// `directory`, so that directory and region may share one database.
///
/// # Errors
/// [`DbError::Unavailable`] if nobody answers, [`DbError::Failed`] if a migration fails, an
/// applied one has been changed since, or a table stays locked by somebody else: what was applied
/// until then stays, and the rest may be tried again.
pub async fn migrate_directory(url: &str) -> Result<(), DbError> {
    let (mut migrator, table) = (migrator(DIRECTORY), "directory._sqlx_migrations");
    migrator.create_schema("directory");
    migrator.dangerous_set_table_name(table);
    run(Set { migrator, table }, url, PATIENCE).await
}

/// Brings the region database at `url` up to date.
///
/// # Errors
/// As [`migrate_directory`].
pub async fn migrate_region(url: &str) -> Result<(), DbError> {
    run(Set { migrator: migrator(REGION), table: "_sqlx_migrations" }, url, PATIENCE).await
}

/// 16 hex digits that change whenever any migration does. Names of template databases carry it.
#[must_use]
pub fn migrations_fingerprint() -> String {
    let (directory, region) = (migrator(DIRECTORY), migrator(REGION));
    let checksums = directory.iter().chain(region.iter()).flat_map(|migration| migration.checksum.to_vec());
    let digest = checksums.fold(0xcbf2_9ce4_8422_2325_u64, fnv1a);
    format!("{digest:016x}")
}

const fn fnv1a(hash: u64, byte: u8) -> u64 {
    (hash ^ byte as u64).wrapping_mul(0x0100_0000_01b3)
}

fn migrator(sources: &[Source]) -> Migrator {
    let migration = |&(version, description, sql): &Source| {
        let no_tx = sql.starts_with(NO_TRANSACTION);
        Migration::new(version, description.into(), MigrationType::Simple, sql.into_sql_str(), no_tx)
    };
    Migrator::with_migrations(sources.iter().map(migration).collect())
}

/// A migration may read a large table for longer than any statement of ours may take.
async fn run(mut set: Set, url: &str, patience: Duration) -> Result<(), DbError> {
    let mut connection = base_options(url)?.connect().await.map_err(error)?;
    set.migrator.set_locking(false);
    take_turn(&mut connection).await?;
    set.apply_pending(&mut connection, patience).await?;
    // Closing gives the turn back.
    connection.close().await.map_err(error)
}

/// One process migrates a database at a time; the others wait for as long as it takes.
async fn take_turn(connection: &mut PgConnection) -> Result<(), DbError> {
    set_lock_timeout(connection, TURN).await?;
    loop {
        match connection.lock().await.map_err(migrate_error) {
            Err(DbError::Failed { code, .. }) if code == LOCK_NOT_AVAILABLE => {}
            taken => return taken,
        }
    }
}

impl Set {
    async fn apply_pending(&self, connection: &mut PgConnection, patience: Duration) -> Result<(), DbError> {
        // Up to none: makes the table.
        self.apply_up_to(connection, Some(0)).await?;
        let applied = connection.list_applied_migrations(self.table).await.map_err(migrate_error)?;
        let is_pending =
            |migration: &&Migration| applied.iter().all(|done| done.version != migration.version);
        for migration in self.migrator.iter().filter(is_pending) {
            if migration.no_tx {
                // It keeps no writer waiting, however long it waits itself.
                set_lock_timeout(connection, Duration::ZERO).await?;
                drop_leftovers(connection, migration).await?;
            } else {
                set_lock_timeout(connection, patience).await?;
            }
            self.apply_up_to(connection, Some(migration.version)).await?;
        }
        // Compares those that were applied earlier with what they are now.
        self.apply_up_to(connection, None).await
    }

    async fn apply_up_to(&self, connection: &mut PgConnection, version: Option<i64>) -> Result<(), DbError> {
        self.migrator.run_direct(version, connection, false).await.map_err(migrate_error)
    }
}

/// Zero is for ever.
async fn set_lock_timeout(connection: &mut PgConnection, timeout: Duration) -> Result<(), DbError> {
    let set = sqlx::query("select set_config('lock_timeout', $1, false)");
    set.bind(timeout.as_millis().to_string()).execute(connection).await.map_err(error)?;
    Ok(())
}

/// An index whose building was interrupted stays, is no good, and counts as existing.
async fn drop_leftovers(connection: &mut PgConnection, migration: &Migration) -> Result<(), DbError> {
    let invalid =
        "select i.indexrelid::regclass::text from pg_index i join pg_class c on c.oid = i.indexrelid
                   where not i.indisvalid and $1 ~ ('\\m' || c.relname || '\\M')";
    let leftovers = sqlx::query_scalar(invalid).bind(migration.sql.as_str().to_owned());
    let leftovers: Vec<String> = leftovers.fetch_all(&mut *connection).await.map_err(error)?;
    for index in leftovers {
        let drop = AssertSqlSafe(format!("drop index concurrently {index}"));
        connection.execute(drop).await.map_err(error)?;
    }
    Ok(())
}

fn migrate_error(failure: MigrateError) -> DbError {
    match failure {
        MigrateError::Execute(inner) => error(inner),
        MigrateError::ExecuteMigration(inner, version) => match error(inner) {
            DbError::Failed { code, .. } if code == LOCK_NOT_AVAILABLE => in_use(version, code),
            other => other,
        },
        other => DbError::Failed { code: String::new(), message: other.to_string() },
    }
}

fn in_use(version: i64, code: String) -> DbError {
    let message = format!(
        "migration {version} gave way to somebody who holds a lock on its table, such as a long query \
         or a backup: it changed nothing, try again"
    );
    DbError::Failed { code, message }
}

#[cfg(test)]
mod tests;

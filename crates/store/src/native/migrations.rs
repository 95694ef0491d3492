//! The two sets of migrations, compiled into the binary, so that an installed node or CLI
//! migrates without a source tree.
//!
//! To add a migration, write the file under `migrations/` and list it here.

use super::{DbError, connect_options, error};
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{ConnectOptions, Connection, SqlSafeStr};

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
];

/// Brings the directory database at `url` up to date. Its migrations table lives in the schema
/// `directory`, so that directory and region may share one database.
///
/// # Errors
/// [`DbError::Unavailable`] if nobody answers, [`DbError::Failed`] if a migration fails or an
/// applied one has been changed since.
pub async fn migrate_directory(url: &str) -> Result<(), DbError> {
    let mut migrator = migrator(DIRECTORY);
    migrator.create_schema("directory");
    migrator.dangerous_set_table_name("directory._sqlx_migrations");
    run(&migrator, url).await
}

/// Brings the region database at `url` up to date.
///
/// # Errors
/// As [`migrate_directory`].
pub async fn migrate_region(url: &str) -> Result<(), DbError> {
    run(&migrator(REGION), url).await
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
        Migration::new(version, description.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(sources.iter().map(migration).collect())
}

async fn run(migrator: &Migrator, url: &str) -> Result<(), DbError> {
    let mut connection = connect_options(url)?.connect().await.map_err(error)?;
    migrator.run_direct(None, &mut connection, false).await.map_err(migrate_error)?;
    connection.close().await.map_err(error)
}

fn migrate_error(failure: MigrateError) -> DbError {
    match failure {
        MigrateError::Execute(inner) | MigrateError::ExecuteMigration(inner, _) => error(inner),
        other => DbError::Failed { code: String::new(), message: other.to_string() },
    }
}

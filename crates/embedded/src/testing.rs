//! A fresh region for every test, on one pair of servers for each test process.
//!
//! The servers are private ones, or those named by `TALKIF_TEST_DATABASE_URL` (any database on
//! a server where databases may be created) and `TALKIF_TEST_REDIS_URL`, which a test runner
//! sets so that all test processes share them. Every database is cloned from one migrated
//! template, which costs a tenth of migrating anew.
//!
//! Failures here panic: without its servers no test can say anything.
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test's set-up has nobody to report to"
)]

use crate::system::random_hex;
use crate::{Durability, Postgres, Redis};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, PgPool};
use std::sync::Arc;
use talkif_store::Db;
use talkif_store::native::{PgDb, migrate_directory, migrate_region, migrations_fingerprint};
use tokio::sync::OnceCell;

/// An empty, migrated database (directory and region in one) and an empty Redis database.
/// Dropped with its content when the test ends.
pub struct TestRegion {
    /// Runs statements.
    pub db: Arc<dyn Db>,
    /// The pool behind `db`, for arranging and looking.
    pub pool: PgPool,
    /// The database's address.
    pub url: String,
    /// The Redis database's address.
    pub redis_url: String,
    maintenance_url: String,
    database: String,
}

/// A fresh region.
pub async fn region() -> TestRegion {
    static SERVERS: OnceCell<Servers> = OnceCell::const_new();
    let servers = SERVERS.get_or_init(Servers::start).await;
    let database = format!("talkif_test_{}", random_hex(8));
    let clone = format!("create database {database} template {}", servers.template);
    execute(&servers.postgres_url, &clone).await;
    let url = with_database(&servers.postgres_url, &database);
    let pool = PgPoolOptions::new().max_connections(12).connect(&url).await.expect("the clone answers");
    TestRegion {
        db: Arc::new(PgDb::new(pool.clone())),
        pool,
        url,
        redis_url: servers.fresh_redis_database().await,
        maintenance_url: servers.postgres_url.clone(),
        database,
    }
}

impl Drop for TestRegion {
    /// Dropping is asynchronous work in a synchronous place, so it gets a thread of its own.
    fn drop(&mut self) {
        let drop_database = format!("drop database if exists {} with (force)", self.database);
        let url = self.maintenance_url.clone();
        let work = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be built").block_on(execute(&url, &drop_database));
        };
        // A database that cannot be dropped goes with its server; it must not fail the test.
        let _ = std::thread::spawn(work).join();
    }
}

/// What all tests of this process share. The private servers end with the process.
struct Servers {
    postgres_url: String,
    redis_url: String,
    template: String,
    _private: (Option<Postgres>, Option<Redis>),
}

impl Servers {
    async fn start() -> Self {
        let (postgres_url, postgres) = postgres().await;
        let (redis_url, redis) = redis().await;
        let template = format!("talkif_template_{}", migrations_fingerprint());
        prepare_template(&postgres_url, &template).await;
        Self { postgres_url, redis_url, template, _private: (postgres, redis) }
    }

    /// Database 0 counts; the others are handed out in turn, emptied first.
    async fn fresh_redis_database(&self) -> String {
        let client = redis::Client::open(self.redis_url.as_str()).expect("a Redis address");
        let mut connection = client.get_multiplexed_async_connection().await.expect("Redis answers");
        let count: u32 = redis::cmd("INCR")
            .arg("talkif:test:databases")
            .query_async(&mut connection)
            .await
            .expect("a counter");
        let (_, databases): (String, u32) = redis::cmd("CONFIG")
            .arg("GET")
            .arg("databases")
            .query_async(&mut connection)
            .await
            .expect("a setting");
        let url =
            with_database(&self.redis_url, &(1 + count % databases.saturating_sub(1).max(1)).to_string());
        let client = redis::Client::open(url.as_str()).expect("a Redis address");
        let mut connection = client.get_multiplexed_async_connection().await.expect("Redis answers");
        redis::cmd("FLUSHDB").query_async::<()>(&mut connection).await.expect("an empty database");
        url
    }
}

async fn postgres() -> (String, Option<Postgres>) {
    if let Ok(url) = std::env::var("TALKIF_TEST_DATABASE_URL") {
        return (url, None);
    }
    let directory = std::env::temp_dir().join(format!("talkif-test-postgres-{}", random_hex(8)));
    let server = Postgres::start_with(&directory, Durability::Throwaway).await.expect("a private Postgres");
    (server.url("postgres"), Some(server))
}

async fn redis() -> (String, Option<Redis>) {
    if let Ok(url) = std::env::var("TALKIF_TEST_REDIS_URL") {
        return (url, None);
    }
    let directory = std::env::temp_dir().join(format!("talkif-test-redis-{}", random_hex(8)));
    let server = Redis::start_throwaway(&directory).await.expect("a private Redis");
    (server.url(), Some(server))
}

/// Makes the template once, even when several test processes want it at the same time: the
/// first one holds an advisory lock until it is ready.
async fn prepare_template(postgres_url: &str, template: &str) {
    let mut connection = PgConnection::connect(postgres_url).await.expect("Postgres answers");
    connection.execute("select pg_advisory_lock(7301)").await.expect("a lock");
    let exists: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
        .bind(template)
        .fetch_one(&mut connection)
        .await
        .expect("the catalogue");
    if !exists {
        // Built under another name: a template of this name is always complete.
        let unfinished = format!("talkif_unfinished_{}", random_hex(8));
        execute(postgres_url, &format!("create database {unfinished}")).await;
        let url = with_database(postgres_url, &unfinished);
        migrate_directory(&url).await.expect("the directory's migrations");
        migrate_region(&url).await.expect("the region's migrations");
        execute(postgres_url, &format!("alter database {unfinished} rename to {template}")).await;
    }
    connection.close().await.expect("the lock is released");
}

async fn execute(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.expect("Postgres answers");
    connection.execute(AssertSqlSafe(sql.to_owned())).await.expect("the statement runs");
    connection.close().await.expect("the connection closes");
}

/// `url` with its last path segment replaced.
fn with_database(url: &str, database: &str) -> String {
    let base = url.split('?').next().unwrap_or(url);
    let root = base.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    format!("{root}/{database}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_of_an_address_is_replaced() {
        assert_eq!(with_database("postgres://u:p@h:1/postgres?x=y", "t"), "postgres://u:p@h:1/t");
        assert_eq!(with_database("redis://:p@h:1", "7"), "redis://:p@h:1/7");
    }

    #[tokio::test]
    async fn every_test_gets_an_empty_region_of_its_own() {
        let (one, other) = (region().await, region().await);
        sqlx::query("insert into account_settings (account_id, name) values (gen_random_uuid(), 'x')")
            .execute(&one.pool)
            .await
            .unwrap();
        let count = "select count(*) from account_settings";
        assert_eq!(sqlx::query_scalar::<_, i64>(count).fetch_one(&one.pool).await.unwrap(), 1);
        assert_eq!(sqlx::query_scalar::<_, i64>(count).fetch_one(&other.pool).await.unwrap(), 0);
        assert_ne!(one.redis_url, other.redis_url);
    }

    #[tokio::test]
    async fn a_database_is_gone_when_its_test_ends() {
        let one = region().await;
        let (maintenance_url, database) = (one.maintenance_url.clone(), one.database.clone());
        drop(one);
        let mut connection = PgConnection::connect(&maintenance_url).await.unwrap();
        let exists: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
            .bind(database)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert!(!exists);
    }
}

#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use sqlx::PgPool;
use talkif_embedded::testing::{self, TestRegion};

const BUILD_INDEX: &str = "-- no-transaction\n-- Why.\ncreate unique index concurrently if not exists things_once on things (name);";

/// Migrations of a made-up table, next to the region's own.
fn set(sources: &[Source]) -> Set {
    let (mut migrator, table) = (migrator(sources), "made_up_migrations");
    migrator.dangerous_set_table_name(table);
    Set { migrator, table }
}

async fn region_with_things() -> TestRegion {
    let region = testing::region().await;
    sqlx::raw_sql("create table things (name text)").execute(&region.pool).await.unwrap();
    region
}

async fn yes(pool: &PgPool, question: &'static str) -> bool {
    sqlx::query_scalar(question).fetch_one(pool).await.unwrap()
}

const INDEX_IS_VALID: &str =
    "select exists (select from pg_index where indexrelid = to_regclass('things_once') and indisvalid)";

#[tokio::test]
async fn a_migration_may_take_as_long_as_it_needs_but_not_wait_for_a_lock_as_long() {
    let region = testing::region().await;
    let limits = "create table limits as
        select current_setting('statement_timeout') as statement, current_setting('lock_timeout') as lock";
    run(set(&[(1, "limits", limits)]), &region.url, PATIENCE).await.unwrap();
    assert!(yes(&region.pool, "select statement = '0' and lock = '10s' from limits").await);
}

#[tokio::test]
async fn a_migration_gives_way_to_whoever_holds_its_table_and_says_so() {
    let region = region_with_things().await;
    let mut reader = region.pool.begin().await.unwrap();
    sqlx::raw_sql("select from things").execute(&mut *reader).await.unwrap();
    let widen: &[Source] = &[(1, "widen", "alter table things add column size bigint")];
    let refused = run(set(widen), &region.url, Duration::from_millis(50)).await;
    let Err(DbError::Failed { message, .. }) = refused else { panic!("{refused:?}") };
    assert!(message.contains("try again"), "{message}");
    reader.rollback().await.unwrap();
    run(set(widen), &region.url, PATIENCE).await.unwrap();
    assert!(yes(&region.pool, "select count(size) = 0 from things").await);
}

#[tokio::test]
async fn an_index_is_built_without_a_transaction_by_one_of_several_processes() {
    let region = region_with_things().await;
    let sources: &[Source] =
        &[(1, "index", BUILD_INDEX), (2, "more", "alter table things add column size bigint")];
    let migrate = || run(set(sources), &region.url, PATIENCE);
    let (one, other, third) = tokio::join!(migrate(), migrate(), migrate());
    assert!(one.is_ok() && other.is_ok() && third.is_ok(), "{one:?} {other:?} {third:?}");
    assert!(yes(&region.pool, INDEX_IS_VALID).await);
}

#[tokio::test]
async fn an_index_whose_building_broke_off_is_built_anew() {
    let region = region_with_things().await;
    sqlx::raw_sql("insert into things values ('twice'), ('twice')").execute(&region.pool).await.unwrap();
    let sources: &[Source] = &[(1, "index", BUILD_INDEX)];
    run(set(sources), &region.url, PATIENCE).await.unwrap_err();
    assert!(yes(&region.pool, "select to_regclass('things_once') is not null").await, "the broken one");
    sqlx::raw_sql("truncate things").execute(&region.pool).await.unwrap();
    run(set(sources), &region.url, PATIENCE).await.unwrap();
    assert!(yes(&region.pool, INDEX_IS_VALID).await);
}

#[tokio::test]
async fn whoever_comes_second_waits_for_the_first_however_long_it_takes() {
    let region = region_with_things().await;
    let mut first = PgConnection::connect(&region.url).await.unwrap();
    first.lock().await.unwrap();
    let sources: &[Source] = &[(1, "widen", "alter table things add column size bigint")];
    let second = run(set(sources), &region.url, Duration::from_millis(10));
    tokio::pin!(second);
    let early = tokio::time::timeout(TURN * 3, &mut second).await;
    assert!(early.is_err(), "{early:?}");
    first.close().await.unwrap();
    second.await.unwrap();
}

#[tokio::test]
async fn a_migration_that_was_changed_after_it_was_applied_is_refused() {
    let region = region_with_things().await;
    run(set(&[(1, "one", "select 1")]), &region.url, PATIENCE).await.unwrap();
    let changed = run(set(&[(1, "one", "select 2")]), &region.url, PATIENCE).await;
    assert!(matches!(changed, Err(DbError::Failed { .. })), "{changed:?}");
}

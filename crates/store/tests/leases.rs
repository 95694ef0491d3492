//! Leases when the database lets everybody wait.
#![allow(clippy::unwrap_used, reason = "tests")]

use sqlx::{PgConnection, PgPool, Row};
use std::time::Duration;
use talkif_embedded::testing;
use talkif_store::{janitor, nodes};

const CALL: &str = "00000000-0000-7000-8000-000000000001";
const LEASED: &str = "
insert into calls (id, account_id, direction, from_number, to_number, trace_id, status, lease_owner, lease_token, lease_until)
values ('00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-000000000002', 'outbound',
        '+12025550100', '+12025550101', 'x', 'initiated', 'n', 1, now())";

async fn run(connection: &mut PgConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(connection).await.unwrap();
}

/// Waits until a statement of this database waits for a lock.
async fn until_somebody_waits(pool: &PgPool) {
    let sql = "select count(*) as n from pg_stat_activity
               where datname = current_database() and wait_event_type = 'Lock'";
    while sqlx::query(sql).fetch_one(pool).await.unwrap().get::<i64, _>("n") == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn the_janitors_question_is_answered_only_where_leases_could_be_written_and_committed() {
    let region = testing::region().await;
    let mut asker = region.pool.acquire().await.unwrap();
    run(&mut asker, "set lock_timeout = '100ms'; set plan_cache_mode = force_generic_plan").await;
    run(&mut asker, "begin").await;
    sqlx::query(janitor::ANSWER.sql).fetch_one(&mut *asker).await.unwrap();
    let wrote = sqlx::query("select pg_current_xact_id_if_assigned() is not null as wrote");
    assert!(
        wrote.fetch_one(&mut *asker).await.unwrap().get::<bool, _>("wrote"),
        "its commit waits for the disk"
    );
    run(&mut asker, "commit").await;

    let mut locker = region.pool.acquire().await.unwrap();
    run(&mut locker, "begin; lock table calls in share row exclusive mode").await;
    // The asker has prepared the statement before: a plan that is kept must wait as well.
    let refused = sqlx::query(janitor::ANSWER.sql).fetch_one(&mut *asker).await.unwrap_err();
    assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "55P03");
    run(&mut locker, "rollback").await;
    sqlx::query(janitor::ANSWER.sql).fetch_one(&mut *asker).await.unwrap();
}

#[tokio::test]
async fn a_renewal_that_had_to_wait_counts_from_when_it_got_through() {
    let region = testing::region().await;
    let mut locker = region.pool.acquire().await.unwrap();
    run(&mut locker, LEASED).await;
    run(&mut locker, "begin; select from calls for update").await;
    let pool = region.pool.clone();
    let renewal = tokio::spawn(async move {
        let query = sqlx::query(nodes::RENEW.sql).bind(15_000_i64).bind(vec![CALL]).bind(vec!["1"]);
        query.fetch_all(&pool).await.unwrap().len()
    });
    until_somebody_waits(&region.pool).await;
    run(&mut locker, "create temporary table waited as select clock_timestamp() as at").await;
    run(&mut locker, "commit").await;
    assert_eq!(renewal.await.unwrap(), 1);
    let held = "select lease_until >= at + interval '15 s' as held from calls, waited";
    assert!(sqlx::query(held).fetch_one(&mut *locker).await.unwrap().get::<bool, _>("held"));
}

//! The totals of an account's calls are those of its calls, whatever happened to them.
#![allow(clippy::unwrap_used, reason = "tests")]

use sqlx::{AssertSqlSafe, PgPool, Row};
use talkif_embedded::testing;
use talkif_store::janitor;

const MINE: &str = "00000000-0000-7000-8000-000000000001";
const THEIRS: &str = "00000000-0000-7000-8000-000000000002";

async fn run(pool: &PgPool, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(pool).await.unwrap();
}

fn added(account: &str, from: u32, to: u32) -> String {
    format!(
        "insert into calls (id, account_id, direction, from_number, to_number, trace_id)
         select ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, '{account}',
                'outbound', '+12025550100', '+12025550101', 'x' from generate_series({from}, {to}) n"
    )
}

fn ended(status: &str, which: &str) -> String {
    format!("update calls set status = '{status}', end_reason = 'canceled', ended_at = now() where {which}")
}

/// Where the total of a status, or of all, is not the number of its calls.
async fn wrong(pool: &PgPool) -> Vec<String> {
    let sql = "
        select a::text || ' ' || coalesce(s, 'all') || ': ' || calls_total(a, s) || ' for ' || n as wrong
        from unnest(array[$1::text::uuid, $2::text::uuid]) a,
             unnest(array['queued', 'initiated', 'ringing', 'in_progress', 'completed', 'failed', 'no_answer',
                          'busy', 'canceled', null]) s,
             lateral (select count(*) n from calls where account_id = a and (s is null or status = s)) counted
        where calls_total(a, s) <> n";

    let rows = sqlx::query(sql).bind(MINE).bind(THEIRS).fetch_all(pool).await.unwrap();
    rows.iter().map(|row| row.get("wrong")).collect()
}

async fn tally(pool: &PgPool) -> i64 {
    sqlx::query(janitor::TALLY.sql).fetch_one(pool).await.unwrap().get("changes")
}

#[tokio::test]
async fn totals_are_those_of_the_calls() {
    let region = testing::region().await;
    let steps = [
        added(MINE, 1, 60),
        added(THEIRS, 61, 90),
        "update calls set status = 'initiated' where id in (select id from calls order by id limit 20)"
            .into(),
        ended("busy", "status = 'initiated' and right(id::text, 1) = '1'"),
        "update calls set status = 'in_progress' where status = 'initiated'".into(),
        ended("completed", "status = 'in_progress' and right(id::text, 1) in ('2', '3')"),
        ended("failed", "right(id::text, 1) = '2'"),
        "update calls set slots = '{\"a\": 1}'".into(),
        "delete from calls where right(id::text, 1) in ('3', '4')".into(),
    ];
    for step in &steps {
        run(&region.pool, step).await;
        assert_eq!(wrong(&region.pool).await, Vec::<String>::new(), "{step}");
    }
    let undone = format!("begin; {}; rollback", added(MINE, 91, 99));
    run(&region.pool, &undone).await;
    assert!(tally(&region.pool).await > 10);
    assert_eq!(tally(&region.pool).await, 0);
    assert_eq!(wrong(&region.pool).await, Vec::<String>::new());
}

#[tokio::test]
async fn calls_from_before_are_tallied_by_the_migration() {
    const FILL: &str = include_str!("../../../migrations/region/0007_call_tallies_filled.sql");
    let region = testing::region().await;
    run(&region.pool, "alter table calls disable trigger user").await;
    run(&region.pool, &added(MINE, 1, 50)).await;
    run(&region.pool, &ended("completed", "right(id::text, 1) = '1'")).await;
    run(&region.pool, "alter table calls enable trigger user").await;
    // Between the migration with the triggers and the one that fills.
    run(&region.pool, &added(THEIRS, 51, 60)).await;
    run(&region.pool, &ended("busy", "right(id::text, 1) = '2'")).await;
    assert_ne!(wrong(&region.pool).await, Vec::<String>::new());
    for _ in 0..2 {
        run(&region.pool, FILL).await;
        assert_eq!(wrong(&region.pool).await, Vec::<String>::new());
        tally(&region.pool).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_end_while_janitors_add_up_are_counted_once() {
    let region = testing::region().await;
    run(&region.pool, &added(MINE, 1, 400)).await;
    let enders = (0..4).map(|ender| {
        let pool = region.pool.clone();
        tokio::spawn(async move {
            for n in (ender..400).step_by(4) {
                run(&pool, &ended("completed", &format!("right(id::text, 12)::int = {}", n + 1))).await;
            }
        })
    });
    let janitors = (0..3).map(|_| {
        let pool = region.pool.clone();
        tokio::spawn(async move {
            for _ in 0..60 {
                tally(&pool).await;
            }
        })
    });
    for task in enders.chain(janitors).collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!(wrong(&region.pool).await, Vec::<String>::new());
}

//! What every node asks every few seconds must not read whole tables, however large they grow.
#![allow(clippy::unwrap_used, reason = "tests")]

use sqlx::{AssertSqlSafe, PgConnection, Row};
use talkif_embedded::testing;
use talkif_store::{Statement, calls_read, deliveries, dialing, janitor, journal, nodes};

const ACCOUNT: &str = "00000000-0000-7000-8000-000000000001";
const CALL: &str = "00000000-0000-7000-8000-000000050000";

/// A busy region: a hundred thousand calls, half of them waiting until tomorrow, as many
/// deliveries, nearly all delivered, and as many kept answers.
const BUSY: &str = "
insert into account_settings (account_id, name)
    select ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'a' from generate_series(1, 100) n;
insert into calls (id, account_id, direction, from_number, to_number, trace_id, status, end_reason, ended_at, dialed_at, not_before)
    select ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid,
           ('00000000-0000-7000-8000-' || lpad((n % 100 + 1)::text, 12, '0'))::uuid,
           'outbound', '+12025550100', '+1202' || lpad(n::text, 7, '0'), 'x',
           case when n % 2 = 0 then 'completed' else 'queued' end,
           case when n % 2 = 0 then 'agent_completed' end, case when n % 2 = 0 then now() end,
           case when n % 2 = 0 then now() - interval '2 days' end, now() + interval '1 day'
    from generate_series(1, 100000) n;
insert into events (account_id, call_id, type, seq)
    select account_id, id, 'call.node', 1 from calls;
insert into recordings (call_id, account_id, path, bytes, duration_ms, expires_at)
    select id, account_id, id::text, 1, 1, now() + interval '30 days' from calls where status = 'completed';
insert into webhook_endpoints (id, account_id, url, secret)
    select account_id, account_id, 'https://example.com/', 's' from account_settings;
insert into webhook_deliveries (id, account_id, endpoint_id, event_id, event_type, call_id, payload, state, finished_at)
    select id, account_id, account_id, id, 'call.started', id, '{}',
           case when status = 'completed' then 'delivered' else 'pending' end,
           case when status = 'completed' then now() end
    from calls where substr(id::text, 36) in ('1', '2', '4', '6', '8');
insert into idempotency_keys (account_id, key, route, body_sha256, status, response)
    select account_id, id::text, 'r', '', 202, '' from calls;
analyze;";

/// The plan of a statement with these parameters, chosen without looking at them.
async fn plan(connection: &mut PgConnection, statement: &Statement, parameters: &str) -> String {
    let run = async |connection: &mut PgConnection, sql: String| {
        sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(connection).await.unwrap()
    };
    run(&mut *connection, format!("prepare hot as {}", statement.sql)).await;
    let call = if parameters.is_empty() { String::new() } else { format!("({parameters})") };
    let rows = run(&mut *connection, format!("explain execute hot{call}")).await;
    run(&mut *connection, "deallocate hot".to_owned()).await;
    rows.iter().map(|row| row.get::<String, _>(0)).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn what_is_asked_every_few_seconds_reads_no_large_table_from_end_to_end() {
    let region = testing::region().await;
    let mut connection = region.pool.acquire().await.unwrap();
    sqlx::raw_sql(BUSY).execute(&mut *connection).await.unwrap();
    sqlx::raw_sql("set plan_cache_mode = force_generic_plan").execute(&mut *connection).await.unwrap();
    let fenced = format!("'{ACCOUNT}', '{CALL}', 1");
    let rows = format!("array['{ACCOUNT}'], array['{CALL}'], array['1']");
    let table = [
        (&dialing::TAKE, "'o', 15000, 64".to_owned()),
        (&dialing::TAKE_ONE, format!("'o', 15000, '{CALL}'")),
        (&dialing::FACTS, format!("'{ACCOUNT}', '{CALL}'")),
        (&dialing::CLAIM, format!("{fenced}, 15000, 'r', '{{}}'")),
        (&nodes::RENEW, format!("15000, array['{CALL}'], array['1']")),
        (&journal::CONTEXT, format!("'{ACCOUNT}', '{CALL}'")),
        (&journal::RECORD, format!("{fenced}, '[]', '[]', '[]', '{{}}'")),
        (&journal::FINISH, format!("{fenced}, '{{}}'")),
        (&deliveries::CLAIM, "'o', 45000, 64, 8".to_owned()),
        (&deliveries::DELIVERED, format!("'o', {rows}, array['200'], array['s'], array['1'], array['2']")),
        (
            &deliveries::FAILED,
            format!("'o', {rows}, array['500'], array['e'], array['5000'], array['false']"),
        ),
        (&janitor::ANSWER, String::new()),
        (&janitor::REQUEUE, "5000, '{}', 1".to_owned()),
        (&janitor::TAKE_ORPHANS, "5000, '{}', 1, 'o', 15000".to_owned()),
        (&janitor::TAKE_STUCK, "5000, 'o', 15000".to_owned()),
        (&janitor::EXPIRED_RECORDINGS, String::new()),
        (&janitor::UNKNOWN_RECORDINGS, "array['a']".to_owned()),
        (&janitor::GIVE_UP_DISABLED, String::new()),
        (&janitor::FORGET, String::new()),
        (&calls_read::LIST, format!("'{ACCOUNT}', 20, 0")),
        (&calls_read::LIST_BY_STATUS, format!("'{ACCOUNT}', 20, 0, 'failed'")),
    ];
    let large = ["calls", "events", "recordings", "webhook_deliveries", "idempotency_keys"];
    let mut slow = Vec::new();
    for (statement, parameters) in table {
        let plan = plan(&mut connection, statement, &parameters).await;
        let whole = large.iter().any(|table| plan.contains(&format!("Seq Scan on {table} ")));
        if whole {
            slow.push(format!("{}:\n{plan}", statement.name));
        }
    }
    assert!(slow.is_empty(), "{}", slow.join("\n\n"));
}

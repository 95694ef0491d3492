//! Webhook deliveries a second: rows in, signed requests out, by one node.

use super::accounts;
use super::table::{Figure, Mark};
use crate::stack::Stack;
use anyhow::{Context as _, Result, bail};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use sqlx::PgPool;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Customers, each with one endpoint.
const ENDPOINTS: usize = 50;
const WITHIN: Duration = Duration::from_secs(120);

/// Deliveries of calls that never were: the courier looks at nothing but its table.
const FILL: &str = "
insert into webhook_deliveries (id, account_id, endpoint_id, event_id, event_type, payload)
select gen_random_uuid(), e.account_id, e.id, gen_random_uuid(), 'call.completed',
       '{\"event\":\"call.completed\",\"call_id\":\"call_bench\",\"status\":\"completed\",\"outcome\":\"booked\"}'
from webhook_endpoints e cross join generate_series(1, $1::bigint)
where e.url = $2::text and (not $3::boolean or e.id = (select min(id::text)::uuid from webhook_endpoints where url = $2::text))";

pub(crate) async fn run(stack: &Stack, seconds: usize) -> Result<Vec<Figure>> {
    let arrived = Arc::new(AtomicUsize::new(0));
    let url = receive(arrived.clone()).await?;
    accounts::create_with_webhook(stack, ENDPOINTS, Some(&url)).await?;
    let pool = PgPool::connect(&stack.database_url).await?;
    deliver(&pool, &url, &arrived, 10, false).await?;
    let each = 40 * seconds;
    let took = deliver(&pool, &url, &arrived, each, false).await?;
    let rate = (each * ENDPOINTS) as f64 / took.as_secs_f64();
    let of_one = 400 * seconds;
    let took = deliver(&pool, &url, &arrived, of_one, true).await?;
    Ok(vec![
        Figure::new("webhooks", "deliveries a second, 50 endpoints", rate, "/s").mark(Mark::AtLeast(2_000.0)),
        Figure::new(
            "webhooks",
            "deliveries a second, one endpoint",
            of_one as f64 / took.as_secs_f64(),
            "/s",
        ),
        Figure::new("webhooks", "deliveries measured", (each * ENDPOINTS + of_one) as f64, ""),
    ])
}

/// Writes `each` deliveries for every endpoint, or only for one, and waits until all are marked as delivered.
async fn deliver(
    pool: &PgPool,
    url: &str,
    arrived: &AtomicUsize,
    each: usize,
    one: bool,
) -> Result<Duration> {
    let all = if one { each } else { each * ENDPOINTS };
    let before = arrived.load(Ordering::Relaxed);
    sqlx::query(FILL)
        .bind(i64::try_from(each)?)
        .bind(url)
        .bind(one)
        .execute(pool)
        .await
        .context("filling the table")?;
    let begun = Instant::now();
    let pending = "select count(*) from webhook_deliveries where state = 'pending'";
    while sqlx::query_scalar::<_, i64>(pending).fetch_one(pool).await? > 0 {
        if begun.elapsed() > WITHIN {
            bail!("the deliveries did not end within {} s", WITHIN.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let took = begun.elapsed();
    let seen = arrived.load(Ordering::Relaxed) - before;
    if seen < all {
        bail!("only {seen} of {all} deliveries arrived");
    }
    Ok(took)
}

/// A receiver that takes everything at once.
async fn receive(arrived: Arc<AtomicUsize>) -> Result<String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/webhooks", listener.local_addr()?);
    let take = move || {
        arrived.fetch_add(1, Ordering::Relaxed);
        std::future::ready(StatusCode::NO_CONTENT)
    };
    let router = Router::new().route("/webhooks", post(take));
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            eprintln!("talkif: the receiver stopped: {error}");
        }
    });
    Ok(url)
}

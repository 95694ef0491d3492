//! What a customer feels when the tables grow: the same requests over 10³ to 10⁶ leads.

use super::accounts;
use super::client::request;
use super::load::{self, Source};
use super::plot::{Curve, Plot};
use super::table::{Figure, Mark};
use crate::stack::Stack;
use anyhow::{Context as _, Result, bail};
use sqlx::{PgPool, Row as _};
use std::sync::Arc;
use talkif_store::janitor;

/// Finished leads, each with contact, consent and call, spread over the accounts and the last 90
/// days.
const FILL: &str = "
with numbered as (
    select n, gen_random_uuid() as lead_id, gen_random_uuid() as call_id,
           (select array_agg(id order by id) from directory.accounts) as accounts,
           now() - (n % 7776000) * interval '1 second' - interval '2 days' as at
    from generate_series($1::bigint, $2::bigint) n
), items as (
    select n, lead_id, call_id, accounts[1 + n % array_length(accounts, 1)] as account_id, at,
           '+90533' || lpad((n % 10000000)::text, 7, '0') as phone
    from numbered
), new_leads as (
    insert into leads (id, account_id, source, phone, flow_id, flow_version, from_number, call_within_s, state, outcome,
                       created_at, finished_at)
    select lead_id, account_id, 'web_form', phone, 'flow_pricing_v3', 1, '+442079460000', 60, 'reached', 'booked', at, at
    from items
), new_contacts as (
    insert into contacts (id, account_id, phone) select gen_random_uuid(), account_id, phone from items
    on conflict do nothing
), new_consents as (
    insert into consents (id, account_id, phone, granted, source, at)
    select gen_random_uuid(), account_id, phone, true, 'web_form', at from items
)
insert into calls (id, account_id, lead_id, direction, flow_id, flow_version, from_number, to_number, status,
                   end_reason, outcome, trace_id, created_at, dialed_at, answered_at, ended_at)
select call_id, account_id, lead_id, 'outbound', 'flow_pricing_v3', 1, '+442079460000', phone, 'completed',
       'agent_completed', 'booked', 'bench', at, at, at, at
from items";

const ACCOUNTS: usize = 20;
/// Requests for each point of a curve.
const REQUESTS: usize = 300;

/// Medians and 95th percentiles over the sizes `10^3 … 10^max_power`.
pub(crate) async fn run(stack: &Stack, max_power: u32) -> Result<(Vec<Figure>, String)> {
    let keys = accounts::create(stack, ACCOUNTS).await?;
    let pool = PgPool::connect(&stack.database_url).await?;
    let address = stack.api_url.trim_start_matches("http://").to_owned();
    let mut curves = [
        Curve::named("POST /v1/leads, p50"),
        Curve::named("GET /v1/calls, p50"),
        Curve::named("POST /v1/leads, p95"),
        Curve::named("GET /v1/calls, p95"),
    ];
    let mut rows = 0_i64;
    for power in 3..=max_power {
        let size = 10_i64.pow(power);
        eprintln!("  {size} leads …");
        sqlx::query(FILL).bind(rows + 1).bind(size).execute(&pool).await.context("filling the tables")?;
        // No node is up whose janitor would.
        while sqlx::query(janitor::TALLY.sql).fetch_one(&pool).await?.get::<i64, _>("changes") > 0 {}
        sqlx::query("analyze").execute(&pool).await?;
        rows = size;
        let posts = accounts::leads(keys.clone(), (power as usize) * 100_000);
        for (curve, source, status) in [(0, posts, 202), (1, lists(&keys), 200)] {
            let measured = load::closed(&address, 4, REQUESTS, &source).await?;
            if measured.other_than(status) > 0 {
                bail!("not always answered with {status}: {:?}", measured.statuses);
            }
            curves[curve].points.push((size as f64, measured.quantile(0.5)));
            curves[curve + 2].points.push((size as f64, measured.quantile(0.95)));
        }
    }
    let figures = curves.iter().flat_map(figures_of).collect();
    let plot = Plot { title: "Latency over finished leads", x: "leads", y: "ms", curves: curves.into() };
    Ok((figures, plot.svg()))
}

fn figures_of(curve: &Curve) -> Vec<Figure> {
    let mut figures: Vec<Figure> = curve
        .points
        .iter()
        .map(|(size, ms)| Figure::new("growth", format!("{} over {size} leads", curve.name), *ms, "ms"))
        .collect();
    if let (Some((_, first)), Some(last)) = (curve.points.first(), figures.pop()) {
        // A thousand times the rows may not cost twice the time.
        figures.push(last.beside(*first).mark(Mark::TimesRival(2.0)));
    }
    figures
}

fn lists(keys: &[String]) -> Source {
    let texts: Vec<Vec<u8>> = keys
        .iter()
        .map(|key| request("GET", "/v1/calls?limit=20", &[("authorization", &format!("Bearer {key}"))], ""))
        .collect();
    Arc::new(move |index| texts[index % texts.len()].clone())
}

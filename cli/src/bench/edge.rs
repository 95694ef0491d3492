//! `POST /v1/leads`: through the component host, beside the same router served natively.

use super::accounts;
use super::load::{self, Measured};
use super::rival::Rival;
use super::table::{Figure, Mark};
use crate::stack::Stack;
use anyhow::{Result, bail};
use std::time::Duration;

const SECTION: &str = "leads";
/// Enough that no account comes near its rate limit.
const ACCOUNTS: usize = 100;
const CONNECTIONS: usize = 16;

pub(crate) async fn run(stack: &Stack, rival: &Rival, seconds: usize) -> Result<Vec<Figure>> {
    let keys = accounts::create(stack, ACCOUNTS).await?;
    let ours = stack.api_url.trim_start_matches("http://").to_owned();
    let sides = [ours.as_str(), rival.address.as_str()];
    let mut first = 0;
    let mut source = |count: usize| {
        first += count;
        accounts::leads(keys.clone(), first - count)
    };
    let (mut paced, mut fastest) = (Vec::new(), Vec::new());
    for address in sides {
        checked(load::closed(address, CONNECTIONS, 400, &source(400)).await?)?;
    }
    for address in sides {
        let count = 100 * seconds;
        let run = load::open(address, CONNECTIONS, count, Duration::from_millis(10), &source(count)).await?;
        paced.push(checked(run)?);
    }
    for address in sides {
        let count = 400 * seconds;
        fastest.push(checked(load::closed(address, CONNECTIONS, count, &source(count)).await?)?);
    }
    let at = |q: f64| (paced[0].quantile(q), paced[1].quantile(q));
    let (p50, p95, p99) = (at(0.5), at(0.95), at(0.99));
    Ok(vec![
        Figure::new(SECTION, "p50 at 100 requests/s", p50.0, "ms").beside(p50.1).mark(Mark::TimesRival(1.5)),
        Figure::new(SECTION, "p95 at 100 requests/s", p95.0, "ms").beside(p95.1).mark(Mark::AtMost(41.0)),
        Figure::new(SECTION, "p99 at 100 requests/s", p99.0, "ms").beside(p99.1),
        Figure::new(SECTION, "leads a second, 16 connections", fastest[0].rate(), "/s")
            .beside(fastest[1].rate()),
        Figure::new(SECTION, "p95 at that rate", fastest[0].quantile(0.95), "ms")
            .beside(fastest[1].quantile(0.95)),
    ])
}

/// Every lead must have been accepted: a refusal is fast, and would flatter.
fn checked(measured: Measured) -> Result<Measured> {
    if measured.other_than(202) > 0 {
        bail!("not every lead was accepted: {:?}", measured.statuses);
    }
    Ok(measured)
}

//! Two kinds of load: at a fixed rate, where a slow answer delays nobody else's start, and as
//! fast as a number of connections can.

use super::client::Connection;
use anyhow::Result;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// The next request to send; asked once for each.
pub(crate) type Source = Arc<dyn Fn(usize) -> Vec<u8> + Send + Sync>;

/// What a run of requests took.
#[derive(Debug, Clone, Default)]
pub(crate) struct Measured {
    /// Milliseconds, sorted.
    pub(crate) latencies: Vec<f64>,
    /// How often each status came.
    pub(crate) statuses: BTreeMap<u16, usize>,
    /// Seconds from the first start to the last end.
    pub(crate) seconds: f64,
}

impl Measured {
    /// The latency that the share `q` of all requests did not exceed, milliseconds.
    pub(crate) fn quantile(&self, q: f64) -> f64 {
        quantile(&self.latencies, q)
    }

    /// Answers a second.
    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.seconds
    }

    /// Requests that were not answered with `status`.
    pub(crate) fn other_than(&self, status: u16) -> usize {
        self.statuses.iter().filter(|(seen, _)| **seen != status).map(|(_, count)| count).sum()
    }
}

/// The value at the share `q` of sorted `values`; 0 where there are none.
pub(crate) fn quantile(values: &[f64], q: f64) -> f64 {
    let last = values.len().saturating_sub(1);
    values.get((last as f64 * q).round() as usize).copied().unwrap_or_default()
}

/// `count` requests over `connections`, the next one as soon as one is answered.
pub(crate) async fn closed(
    address: &str,
    connections: usize,
    count: usize,
    source: &Source,
) -> Result<Measured> {
    run(address, connections, count, source, |_, _| None).await
}

/// `count` requests, one every `period`. A latency counts from when the request was due.
pub(crate) async fn open(
    address: &str,
    connections: usize,
    count: usize,
    period: Duration,
    source: &Source,
) -> Result<Measured> {
    let due =
        move |begun: Instant, index: usize| Some(begun + period * u32::try_from(index).unwrap_or(u32::MAX));
    run(address, connections, count, source, due).await
}

async fn run(
    address: &str,
    connections: usize,
    count: usize,
    source: &Source,
    due: impl Fn(Instant, usize) -> Option<Instant> + Copy + Send + 'static,
) -> Result<Measured> {
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let mut workers = Vec::new();
    for _ in 0..connections {
        let (next, source) = (next.clone(), source.clone());
        let mut connection = Connection::open(address).await?;
        workers.push(tokio::spawn(async move {
            let mut seen = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    return Ok::<_, anyhow::Error>(seen);
                }
                let request = source(index);
                let start = due(begun, index);
                if let Some(start) = start {
                    sleep_until(start).await;
                }
                let start = start.unwrap_or_else(Instant::now);
                let status = connection.send(&request).await?;
                seen.push((start.elapsed().as_secs_f64() * 1e3, status));
            }
        }));
    }
    let mut measured = Measured::default();
    for worker in workers {
        for (latency, status) in worker.await?? {
            measured.latencies.push(latency);
            *measured.statuses.entry(status).or_default() += 1;
        }
    }
    measured.seconds = begun.elapsed().as_secs_f64();
    measured.latencies.sort_by(f64::total_cmp);
    Ok(measured)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_seen() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(quantile(&values, 0.5), 51.0);
        assert_eq!(quantile(&values, 0.95), 95.0);
        assert_eq!(quantile(&values, 1.0), 100.0);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }
}

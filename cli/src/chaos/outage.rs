//! An act of its own, in which nothing else is wrong. With calls under way the disk is full for
//! moments, so that recordings end and calls do not. Then Postgres refuses connections for longer
//! than a lease: calls go on and are written down later, and whoever posts a lead is told to come
//! again.

use super::cast::{self, Wave};
use super::collect;
use super::facts::Outage;
use super::plan::Part;
use super::process;
use super::run::Run;
use anyhow::Result;
use jiff::Timestamp;
use std::time::{Duration, Instant};

/// Until half of the phones that are called are on the line.
const ON_THE_LINE_WITHIN: Duration = Duration::from_secs(60);

/// Long enough for every recording to reach the limit.
const DISK_FULL: Duration = Duration::from_secs(6);

/// How much of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    /// Calls that should be under way when Postgres goes.
    pub(super) talking: usize,
    /// Leads posted while it is away.
    pub(super) knocking: usize,
    /// How long it is away.
    pub(super) away_ms: u64,
}

impl Run {
    /// `numbers` are those of the calls under way, then those of the leads posted in vain.
    pub(super) async fn outage(&mut self, seed: u64, size: Size, numbers: &[String]) -> Result<()> {
        let (talking, knocking) = numbers.split_at(size.talking);
        let early = cast::cast(seed, Wave::Talking, talking, 1_000);
        let late = cast::cast(seed, Wave::Knocking, knocking, size.away_ms / 2);
        self.prepare(&early).await?;
        self.prepare(&late).await?;
        let first = self.post(&early);
        self.until_on_the_line(talking).await?;
        self.world.fill_disks(true)?;
        tokio::time::sleep(DISK_FULL).await;
        self.world.fill_disks(false)?;
        let gone_us = Timestamp::now().as_microsecond();
        process::signal(&self.world.pids(Part::Postgres)?, "KILL")?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let second = self.post(&late);
        tokio::time::sleep(Duration::from_millis(size.away_ms)).await;
        let back_us = Timestamp::now().as_microsecond();
        self.world.restart(Part::Postgres).await?;
        self.outage = Outage { gone_us, back_us };
        self.answered(first).await;
        self.answered(second).await;
        self.quiet(true).await
    }

    async fn until_on_the_line(&self, numbers: &[String]) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < ON_THE_LINE_WITHIN {
            let rings = collect::rings(&self.lab).await?;
            let talks = rings.iter().filter(|ring| !ring.is_over() && ring.answered_us.is_some());
            if talks.filter(|ring| numbers.contains(&ring.number)).count() * 2 >= numbers.len() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }
}

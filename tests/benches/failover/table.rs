//! What comes out of it: a table, and the same as JSON.

use std::{process::Command, time::Duration};

use anyhow::{Context, Result};
use lvs_tests::{
    failover::Outcome,
    lab::{keepalived_version, program},
};
use serde::Serialize;

use crate::{contender::Contender, machine::Machine};

/// One event of one contender, over all runs.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    contender: String,
    event: String,
    /// The longest time without an answer of each run, from the shortest to the longest.
    gaps_ms: Vec<f64>,
    /// The longest that a request waited which was answered in the end.
    longest_wait_ms: f64,
    requests: usize,
    requests_failed: usize,
    connections: usize,
    connections_broken: usize,
    /// In how many runs two answered for the VIP at once.
    two_owners: usize,
}

/// All of it, and where it was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Results {
    kernel: String,
    processor: String,
    lvsd: String,
    keepalived: String,
    rate: u32,
    rate_wanted: u32,
    rows: Vec<Row>,
}

impl Row {
    pub(crate) fn new(contender: Contender, event: String, outcomes: &[Outcome]) -> Self {
        let sum = |of: fn(&Outcome) -> usize| outcomes.iter().map(of).sum();
        let ms = |gap: Duration| (gap.as_secs_f64() * 10_000.0).round() / 10.0;
        let mut gaps_ms: Vec<_> = outcomes.iter().map(|it| ms(it.longest_gap)).collect();
        gaps_ms.sort_unstable_by(f64::total_cmp);
        Self {
            contender: contender.to_string(),
            event,
            gaps_ms,
            longest_wait_ms: ms(outcomes
                .iter()
                .map(|it| it.longest_wait)
                .max()
                .unwrap_or_default()),
            requests: sum(|it| it.requests),
            requests_failed: sum(|it| it.failed.len()),
            connections: sum(|it| it.connections),
            connections_broken: sum(|it| it.broken.len()),
            two_owners: sum(|it| it.two_owners.is_some().into()),
        }
    }

    /// The shortest gap, the one in the middle, and the longest.
    fn spread(&self) -> [f64; 3] {
        let at = |at: usize| self.gaps_ms.get(at).copied().unwrap_or_default();
        let count = self.gaps_ms.len();
        [at(0), at(count / 2), at(count.saturating_sub(1))]
    }
}

impl Results {
    pub(crate) fn new(rate_wanted: u32, rate: u32, rows: Vec<Row>) -> Result<Self> {
        let Machine { kernel, processor, .. } = Machine::look()?;
        let version = Command::new(program("lvsd")?).arg("--version").output()?;
        let version = String::from_utf8(version.stdout)?;
        Ok(Self {
            kernel,
            processor,
            lvsd: version.split_whitespace().last().context("lvsd tells no version")?.to_owned(),
            keepalived: keepalived_version()?,
            rate,
            rate_wanted,
            rows,
        })
    }

    #[expect(clippy::print_stdout, reason = "the results are for who has asked for them")]
    pub(crate) fn print(&self) {
        let Self { kernel, processor, lvsd, keepalived, rate, rate_wanted, rows } = self;
        println!("Linux {kernel} on {processor}, lvsd {lvsd}, keepalived {keepalived}");
        println!("an advertisement each 100 ms; {rate} requests a second");
        if rate < rate_wanted {
            println!("(not {rate_wanted}: so many can't be measured here, of one or the other)");
        }
        println!();
        println!(
            "{:<18} {:<12} {:>4} {:>27} {:>7} {:>13} {:>12} {:>7}",
            "", "", "", "gap: min median max", "wait", "requests", "connections", "two"
        );
        println!(
            "{:<18} {:<12} {:>4} {:>27} {:>7} {:>13} {:>12} {:>7}",
            "", "event", "runs", "", "", "failed", "broken", "owners"
        );
        for row in rows {
            let [min, median, max] = row.spread();
            println!(
                "{:<18} {:<12} {:>4} {:>27} {:>7.0} {:>13} {:>12} {:>7}",
                row.contender,
                row.event,
                row.gaps_ms.len(),
                format!("{min:>8.0}{median:>8.0}{max:>8.0}"),
                row.longest_wait_ms,
                format!("{} / {}", row.requests_failed, row.requests),
                format!("{} / {}", row.connections_broken, row.connections),
                format!("{} / {}", row.two_owners, row.gaps_ms.len()),
            );
        }
    }
}

//! What comes out of it.

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::{
    traffic::Traffic,
    window::{Plan, Window},
};
use crate::machine::Machine;

/// The contender that does nothing but send frames back.
pub(crate) const SWAP: &str = "swap";

/// One contender with one kind of packets, over all windows.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) traffic: Traffic,
    pub(crate) contender: &'static str,
    /// Packets a second of each window, in their order.
    pub(crate) rates: Vec<f64>,
    sent: u64,
    came_back: u64,
    /// What the contender itself has counted, if it does.
    forwarded: Option<u64>,
    /// How many times as fast as the one it is compared with in the same round: the median.
    pub(crate) ratio: f64,
    /// What that should be at least.
    pub(crate) goal: Option<f64>,
    /// By how much a packet takes longer than with [`SWAP`] in the same round, in nanoseconds: the median.
    pub(crate) beyond_swap_ns: f64,
}

/// All of it, and where it was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Results {
    pub(crate) benchmark: &'static str,
    pub(crate) machine: Machine,
    /// The CPU on which all packets were.
    pub(crate) cpu: usize,
    pub(crate) window_ms: u128,
    pub(crate) batch: u32,
    pub(crate) compared_with: &'static str,
    pub(crate) rows: Vec<Row>,
}

impl Row {
    pub(crate) const fn new(traffic: Traffic, contender: &'static str) -> Self {
        Self {
            traffic,
            contender,
            rates: vec![],
            sent: 0,
            came_back: 0,
            forwarded: None,
            ratio: 1.0,
            goal: None,
            beyond_swap_ns: 0.0,
        }
    }

    /// Takes in one more window.
    pub(crate) fn add(&mut self, window: Window, forwarded: Option<u64>) {
        self.rates.push(window.rate);
        self.sent += window.sent;
        self.came_back += window.came_back;
        if let Some(forwarded) = forwarded {
            *self.forwarded.get_or_insert_default() += forwarded;
        }
    }

    pub(crate) fn lost(&self) -> u64 {
        self.sent.saturating_sub(self.came_back)
    }

    pub(crate) fn is_met(&self) -> Option<bool> {
        self.goal.map(|goal| self.ratio >= goal)
    }
}

impl Results {
    /// Each row is compared with that of another contender with the same traffic. A goal is what a
    /// contender should come to with some traffic.
    pub(crate) fn new(
        (benchmark, compared_with): (&'static str, &'static str),
        plan: Plan,
        mut rows: Vec<Row>,
        goals: &[(Traffic, &str, f64)],
    ) -> Result<Self> {
        let all: Vec<_> =
            rows.iter().map(|row| (row.traffic, row.contender, row.rates.clone())).collect();
        let rates_of = |traffic, contender| {
            let found = all.iter().find(|it| (it.0, it.1) == (traffic, contender));
            found.map(|it| &it.2).with_context(|| format!("no row of {contender}"))
        };
        for row in &mut rows {
            let pairs = |others| row.rates.iter().zip::<&Vec<f64>>(others);
            let ratios = pairs(rates_of(row.traffic, compared_with)?).map(|(rate, of)| rate / of);
            let beyond =
                pairs(rates_of(row.traffic, SWAP)?).map(|(rate, of)| 1e9 / rate - 1e9 / of);
            (row.ratio, row.beyond_swap_ns) = (median(ratios), median(beyond));
            let is_of = |it: &&(Traffic, &str, f64)| (it.0, it.1) == (row.traffic, row.contender);
            row.goal = goals.iter().find(is_of).map(|it| it.2);
        }
        Ok(Self {
            benchmark,
            machine: Machine::look()?,
            cpu: plan.cpu,
            window_ms: plan.length.as_millis(),
            batch: plan.batch,
            compared_with,
            rows,
        })
    }

    pub(crate) fn are_goals_met(&self) -> bool {
        self.rows.iter().all(|row| row.is_met() != Some(false))
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let [_, median, _] = spread(values);
    median
}

/// The lowest, the one in the middle, and the highest.
pub(crate) fn spread(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    let at = |at: usize| values.get(at).copied().unwrap_or_default();
    [at(0), at(values.len() / 2), at(values.len().saturating_sub(1))]
}

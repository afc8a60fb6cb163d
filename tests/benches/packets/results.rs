//! What comes out of it.

use anyhow::Result;
use serde::Serialize;

use crate::{cases::Group, goal::Goal, machine::Machine, measure::Samples};

/// All of it, and where it was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    pub(crate) rounds: usize,
    pub(crate) rows: Vec<Row>,
}

/// A case.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) flows: Option<u64>,
    pub(crate) median_ns: f64,
    pub(crate) min_ns: f64,
    pub(crate) max_ns: f64,
    /// What it is compared with.
    pub(crate) beside: Option<String>,
    /// How many times as long it takes as that one just before: the median.
    pub(crate) ratio: Option<f64>,
    pub(crate) goal: Option<Goal>,
    pub(crate) is_met: Option<bool>,
}

impl Results {
    pub(crate) fn new(groups: &[Group], samples: &[Vec<Samples>], rounds: usize) -> Result<Self> {
        let rows = groups.iter().zip(samples).flat_map(|(group, samples)| {
            group.cases.iter().zip(samples).map(|(case, samples)| {
                let ratios = samples.ns.iter().zip(&samples.beside).map(|(ns, beside)| ns / beside);
                let ratios = sorted(ratios);
                let ns = sorted(samples.ns.iter().copied());
                let ratio = case.beside.as_ref().map(|_| median(&ratios));
                Row {
                    name: case.name,
                    flows: case.flows,
                    median_ns: median(&ns),
                    min_ns: ns.first().copied().unwrap_or_default(),
                    max_ns: ns.last().copied().unwrap_or_default(),
                    beside: case.beside.as_ref().map(|beside| beside.name.clone()),
                    ratio,
                    goal: case.goal,
                    is_met: case.goal.map(|goal| goal.is_met(median(&ns), ratio)),
                }
            })
        });
        Ok(Self { machine: Machine::look()?, rounds, rows: rows.collect() })
    }

    /// How many goals there are, and how many of them are met.
    pub(crate) fn goals(&self) -> (usize, usize) {
        let goals = || self.rows.iter().filter_map(|row| row.is_met);
        (goals().count(), goals().filter(|is_met| *is_met).count())
    }
}

fn sorted(numbers: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut numbers: Vec<_> = numbers.collect();
    numbers.sort_unstable_by(f64::total_cmp);
    numbers
}

fn median(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

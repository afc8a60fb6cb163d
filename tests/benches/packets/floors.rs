//! What a packet costs at least: programs that do less than any load balancer has to.

use std::fmt;

use anyhow::{Result, ensure};

use crate::{
    bench::{Bench, Run, action},
    plan::Plan,
    stream::{Stream, flags},
    table::with_commas,
};

/// A program to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Floor {
    /// Returns `XDP_PASS`; what a test run costs by itself.
    Pass,
    /// The same, with packets made anew: what that costs.
    PassPrepared,
    /// Returns `XDP_TX`.
    Tx,
    /// Swaps the MACs.
    Swap,
    /// F: one look-up among so many flows, and both MACs.
    Lookup(u64),
    /// I: the same, but each flow is new, and takes the place of another.
    Insertion,
}

impl fmt::Display for Floor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass => write!(f, "XDP_PASS"),
            Self::PassPrepared => write!(f, "XDP_PASS, made anew"),
            Self::Tx => write!(f, "XDP_TX"),
            Self::Swap => write!(f, "swap MACs"),
            Self::Lookup(flows) => write!(f, "F({})", with_commas(*flows)),
            Self::Insertion => write!(f, "I"),
        }
    }
}

/// Tables of the kernel's for F: small ones are faster, so each number of flows has one that fits.
pub(crate) const SMALL: u32 = 65_536;
const LARGE: u32 = 2_097_152;
/// The table that is full.
const FULL: u32 = 1_048_576;
/// The most flows in the small one.
pub(crate) const MOST_IN_SMALL: u64 = 32_768;
const MOST: u64 = 524_288;

/// All of them.
pub(crate) struct Floors {
    empty: Bench,
    small: Bench,
    large: Bench,
    full: Bench,
    stream: Stream,
    /// The next flow that `full` has not seen.
    next: u64,
}

impl Floors {
    /// Loads them, and fills their tables.
    pub(crate) fn load() -> Result<Self> {
        let mut floors = Self {
            empty: Bench::load(1)?,
            small: Bench::load(SMALL)?,
            large: Bench::load(LARGE)?,
            full: Bench::load(FULL)?,
            stream: Stream::tcp(80),
            next: 0,
        };
        for (bench, flows) in [(&mut floors.small, MOST_IN_SMALL), (&mut floors.large, MOST)] {
            let plan = floors.stream.known(flows, flags::ACK);
            bench.aim_at("floor_insert")?;
            show(bench, plan, &floors.stream.frame, flows as u32)?;
            bench.aim_at("floor")?;
        }
        floors.empty.aim_at("pass")?;
        floors.full.aim_at("floor_insert")?;
        floors.run(Floor::Insertion, 2 * FULL)?;
        Ok(floors)
    }

    /// Nanoseconds for one of so many packets.
    pub(crate) fn run(&mut self, floor: Floor, packets: u32) -> Result<f64> {
        let frame = &self.stream.frame;
        let alone = |bench: &mut Bench, name, action| {
            let run = bench.run(name, frame, packets)?;
            ensure!(run.action == action, "{name} returned {}", run.action);
            Ok(run.ns)
        };
        match floor {
            Floor::Pass => alone(&mut self.empty, "pass", action::PASS),
            Floor::PassPrepared => {
                let plan = self.stream.known(MOST, flags::ACK);
                let Run { ns, action } = self.empty.show([plan, plan], frame, packets)?;
                ensure!(action == action::PASS, "pass returned {action}");
                Ok(ns)
            }
            Floor::Tx => alone(&mut self.empty, "tx", action::TX),
            Floor::Swap => alone(&mut self.empty, "swap", action::TX),
            Floor::Lookup(flows) => {
                let bench = if flows <= MOST_IN_SMALL { &mut self.small } else { &mut self.large };
                show(bench, self.stream.shuffled(flows, flags::ACK), frame, packets)
            }
            Floor::Insertion => {
                let plan = self.stream.new_ones(self.next, flags::ACK);
                self.next += u64::from(packets);
                show(&mut self.full, plan, frame, packets)
            }
        }
    }
}

/// Shows it packets, all of which it must have sent.
fn show(bench: &mut Bench, plan: Plan, frame: &[u8], packets: u32) -> Result<f64> {
    let before = bench.sent()?;
    let Run { ns, action } = bench.show([plan, plan], frame, packets)?;
    let sent = bench.sent()? - before;
    ensure!(action == action::TX && sent == u64::from(packets), "{sent} of {packets} were sent");
    Ok(ns)
}

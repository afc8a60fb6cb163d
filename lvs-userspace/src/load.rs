//! How busy the real servers say they are, and what follows for their weights.
//!
//! Each real server runs an agent that answers a connection with a line of text, as HAProxy's agent
//! checks do, so that agents which exist already work too; ours is `lvs-realserver`.

mod ask;
mod loads;
mod poller;
mod report;

use std::{fmt, time::Duration};

pub use ask::ask;
pub use loads::{Due, Loads, News};
pub use poller::{Asked, Poller};
pub use report::{Report, ReportError};

/// Shares of a weight are multiples of this many percent, so that the schedulers' tables stay small
/// and do not change with every breath of a machine.
pub const GRAIN: u16 = 5;

/// How reports are asked for, and how they become weights: the `[load]` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// TCP port of the agents.
    pub port: u16,
    /// From one report to the next.
    pub interval: Duration,
    /// So long a report may take.
    pub timeout: Duration,
    /// How much the latest report counts against those before, in percent.
    pub smoothing: u16,
    /// The smallest share of its weight that a report leaves to a real server, in percent.
    pub floor: u16,
    /// The largest.
    pub ceiling: u16,
    /// So much the share changes at a time, at most, in percent of the weight.
    pub step: u16,
    /// Smaller differences than this change nothing.
    pub hysteresis: u16,
    /// After so long without a report, the configured weight holds again.
    pub stale: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            port: 2357,
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(1),
            smoothing: 50,
            floor: 10,
            ceiling: 100,
            step: 25,
            hysteresis: 5,
            stale: Duration::from_secs(30),
        }
    }
}

/// What an operator of a real server wants of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admin {
    /// That it serves.
    #[default]
    Ready,
    /// That it gets no new connections.
    Drain,
    /// That it is out of service.
    Maintenance,
}

impl fmt::Display for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ready => "ready",
            Self::Drain => "drain",
            Self::Maintenance => "maintenance",
        })
    }
}

/// What follows from the reports of a real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The share of its weight that it gets, in percent.
    pub share: u16,
    /// What its operator wants.
    pub admin: Admin,
    /// Whether it says itself that it is down.
    pub is_down: bool,
}

impl Default for Standing {
    fn default() -> Self {
        Self { share: 100, admin: Admin::Ready, is_down: false }
    }
}

//! What the driver tells of itself, at any time, to who asks.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use crate::failover::{Interval, Refusal, machine::State};

/// What it is, and has counted.
#[derive(Clone, Debug)]
pub struct Report {
    /// Its state.
    pub state: State,
    /// Since when.
    pub since: Instant,
    /// The priority in force.
    pub priority: u8,
    /// Whether its operator has given the role away.
    pub has_resigned: bool,
    /// What is wrong with it.
    pub wrong: Vec<String>,
    /// Those that were heard, and those that are to be.
    pub peers: BTreeMap<IpAddr, Peer>,
    /// How it reaches them.
    pub ways: Vec<Way>,
    /// Advertisements, one for each way.
    pub sent: u64,
    /// Advertisements that were believed.
    pub received: u64,
    /// Those that were not, by why.
    pub refused: BTreeMap<Refusal, u64>,
    /// Advertisements that came late.
    pub late: u64,
    /// How often another was master at the same time.
    pub splits: u64,
    /// How often this director has become master.
    pub takeovers: u64,
    /// Gratuitous ARPs and neighbour advertisements.
    pub announcements: u64,
}

impl Report {
    pub(super) fn new(state: State, since: Instant) -> Self {
        Self {
            state,
            since,
            priority: 0,
            has_resigned: false,
            wrong: Vec::new(),
            peers: BTreeMap::new(),
            ways: Vec::new(),
            sent: 0,
            received: 0,
            refused: BTreeMap::new(),
            late: 0,
            splits: 0,
            takeovers: 0,
            announcements: 0,
        }
    }
}

/// Another director.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Its last advertisement, and when it came; a backup sends none.
    pub last: Option<(Heard, Instant)>,
    /// How many have come.
    pub adverts: u64,
    /// Index of the interface that it is heard on; 0 if the routes say where it is.
    pub link: u32,
    /// Whether it names other addresses than this one answers for.
    pub has_other_vips: bool,
}

/// What an advertisement said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The sender's priority.
    pub priority: u8,
    /// When the next is to come.
    pub interval: Interval,
}

impl Peer {
    /// How long ago its last advertisement came.
    #[must_use]
    pub fn age(&self, now: Instant) -> Option<Duration> {
        self.last.map(|(_, at)| now.duration_since(at))
    }
}

/// A way to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The address, or the interface with the address family.
    pub name: String,
    /// Advertisements that went out.
    pub sent: u64,
    /// Why the last did not.
    pub error: Option<String>,
}

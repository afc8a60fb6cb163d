//! What may change what is wanted, and what has changed for whom.

use std::{fmt, net::IpAddr};

use crate::{
    dataplane::Neighbour,
    health::{Health, Target},
    load::Standing,
    model::ServiceId,
};

/// Something that may change what is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A real server is now there on the network, or (`None`) nobody knows where.
    Neighbour(IpAddr, Option<Neighbour>),
    /// The checks of a real server say this of it, for this reason.
    Health(Target, Health, String),
    /// They are answered in so many microseconds.
    Latency(Target, u64),
    /// This follows from the load reports of a real server, for this reason.
    Load(IpAddr, Standing, String),
}

/// What a real server is to its service, or a service to its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nobody knows yet: it gets no connections.
    Checking,
    /// It serves.
    Up,
    /// Its operator wants that it gets no new connections.
    Drained,
    /// Its operator has taken it out of service.
    Maintenance,
    /// It fails.
    Down,
    /// The service has enough real servers.
    Quorum,
    /// It has too few.
    NoQuorum,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Checking => "checking",
            Self::Up => "up",
            Self::Drained => "drained",
            Self::Maintenance => "maintenance",
            Self::Down => "down",
            Self::Quorum => "quorum",
            Self::NoQuorum => "no quorum",
        })
    }
}

/// The state of a real server, or of a service, has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The virtual service.
    pub service: ServiceId,
    /// Which of its real servers; `None` for the service itself.
    pub real_server: Option<IpAddr>,
    /// What it was.
    pub from: State,
    /// What it is.
    pub to: State,
    /// Why.
    pub reason: String,
}

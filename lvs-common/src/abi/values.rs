//! What fields of the maps hold: flags, and the values of what has few.

/// Bits of [`Settings::tells`](super::Settings::tells).
pub mod tells {
    /// The keys of connections that were established, or are in another state, and of clients that
    /// stay, go into `CHANGES`.
    pub const CHANGES: u32 = 1;
    /// The keys of connections that have begun go into `BEGINNINGS`.
    pub const BEGINNINGS: u32 = 2;
}

/// Values of [`RealServer::state`](super::RealServer::state).
pub mod real_server_state {
    /// No real server has this index: connections that name it go to another. What stands here is of
    /// the last that had it, for packets that were on their way when it went.
    pub const VACANT: u32 = 0;
    /// It serves, and its MAC is known.
    pub const READY: u32 = 1;
    /// Its MAC is not known, so nothing can be sent to it.
    pub const NEIGHBOUR_UNKNOWN: u32 = 2;
    /// It is down, and its connections go to another.
    pub const DOWN: u32 = 3;
}

/// Values of [`RealServer::health`](super::RealServer::health).
pub mod real_server_health {
    /// Nobody knows yet.
    pub const CHECKING: u8 = 0;
    /// It answers, or nobody asks.
    pub const UP: u8 = 1;
    /// It does not answer.
    pub const DOWN: u8 = 2;
}

/// Bits of [`RealServer::reports`](super::RealServer::reports).
pub mod real_server_reports {
    /// Its operator wants that it gets no new connections.
    pub const DRAIN: u8 = 1;
    /// Its operator wants that it is out of service.
    pub const MAINTENANCE: u8 = 2;
    /// It is down.
    pub const DOWN: u8 = 4;
}

/// [`RealServer::vlan`](super::RealServer::vlan): its frames keep the tags that they came with.
pub const SAME_VLAN: u32 = u32::MAX;

/// Values of [`Service::scheduler`](super::Service::scheduler).
pub mod scheduler {
    /// The next of the slots, in turn (rr, wrr, fastest).
    pub const TURNS: u32 = 0;
    /// The slot of the client's address (sh, mh).
    pub const SOURCE: u32 = 1;
    /// The slot of the virtual address (dh).
    pub const DESTINATION: u32 = 2;
    /// Of all slots the one with the fewest connections (lc).
    pub const LEAST: u32 = 3;
    /// Of all slots the one with the fewest connections for its weight (wlc).
    pub const WEIGHTED_LEAST: u32 = 4;
    /// Of all slots the one with the shortest expected delay (sed).
    pub const SHORTEST_DELAY: u32 = 5;
    /// One that is idle, else as [`SHORTEST_DELAY`] (nq).
    pub const NEVER_QUEUE: u32 = 6;
}

/// Bits of [`Service::flags`](super::Service::flags).
pub mod service_flags {
    /// Every datagram is scheduled for itself, and no connection remembered.
    pub const ONE_PACKET: u16 = 1;
    /// It has too few real servers. For the next lvsd; the program does not care.
    pub const NO_QUORUM: u16 = 2;
    /// No connection of it is remembered: each packet goes where the hash of an address says.
    pub const STATELESS: u16 = 4;
}

/// Bits of [`ServiceCopy::place`](super::ServiceCopy::place).
pub mod service_place {
    /// There is a copy.
    pub const IS_COPY: u32 = 1;
    /// `SERVICES` has no other service of this place.
    pub const NO_OTHER: u32 = 2;
}

//! How what is wanted gets into the maps, and how the counters get out.
//!
//! [`Placement`] gives every service and real server its place in the maps, [`plan()`] compares
//! with what the maps hold and orders the writes, and a [`Dataplane`] carries them out.
//! [`sweep`](mod@sweep) keeps the connection tables true.

pub mod bpf;
mod clock;
mod lease;
mod placement;
mod plan;
mod preflight;
mod question;
mod shared;
mod slots;
pub mod store;
pub mod sweep;
mod sync;

use std::{collections::BTreeMap, io, net::IpAddr};

use lvs_common::{abi::Traffic, fate::Fate};

pub use clock::Clock;
pub use lease::Lease;
pub use placement::{Placement, PlacementError, Remembered, Restored, RestoredServer, restored};
pub use plan::{Limits, MapWrite, Tables, plan};
pub use preflight::{PreflightError, check_bpffs, preflight};
pub use question::{Flag, Question, QuestionError};
pub use sync::{OutOfSync, SyncError, Synchroniser};

use crate::{
    config::{LostConnections, Persistence},
    model::{MacAddr, Scheduler, ServiceId, Weight},
};

/// A virtual service as the maps should have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Protocol, address and port.
    pub id: ServiceId,
    /// How new connections are shared out.
    pub scheduler: Scheduler,
    /// Whether and how clients stay with their real server.
    pub persistence: Option<Persistence>,
    /// Whether every datagram is scheduled for itself.
    pub one_packet: bool,
    /// Whether no connection is remembered, and a hash says where each packet goes.
    pub stateless: bool,
    /// What becomes of the connections of a real server that is down or removed.
    pub lost_connections: LostConnections,
    /// Who takes new connections when no real server does.
    pub sorry_server: Option<RealServer>,
    /// Whether it has enough real servers.
    pub has_quorum: bool,
    /// Its real servers.
    pub real_servers: Vec<RealServer>,
}

/// A real server as the maps should have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RealServer {
    /// Real IP address.
    pub address: IpAddr,
    /// Weight in force.
    pub weight: Weight,
    /// With so many connections it gets no new ones; 0 for no limit.
    pub upper_threshold: u32,
    /// With fewer than so many it gets new ones again.
    pub lower_threshold: u32,
    /// How long its checks take, in microseconds, smoothed; `None` if nobody knows.
    pub latency_us: Option<u64>,
    /// Where its frames go, if that is known.
    pub neighbour: Option<Neighbour>,
    /// Whether it is out of service: its connections are lost ones.
    pub is_down: bool,
    /// What the next lvsd must know of it.
    pub remembered: Remembered,
}

/// Where a real server is on the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Its MAC.
    pub mac: MacAddr,
    /// Interface that frames to it leave by.
    pub interface: u32,
    /// The director's MAC there.
    pub source_mac: MacAddr,
    /// VLAN of the frames: an id, 0 for no tag, `None` for the tags that a frame came with.
    pub vlan: Option<u16>,
}

/// What went through a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceTraffic {
    /// All of it, since its place was given to it.
    pub all: Traffic,
    /// Of it, what went to each real server that it has, by index, since the place was given to it.
    pub real_servers: BTreeMap<u32, Traffic>,
}

/// The maps in use.
pub trait Dataplane {
    /// Carries out one write.
    ///
    /// # Errors
    /// What the kernel said.
    fn write(&mut self, write: &MapWrite) -> io::Result<()>;

    /// What the maps hold; of the real servers, what stands at these places.
    ///
    /// # Errors
    /// What the kernel said.
    fn read(&self, real_servers: &mut dyn Iterator<Item = u32>) -> io::Result<Tables>;

    /// What went through a service.
    ///
    /// # Errors
    /// What the kernel said.
    fn service_traffic(&self, id: u32) -> io::Result<ServiceTraffic>;

    /// How many packets met a fate.
    ///
    /// # Errors
    /// What the kernel said.
    fn fate(&self, fate: Fate) -> io::Result<u64>;

    /// How many SYNs were forwarded and not recorded, because more began than there is room for among the
    /// half-open connections.
    ///
    /// # Errors
    /// What the kernel said.
    fn unrecorded(&self) -> io::Result<u64>;
}

//! How what is wanted gets into the maps, and how the counters get out.
//!
//! [`Placement`] gives every service and real server its place in the maps, [`plan()`] compares with
//! what the maps hold and orders the writes, and a [`Dataplane`] carries them out.

pub mod bpf;
mod placement;
mod plan;
mod preflight;
mod turns;

use std::{io, net::IpAddr};

use lvs_common::{
    abi::{Connection, FlowKey, Traffic},
    fate::Fate,
};

pub use placement::{Placement, PlacementError};
pub use plan::{MapWrite, Tables, plan};
pub use preflight::{PreflightError, preflight};

use crate::model::{MacAddr, Scheduler, ServiceId, Weight};

/// A virtual service as the maps should have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Protocol, address and port.
    pub id: ServiceId,
    /// How new connections are shared out.
    pub scheduler: Scheduler,
    /// Its real servers.
    pub real_servers: Vec<RealServer>,
}

/// A real server as the maps should have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealServer {
    /// Real IP address.
    pub address: IpAddr,
    /// Weight in force.
    pub weight: Weight,
    /// Where its frames go, if that is known.
    pub neighbour: Option<Neighbour>,
}

/// Where a real server is on the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Its MAC.
    pub mac: MacAddr,
    /// Interface that it is reached by.
    pub interface: u32,
    /// The director's MAC there.
    pub source_mac: MacAddr,
}

/// The maps in use.
pub trait Dataplane {
    /// Carries out one write.
    ///
    /// # Errors
    /// What the kernel said.
    fn write(&mut self, write: &MapWrite) -> io::Result<()>;

    /// What went through a service, since its place was given to it.
    ///
    /// # Errors
    /// What the kernel said.
    fn service_traffic(&self, id: u32) -> io::Result<Traffic>;

    /// What went to a real server, since its place was given to it.
    ///
    /// # Errors
    /// What the kernel said.
    fn real_server_traffic(&self, index: u32) -> io::Result<Traffic>;

    /// How many packets met a fate.
    ///
    /// # Errors
    /// What the kernel said.
    fn fate(&self, fate: Fate) -> io::Result<u64>;

    /// Shows each connection to `visit`.
    ///
    /// # Errors
    /// What the kernel said.
    fn connections(&self, visit: &mut dyn FnMut(FlowKey, Connection)) -> io::Result<()>;
}

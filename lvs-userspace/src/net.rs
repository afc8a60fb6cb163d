//! Where the real servers are: the kernel's links, routes and neighbours.

mod neighbours;
pub mod netlink;

pub use neighbours::{Action, NeighbourState, Neighbours, TICK};

use crate::model::MacAddr;

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its MAC.
    pub mac: MacAddr,
    /// If it is a VLAN of another: the index of that, and the VLAN's id.
    pub vlan_of: Option<(u32, u16)>,
}

//! The network around the director: the kernel's links, routes, neighbours and settings, the groups
//! that IPv6 VIPs need, ways to VIPs for checks, and sockets for packets of one's own making.

mod neighbours;
pub mod netlink;
mod packet_socket;
pub mod settings;
mod solicited;
pub mod vip_routes;

pub use neighbours::{Action, NeighbourState, Neighbours, TICK};
pub use packet_socket::{PacketSender, PacketSocket};
pub use solicited::{SolicitedNodes, solicited_node};
pub use vip_routes::VipRoutes;

use nix::net::if_::if_indextoname;

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

/// The name of the interface with this index, if there is one.
#[must_use]
pub fn interface_name(index: u32) -> Option<String> {
    if_indextoname(index).ok()?.into_string().ok()
}

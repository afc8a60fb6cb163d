//! The keys and values of the BPF maps.

use bytemuck::{Pod, Zeroable};

/// The IP protocol number of TCP.
pub const TCP: u8 = 6;
/// The IP protocol number of UDP.
pub const UDP: u8 = 17;

/// Names a virtual service: what a client sends to.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
pub struct ServiceKey {
    /// Virtual IP address.
    pub vip: [u8; 4],
    /// Port, network order.
    pub port: [u8; 2],
    /// IP protocol number: [`TCP`] or [`UDP`].
    pub protocol: u8,
    /// Zero.
    pub reserved: u8,
}

/// A virtual service. It is replaced whole, so that no packet sees half of a change.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Service {
    /// Index into `SERVICE_TRAFFIC` and `TURNS`.
    pub id: u32,
    /// Where its turns start in `SLOTS`.
    pub first_slot: u32,
    /// How many turns it has; none means that no real server can take a connection.
    pub n_slots: u32,
    /// Zero.
    pub reserved: u32,
}

/// One real server of one virtual service.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct RealServer {
    /// Where its frames go: the MAC of the real server.
    pub mac: [u8; 6],
    /// Where they come from: the MAC of the director on that interface.
    pub source_mac: [u8; 6],
    /// Interface that it is reached by.
    pub interface: u32,
    /// One of [`real_server_state`].
    pub state: u32,
    /// Id of its virtual service.
    pub service: u32,
    /// Weight in force, for who reads a dump; the scheduler's turns already hold it.
    pub weight: u32,
    /// Real IP address, for who reads a dump; IPv4 as `::ffff:a.b.c.d`.
    pub address: [u8; 16],
}

/// Values of [`RealServer::state`].
pub mod real_server_state {
    /// No real server has this index.
    pub const VACANT: u32 = 0;
    /// It serves, and its MAC is known.
    pub const READY: u32 = 1;
    /// Its MAC is not known, so nothing can be sent to it.
    pub const NEIGHBOUR_UNKNOWN: u32 = 2;
}

/// Names a connection, as its client's packets show it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
pub struct FlowKey {
    /// Client's IP address.
    pub client: [u8; 4],
    /// Virtual IP address.
    pub vip: [u8; 4],
    /// Client's port, network order.
    pub client_port: [u8; 2],
    /// Port of the virtual service, network order.
    pub port: [u8; 2],
    /// IP protocol number: [`TCP`] or [`UDP`].
    pub protocol: u8,
    /// Zero.
    pub reserved: [u8; 3],
}

impl FlowKey {
    /// The virtual service that the flow is for.
    #[must_use]
    pub fn service(&self) -> ServiceKey {
        ServiceKey { vip: self.vip, port: self.port, protocol: self.protocol, reserved: 0 }
    }
}

/// What is remembered of a connection.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Connection {
    /// Index of the real server that holds it.
    pub real_server: u32,
    /// One of [`connection_state`].
    pub state: u32,
}

/// Values of [`Connection::state`].
pub mod connection_state {
    /// TCP in use.
    pub const OPEN: u32 = 1;
    /// TCP whose client has sent FIN or RST.
    pub const CLOSING: u32 = 2;
    /// UDP, which has no end.
    pub const DATAGRAMS: u32 = 3;
}

/// An address that the program answers ARP for.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Vip {
    /// How many virtual services have it.
    pub services: u32,
}

/// An interface that the program is attached to.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Interface {
    /// Its MAC.
    pub mac: [u8; 6],
    /// Zero.
    pub reserved: [u8; 2],
}

/// What went through a service or to a real server.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Traffic {
    /// Connections begun.
    pub connections: u64,
    /// Packets from clients.
    pub packets: u64,
    /// Bytes from clients, counted as IPVS does: the IP packet without its link-layer header.
    pub bytes: u64,
}

impl core::ops::AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        self.connections = self.connections.wrapping_add(other.connections);
        self.packets = self.packets.wrapping_add(other.packets);
        self.bytes = self.bytes.wrapping_add(other.bytes);
    }
}

const _: () = {
    assert!(size_of::<ServiceKey>() == 8);
    assert!(size_of::<Service>() == 16);
    assert!(size_of::<RealServer>() == 44);
    assert!(size_of::<FlowKey>() == 16);
    assert!(size_of::<Connection>() == 8);
    assert!(size_of::<Interface>() == 8);
    assert!(size_of::<Traffic>() == 24);
};

//! From the bytes of a frame to what the forwarding decision needs.

pub mod arp;
pub mod ethernet;
pub mod ipv4;
pub mod transport;

use crate::{abi::FlowKey, fate::Fate, frame::Frame};
use transport::Segment;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet {
    /// TCP or UDP that might be for a virtual service.
    Flow(FlowPacket),
    /// An ARP request.
    ArpRequest(arp::Request),
}

/// A packet of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowPacket {
    /// Names the flow.
    pub flow: FlowKey,
    /// What the transport header says.
    pub segment: Segment,
    /// Length of the IP packet in bytes, as its header says.
    pub bytes: u32,
}

/// Reads the headers of a frame.
///
/// # Errors
/// The [`Fate`] of a frame that can't be for a virtual service.
#[inline(always)]
pub fn parse<F: Frame + ?Sized>(frame: &F) -> Result<Packet, Fate> {
    match ethernet::ethertype(frame)? {
        ethernet::IPV4 => parse_ipv4(frame),
        ethernet::ARP => arp::parse(frame, ethernet::HEADER).map(Packet::ArpRequest),
        _ => Err(Fate::PassedOtherEthertype),
    }
}

#[inline(always)]
fn parse_ipv4<F: Frame + ?Sized>(frame: &F) -> Result<Packet, Fate> {
    let ip = ipv4::parse(frame, ethernet::HEADER)?;
    let (segment, ports) = transport::parse(frame, ip.payload, ip.protocol)?;
    let flow = FlowKey {
        client: ip.source,
        vip: ip.destination,
        client_port: ports.source,
        port: ports.destination,
        protocol: ip.protocol,
        reserved: [0; 3],
    };
    Ok(Packet::Flow(FlowPacket { flow, segment, bytes: u32::from(ip.total_length) }))
}

//! From the bytes of a frame to what the forwarding decision needs.

pub mod arp;
pub mod ethernet;
pub mod icmp;
pub mod ipv4;
pub mod transport;

use crate::{abi, fate::Fate, flow::Flow, frame::Frame};
use transport::Segment;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet {
    /// IPv4.
    V4(IpPacket<[u8; 4]>),
    /// An ARP request.
    ArpRequest(arp::Request),
}

/// What an IP packet is to the director.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpPacket<A> {
    /// TCP or UDP that might be for a virtual service.
    Flow(FlowPacket<A>),
    /// A fragment without the header that names its flow.
    LaterFragment(LaterFragment<A>),
    /// An ICMP error about a packet that a real server sent to a client.
    Error(ErrorAbout<A>),
    /// An echo request.
    Echo(icmp::Echo<A>),
}

/// A packet of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowPacket<A> {
    /// Names the flow.
    pub flow: Flow<A>,
    /// What the transport header says.
    pub segment: Segment,
    /// Length of the IP packet in bytes, as its header says.
    pub bytes: u32,
    /// Identification of the datagram, if this is its first fragment.
    pub fragment: Option<u32>,
}

/// A fragment that is not the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaterFragment<A> {
    /// Sender.
    pub source: A,
    /// Receiver.
    pub destination: A,
    /// IP protocol number.
    pub protocol: u8,
    /// Identification of the datagram.
    pub id: u32,
    /// Length of the IP packet in bytes.
    pub bytes: u32,
}

/// An ICMP error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorAbout<A> {
    /// The flow that it is about, as its client's packets name it.
    pub flow: Flow<A>,
    /// Length of the IP packet in bytes.
    pub bytes: u32,
}

/// What an IP header says, of either version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IpHeader<A> {
    pub(crate) source: A,
    pub(crate) destination: A,
    pub(crate) protocol: u8,
    /// Length of the whole packet.
    pub(crate) bytes: u32,
    /// Where the payload starts in the frame.
    pub(crate) payload: usize,
    pub(crate) fragment: Fragment,
}

/// Which part of a datagram a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fragment {
    Whole,
    First(u32),
    Later(u32),
}

/// Reads the headers of a frame.
///
/// # Errors
/// The [`Fate`] of a frame that can't be for a virtual service.
#[inline(always)]
pub fn parse<F: Frame + ?Sized>(frame: &F) -> Result<(ethernet::Header, Packet), Fate> {
    let header = ethernet::parse(frame)?;
    let packet = match header.ethertype {
        ethernet::IPV4 => Packet::V4(parse_ipv4(frame, header.payload)?),
        ethernet::ARP => Packet::ArpRequest(arp::parse(frame, header.payload)?),
        _ => return Err(Fate::PassedOtherEthertype),
    };
    Ok((header, packet))
}

#[inline(always)]
fn parse_ipv4<F: Frame + ?Sized>(frame: &F, offset: usize) -> Result<IpPacket<[u8; 4]>, Fate> {
    let ip = ipv4::parse(frame, offset)?;
    match later_fragment(&ip) {
        Some(later) => Ok(IpPacket::LaterFragment(later)),
        None if ip.protocol == icmp::V4 => icmp::parse_v4(frame, offset, &ip),
        None => parse_flow(frame, &ip).map(IpPacket::Flow),
    }
}

#[inline(always)]
fn later_fragment<A: Copy>(ip: &IpHeader<A>) -> Option<LaterFragment<A>> {
    match ip.fragment {
        Fragment::Whole | Fragment::First(_) => None,
        Fragment::Later(id) => Some(LaterFragment {
            source: ip.source,
            destination: ip.destination,
            protocol: ip.protocol,
            id,
            bytes: ip.bytes,
        }),
    }
}

#[inline(always)]
fn parse_flow<F: Frame + ?Sized, A: Copy>(
    frame: &F,
    ip: &IpHeader<A>,
) -> Result<FlowPacket<A>, Fate> {
    let (segment, ports) = transport::parse(frame, ip.payload, ip.protocol)?;
    Ok(FlowPacket {
        flow: Flow {
            client: ip.source,
            vip: ip.destination,
            client_port: ports.source,
            port: ports.destination,
            protocol: ip.protocol,
        },
        segment,
        bytes: ip.bytes,
        fragment: match ip.fragment {
            Fragment::First(id) => Some(id),
            Fragment::Whole | Fragment::Later(_) => None,
        },
    })
}

/// The flow that an ICMP error is about: the quoted packet went the other way, from the VIP.
#[inline(always)]
fn quoted_flow<F: Frame + ?Sized, A: Copy>(
    frame: &F,
    quoted: &IpHeader<A>,
) -> Result<Flow<A>, Fate> {
    if quoted.protocol != abi::TCP && quoted.protocol != abi::UDP {
        return Err(Fate::PassedIcmp);
    }
    let ports = transport::ports(frame, quoted.payload).ok_or(Fate::PassedIcmp)?;
    Ok(Flow {
        client: quoted.destination,
        vip: quoted.source,
        client_port: ports.destination,
        port: ports.source,
        protocol: quoted.protocol,
    })
}

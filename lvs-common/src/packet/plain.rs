//! Frames with plain headers, read in one go: TCP or UDP, whole, without VLAN tag, options or
//! extensions. Nearly all are.
//!
//! ```text
//!  0     12   14          34      38         54
//! | MACs | type | IPv4    | ports | TCP      |
//! | MACs | type | IPv6                | ports | TCP      |
//!  0     12   14                      54      58         74
//! ```

use super::{
    Family, ethernet,
    transport::{self, Segment},
};
use crate::{
    abi,
    flow::{Address, Flow},
    frame::Frame,
};

const TCP: u32 = abi::TCP as u32;
const UDP: u32 = abi::UDP as u32;

/// A packet with plain headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainPacket<A: Address> {
    /// Names the flow.
    pub flow: Flow<A>,
    /// What the transport header says.
    pub segment: Segment,
    /// Length of the IP packet in bytes, as its header says.
    pub bytes: u32,
}

/// An address family whose plain headers can be read.
pub trait PlainFamily: Family {
    /// Its number in an Ethernet header.
    const ETHERTYPE: u16;

    /// Reads a frame of this family; `None` if it is not so plain, or there is something wrong with it.
    fn plain<F: Frame + ?Sized>(frame: &F) -> Option<PlainPacket<Self>>;
}

impl PlainFamily for [u8; 4] {
    const ETHERTYPE: u16 = ethernet::IPV4;

    #[inline(always)]
    fn plain<F: Frame + ?Sized>(frame: &F) -> Option<PlainPacket<Self>> {
        const VERSION_AND_LENGTH: u32 = 0x45;
        const FRAGMENT: u32 = 0x3fff;
        let [first, second, third, client, vip, ports, _, _, flags, _] =
            frame.read_words::<10>(ethernet::HEADER)?;
        let first = u32::from_be(first);
        let bytes = first & 0xffff;
        let is_plain = first >> 24 == VERSION_AND_LENGTH
            && second & FRAGMENT.to_be() == 0
            && bytes >= 20
            && frame.holds(ethernet::HEADER + bytes as usize);
        let protocol = u32::from_be(third) >> 16 & 0xff;
        let key = bytemuck::must_cast([client, vip, ports]);
        if is_plain { packet(key, protocol, flags, bytes) } else { None }
    }
}

impl PlainFamily for [u8; 16] {
    const ETHERTYPE: u16 = ethernet::IPV6;

    #[inline(always)]
    fn plain<F: Frame + ?Sized>(frame: &F) -> Option<PlainPacket<Self>> {
        const VERSION: u32 = 6;
        const HEADER: u32 = 40;
        let [first, second, a, b, c, d, e, f, g, h, ports, _, _, flags] =
            frame.read_words::<14>(ethernet::HEADER)?;
        let second = u32::from_be(second);
        let bytes = HEADER + (second >> 16);
        let is_plain =
            u32::from_be(first) >> 28 == VERSION && frame.holds(ethernet::HEADER + bytes as usize);
        let protocol = second >> 8 & 0xff;
        let key = bytemuck::must_cast([a, b, c, d, e, f, g, h, ports]);
        if is_plain { packet(key, protocol, flags, bytes) } else { None }
    }
}

#[inline(always)]
fn packet<A: Address>(
    key: A::Key,
    protocol: u32,
    flags: u32,
    bytes: u32,
) -> Option<PlainPacket<A>> {
    let segment = match protocol {
        TCP => transport::segment(flags.to_ne_bytes()[1]),
        UDP => Segment::Datagram,
        _ => return None,
    };
    let flow = Flow { key, protocol };
    Some(PlainPacket { flow, segment, bytes })
}

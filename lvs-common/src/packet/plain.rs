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
    frame::{Frame, Head},
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

    /// The headers of a frame of this family; `None` if there can be no plain ones.
    fn head<F: Frame + ?Sized>(frame: &mut F) -> Option<impl Head>;
    /// Who it is for.
    fn receiver(head: &impl Head) -> Self;
    /// Reads it; `None` if it is not so plain, or there is something wrong with it.
    fn plain(head: &impl Head) -> Option<PlainPacket<Self>>;
}

impl PlainFamily for [u8; 4] {
    const ETHERTYPE: u16 = ethernet::IPV4;

    #[inline(always)]
    fn head<F: Frame + ?Sized>(frame: &mut F) -> Option<impl Head> {
        frame.head::<54>()
    }

    #[inline(always)]
    fn receiver(head: &impl Head) -> Self {
        head.word::<30>().to_ne_bytes()
    }

    #[inline(always)]
    fn plain(head: &impl Head) -> Option<PlainPacket<Self>> {
        const VERSION_AND_LENGTH: u32 = 0x45;
        const FRAGMENT: u32 = 0x3fff;
        let first = u32::from_be(head.word::<14>());
        let bytes = first & 0xffff;
        let is_plain = first >> 24 == VERSION_AND_LENGTH
            && head.word::<18>() & FRAGMENT.to_be() == 0
            && bytes >= 20
            && head.frame_holds(ethernet::HEADER + bytes as usize);
        if !is_plain {
            return None;
        }
        let protocol = u32::from_be(head.word::<22>()) >> 16 & 0xff;
        let key = [head.word::<26>(), head.word::<30>(), head.word::<34>()];
        packet(bytemuck::must_cast(key), protocol, head.word::<46>(), bytes)
    }
}

impl PlainFamily for [u8; 16] {
    const ETHERTYPE: u16 = ethernet::IPV6;

    #[inline(always)]
    fn head<F: Frame + ?Sized>(frame: &mut F) -> Option<impl Head> {
        frame.head::<70>()
    }

    #[inline(always)]
    fn receiver(head: &impl Head) -> Self {
        let words = [head.word::<38>(), head.word::<42>(), head.word::<46>(), head.word::<50>()];
        bytemuck::must_cast(words)
    }

    #[inline(always)]
    fn plain(head: &impl Head) -> Option<PlainPacket<Self>> {
        const VERSION: u32 = 6;
        const HEADER: u32 = 40;
        let second = u32::from_be(head.word::<18>());
        let bytes = HEADER + (second >> 16);
        let is_plain = u32::from_be(head.word::<14>()) >> 28 == VERSION
            && head.frame_holds(ethernet::HEADER + bytes as usize);
        if !is_plain {
            return None;
        }
        let protocol = second >> 8 & 0xff;
        let [a, b, c, d]: [u32; 4] = bytemuck::must_cast(Self::receiver(head));
        let key = [
            head.word::<22>(),
            head.word::<26>(),
            head.word::<30>(),
            head.word::<34>(),
            a,
            b,
            c,
            d,
            head.word::<54>(),
        ];
        packet(bytemuck::must_cast(key), protocol, head.word::<66>(), bytes)
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

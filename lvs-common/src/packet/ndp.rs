//! Neighbour discovery for IPv6 (RFC 4861, sections 4.3 and 4.4): who has an address?
//!
//! ```text
//!  0       1       2       3
//! | 135   | 0     | checksum      |     solicitation
//! | 0                             |
//! | target address (16 bytes)     |
//! | options                       |
//!
//! | 136   | 0     | checksum      |     advertisement
//! |RSO| 0                         |
//! | target address (16 bytes)     |
//! | 2     | 1     | MAC (6 bytes)         |
//! ```

use super::{
    IpHeader,
    ethernet::{self, Mac},
    icmp, ipv6,
};
use crate::{checksum::Sum, fate::Fate, frame::Frame};

pub(super) const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;

/// What neighbour discovery is sent with, so that nobody from outside can have sent it.
const HOP_LIMIT: u8 = 255;
/// Length of a solicitation without options, in bytes.
const BARE: usize = 24;
/// Length of an advertisement with the sender's MAC.
const LENGTH: usize = 32;

/// Flag of an advertisement: it answers a solicitation of who is addressed.
const SOLICITED: u8 = 0x40;
/// Flag of an advertisement: it replaces what was known.
const OVERRIDE: u8 = 0x20;

const UNSPECIFIED: [u8; 16] = [0; 16];
/// All nodes of the link.
const ALL_NODES: [u8; 16] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
/// Their MAC (RFC 2464, section 7).
const ALL_NODES_MAC: Mac = [0x33, 0x33, 0, 0, 0, 1];

/// A neighbour solicitation: who has `target`?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Solicitation {
    /// Address of who asks; unspecified if that is about to take the target for itself.
    pub sender: [u8; 16],
    /// Address asked for.
    pub target: [u8; 16],
    /// Where the IPv6 header starts in the frame.
    offset: usize,
}

/// Reads what follows an ICMPv6 header of the type.
#[inline(always)]
pub(super) fn parse<F: Frame + ?Sized>(
    frame: &F,
    offset: usize,
    ip: &IpHeader<[u8; 16]>,
) -> Result<Solicitation, Fate> {
    let [hops] = frame.read(offset + 7).ok_or(Fate::PassedMalformed)?;
    let [code] = frame.read(ip.payload + 1).ok_or(Fate::PassedMalformed)?;
    // RFC 4861, section 7.1.1.
    if hops != HOP_LIMIT || code != 0 || (ip.bytes as usize) < ipv6::HEADER + BARE {
        return Err(Fate::PassedIcmp);
    }
    Ok(Solicitation {
        sender: ip.source(frame)?,
        target: frame.read(ip.payload + 8).ok_or(Fate::PassedMalformed)?,
        offset,
    })
}

/// Turns the solicitation into the advertisement: the target is at `mac`. The result is the MAC to
/// send it to; the Ethernet header is not touched.
#[inline(always)]
pub(crate) fn advertise<F: Frame + ?Sized>(
    frame: &mut F,
    solicitation: &Solicitation,
    mac: Mac,
) -> Option<Mac> {
    let Solicitation { sender, target, offset } = *solicitation;
    let offset = frame.small(offset)?;
    let asker = ethernet::source(frame)?;
    let icmp = offset + ipv6::HEADER;
    if !frame.holds(icmp + LENGTH) {
        // Too short for the answer: it grows, at its head, where there is room.
        let tags = frame.read::<10>(12)?;
        frame.grow(LENGTH - BARE)?;
        frame.write(12, tags)?;
    }
    // RFC 4861, section 7.2.4.
    let (to, to_mac, flags) = if sender == UNSPECIFIED {
        (ALL_NODES, ALL_NODES_MAC, OVERRIDE)
    } else {
        (sender, asker, SOLICITED | OVERRIDE)
    };
    let [a, b, c, d, e, f] = mac;
    let start = [ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0];
    let option = [2, 1, a, b, c, d, e, f];

    // What is summed up: the pseudo-header and the message (RFC 8200, section 8.1).
    let mut sum = Sum::default();
    sum.add(&target);
    sum.add(&to);
    sum.add(&[0, LENGTH as u8, 0, icmp::V6]);
    sum.add(&start);
    sum.add(&target);
    sum.add(&option);

    frame.write(offset, [0x60, 0, 0, 0, 0, LENGTH as u8, icmp::V6, HOP_LIMIT])?;
    frame.write(offset + 8, target)?;
    frame.write(offset + 24, to)?;
    frame.write(icmp, start)?;
    frame.write(icmp + 2, sum.finish().to_be_bytes())?;
    frame.write(icmp + 8, target)?;
    frame.write(icmp + 24, option)?;
    Some(to_mac)
}

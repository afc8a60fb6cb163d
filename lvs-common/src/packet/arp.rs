//! ARP for IPv4 over Ethernet (RFC 826).
//!
//! ```text
//!  0       2       4   5   6       8            14        18           24        28
//! | hw type| proto | 6 | 4 | op    | sender MAC | sender IP| target MAC| target IP|
//! ```

use super::ethernet::Mac;
use crate::{fate::Fate, frame::Frame};

/// Ethernet, IPv4, and the lengths of their addresses.
const ETHERNET_IPV4: [u8; 6] = [0, 1, 0x08, 0x00, 6, 4];
const REQUEST: [u8; 2] = [0, 1];
const REPLY: [u8; 2] = [0, 2];

/// An ARP request: who has `target`?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// MAC of who asks.
    pub sender_mac: Mac,
    /// Address of who asks.
    pub sender: [u8; 4],
    /// Address asked for.
    pub target: [u8; 4],
    /// Where the ARP header starts in the frame.
    offset: usize,
}

/// Reads the header at `offset`; anything but a request for an IPv4 address is not ours.
#[inline(always)]
pub(crate) fn parse<F: Frame + ?Sized>(frame: &F, offset: usize) -> Result<Request, Fate> {
    let [k0, k1, k2, k3, k4, k5, o0, o1] = frame.read::<8>(offset).ok_or(Fate::PassedMalformed)?;
    if [k0, k1, k2, k3, k4, k5] != ETHERNET_IPV4 || [o0, o1] != REQUEST {
        return Err(Fate::PassedArp);
    }
    Ok(Request {
        sender_mac: frame.read(offset + 8).ok_or(Fate::PassedMalformed)?,
        sender: frame.read(offset + 14).ok_or(Fate::PassedMalformed)?,
        target: frame.read(offset + 24).ok_or(Fate::PassedMalformed)?,
        offset,
    })
}

/// Turns the request into the reply: the target is at `mac`. The Ethernet header is not touched.
#[inline(always)]
pub(crate) fn reply<F: Frame + ?Sized>(frame: &mut F, request: &Request, mac: Mac) -> Option<()> {
    let offset = frame.small(request.offset)?;
    frame.write(offset + 6, REPLY)?;
    frame.write(offset + 8, mac)?;
    frame.write(offset + 14, request.target)?;
    frame.write(offset + 18, request.sender_mac)?;
    frame.write(offset + 24, request.sender)
}

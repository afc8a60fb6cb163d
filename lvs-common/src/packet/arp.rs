//! ARP for IPv4 over Ethernet (RFC 826).
//!
//! ```text
//!  0       2       4   5   6       8            14        18           24        28
//! | hw type| proto | 6 | 4 | op    | sender MAC | sender IP| target MAC| target IP|
//! ```

use super::ethernet::Mac;
use crate::{fate::Fate, frame::Frame};

/// Ethernet and IPv4.
const ETHERNET_IPV4: u32 = u32::from_ne_bytes([0, 1, 0x08, 0x00]);
/// The lengths of their addresses, and that it is a request.
const REQUEST: u32 = u32::from_ne_bytes([6, 4, 0, 1]);
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
    let [kind, operation, a, b, c, _, target] =
        frame.read_words::<7>(offset).ok_or(Fate::PassedMalformed)?;
    if kind != ETHERNET_IPV4 || operation != REQUEST {
        return Err(Fate::PassedArp);
    }
    let [[m0, m1, m2, m3], [m4, m5, s0, s1], [s2, s3, ..]] = [a, b, c].map(u32::to_ne_bytes);
    Ok(Request {
        sender_mac: [m0, m1, m2, m3, m4, m5],
        sender: [s0, s1, s2, s3],
        target: target.to_ne_bytes(),
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

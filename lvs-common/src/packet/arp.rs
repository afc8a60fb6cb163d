//! ARP for IPv4 over Ethernet (RFC 826).
//!
//! ```text
//!  0       2       4   5   6       8            14        18           24        28
//! | hw type| proto | 6 | 4 | op    | sender MAC | sender IP| target MAC| target IP|
//! ```

use super::ethernet::{self, Mac};
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
    let [k0, k1, k2, k3, k4, k5, o0, o1, m0, m1, m2, m3, m4, m5, s0, s1, s2, s3, rest @ ..] =
        frame.read::<28>(offset).ok_or(Fate::PassedMalformed)?;
    let [_, _, _, _, _, _, t0, t1, t2, t3] = rest;
    if [k0, k1, k2, k3, k4, k5] != ETHERNET_IPV4 || [o0, o1] != REQUEST {
        return Err(Fate::PassedArp);
    }
    Ok(Request {
        sender_mac: [m0, m1, m2, m3, m4, m5],
        sender: [s0, s1, s2, s3],
        target: [t0, t1, t2, t3],
        offset,
    })
}

/// Turns the request into the reply: `target` is at `mac`.
#[inline(always)]
pub(crate) fn reply<F: Frame + ?Sized>(frame: &mut F, request: &Request, mac: Mac) -> Option<()> {
    ethernet::readdress(frame, request.sender_mac, mac)?;
    frame.write(request.offset + 6, REPLY)?;
    frame.write(request.offset + 8, mac)?;
    frame.write(request.offset + 14, request.target)?;
    frame.write(request.offset + 18, request.sender_mac)?;
    frame.write(request.offset + 24, request.sender)
}

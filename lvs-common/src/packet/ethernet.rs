//! The Ethernet header.
//!
//! ```text
//!  0                   6                  12      14
//! | destination MAC   | source MAC        | type  | payload
//! ```

use crate::{fate::Fate, frame::Frame};

/// Length of the header in bytes.
pub const HEADER: usize = 14;
/// EtherType of IPv4.
pub const IPV4: u16 = 0x0800;
/// EtherType of ARP.
pub const ARP: u16 = 0x0806;

/// An Ethernet address.
pub type Mac = [u8; 6];

/// The type of the payload.
#[inline(always)]
pub fn ethertype<F: Frame + ?Sized>(frame: &F) -> Result<u16, Fate> {
    frame.read(12).map(u16::from_be_bytes).ok_or(Fate::PassedMalformed)
}

/// The MAC of who sent the frame.
#[inline(always)]
pub fn source<F: Frame + ?Sized>(frame: &F) -> Option<Mac> {
    frame.read(6)
}

/// Addresses the frame anew: this is all that direct routing changes.
#[inline(always)]
pub fn readdress<F: Frame + ?Sized>(frame: &mut F, destination: Mac, source: Mac) -> Option<()> {
    let [a, b, c, d, e, f] = destination;
    let [g, h, i, j, k, l] = source;
    frame.write(0, [a, b, c, d, e, f, g, h, i, j, k, l])
}

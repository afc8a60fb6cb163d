//! The Ethernet header and its VLAN tags (IEEE 802.1Q, 802.1ad).
//!
//! ```text
//!  0                   6                  12      14       16
//! | destination MAC   | source MAC        | type  | payload
//! | destination MAC   | source MAC        | 8100  | tag    | type  | payload
//! | destination MAC   | source MAC        | 88a8  | tag    | 8100  | tag  | type | payload
//! ```

use crate::{fate::Fate, frame::Frame};

/// EtherType of IPv4.
pub const IPV4: u16 = 0x0800;
/// EtherType of IPv6.
pub const IPV6: u16 = 0x86dd;
/// EtherType of ARP.
pub const ARP: u16 = 0x0806;
/// EtherType of a customer's VLAN tag, or the only one.
const VLAN: u16 = 0x8100;
/// EtherType of a provider's VLAN tag, before a customer's.
const PROVIDER_VLAN: u16 = 0x88a8;

/// Length of the header without tags, in bytes.
pub const HEADER: usize = 14;
/// Length of a tag with the EtherType before it, in bytes.
pub const TAG: usize = 4;
/// VLAN id and nothing else of a tag.
const VLAN_ID: u16 = 0x0fff;

/// An Ethernet address.
pub type Mac = [u8; 6];

/// What the header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Type of the payload, behind any tags.
    pub ethertype: u16,
    /// Where the payload starts in the frame.
    pub payload: usize,
}

impl Header {
    /// Whether there is a tag.
    #[inline(always)]
    #[must_use]
    pub fn is_tagged(&self) -> bool {
        self.payload > HEADER
    }
}

/// Reads the header and up to two tags.
///
/// # Errors
/// If the frame ends before.
#[inline(always)]
pub fn parse<F: Frame + ?Sized>(frame: &F) -> Result<Header, Fate> {
    let Header { ethertype, payload } = parse_tags(frame)?;
    Ok(Header { ethertype, payload: frame.opaque(payload) })
}

#[inline(always)]
fn parse_tags<F: Frame + ?Sized>(frame: &F) -> Result<Header, Fate> {
    let ethertype = ethertype(frame, HEADER)?;
    if ethertype != VLAN && ethertype != PROVIDER_VLAN {
        return Ok(Header { ethertype, payload: HEADER });
    }
    let inner = self::ethertype(frame, HEADER + TAG)?;
    if inner != VLAN {
        return Ok(Header { ethertype: inner, payload: HEADER + TAG });
    }
    let innermost = self::ethertype(frame, HEADER + 2 * TAG)?;
    Ok(Header { ethertype: innermost, payload: HEADER + 2 * TAG })
}

#[inline(always)]
fn ethertype<F: Frame + ?Sized>(frame: &F, end: usize) -> Result<u16, Fate> {
    frame.read(end - 2).map(u16::from_be_bytes).ok_or(Fate::PassedMalformed)
}

/// The type of what follows an Ethernet header without tags.
#[inline(always)]
pub fn type_of_untagged<F: Frame + ?Sized>(frame: &F) -> Option<u16> {
    frame.read(HEADER - 2).map(u16::from_be_bytes)
}

/// The MAC of who sent the frame.
#[inline(always)]
pub(crate) fn source<F: Frame + ?Sized>(frame: &F) -> Option<Mac> {
    frame.read(6)
}

/// Addresses the frame anew: this is all that direct routing changes.
#[inline(always)]
pub(crate) fn readdress<F: Frame + ?Sized>(
    frame: &mut F,
    destination: Mac,
    source: Mac,
) -> Option<()> {
    let [a, b, c, d, e, f] = destination;
    let [g, h, i, j, k, l] = source;
    frame.write(0, [a, b, c, d, e, f, g, h, i, j, k, l])
}

/// Gives the frame the outer tag of VLAN `id`, or none if that is 0, whatever it had. The other
/// bits of a tag (priority) stay as they were.
#[inline(always)]
pub(crate) fn retag<F: Frame + ?Sized>(frame: &mut F, header: &Header, id: u16) -> Option<()> {
    match (header.is_tagged(), id) {
        (false, 0) => Some(()),
        (true, 0) => {
            let macs = frame.read::<12>(0)?;
            frame.shrink(TAG)?;
            frame.write(0, macs)
        }
        (true, id) => {
            let tag = u16::from_be_bytes(frame.read(HEADER)?);
            frame.write(HEADER, (tag & !VLAN_ID | id & VLAN_ID).to_be_bytes())
        }
        (false, id) => {
            let macs = frame.read::<12>(0)?;
            frame.grow(TAG)?;
            frame.write(0, macs)?;
            let [a, b] = VLAN.to_be_bytes();
            let [c, d] = (id & VLAN_ID).to_be_bytes();
            frame.write(12, [a, b, c, d])
        }
    }
}

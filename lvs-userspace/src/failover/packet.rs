//! Advertisements on the wire (RFC 9568, section 5.2). Pure.
//!
//! ```text
//!   0                   1                   2                   3
//!   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//!  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//!  |Version| Type  | Virtual Rtr ID|   Priority    |IPvX Addr Count|
//!  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//!  |Reserve| Max Advertise Interval|          Checksum             |
//!  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//!  |                                                               |
//!  +                        IPvX Address(es)                       +
//!  |                                                               |
//!  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! What follows the addresses is no part of it; [`auth`](super::auth) puts its signature there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lvs_common::checksum::Sum;

use super::{Interval, Refusal};

/// The IP protocol number of VRRP.
pub const PROTOCOL: u8 = 112;
/// Time to live, or hop limit, of every advertisement: with any other it came through a router.
pub const HOP_LIMIT: u8 = 255;
/// Where advertisements to all go, by IPv4.
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// Where advertisements to all go, by IPv6.
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

/// Version 3, type 1: an advertisement; there is no other type.
const VERSION_3: u8 = 3;
const ADVERTISEMENT: u8 = 1;
const HEADER: usize = 8;
/// So many addresses are named at most: as many as the count can say, or as a packet holds that
/// every IPv6 network carries whole (1280 bytes) with a signature behind them.
const MOST_V4: usize = 255;
const MOST_V6: usize = 64;

/// Where a packet comes from and goes to; both of one address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Who sent it.
    pub source: IpAddr,
    /// Whom, or which group, it was sent to.
    pub destination: IpAddr,
}

/// What the checksum of an IPv4 advertisement covers.
///
/// By default, for others that were not heard yet, it is what keepalived believes: it refuses all else, takes
/// the master for dead, and there are two. A backup that is silent can't be heard first. We believe both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksum {
    /// The message alone (RFC 9568, section 5.2.8).
    Message,
    /// A pseudo-header, too, as with IPv6: so keepalived has read RFC 5798.
    #[default]
    PseudoHeader,
}

/// An advertisement: that somebody is master, or stops to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advert {
    /// The virtual router that it is about.
    pub vrid: u8,
    /// The sender's priority.
    pub priority: u8,
    /// When the next is to be expected.
    pub interval: Interval,
    /// The addresses that the master answers for.
    pub addresses: Vec<IpAddr>,
}

/// An advertisement as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received<'a> {
    /// What it says.
    pub advert: Advert,
    /// What its checksum covers.
    pub checksum: Checksum,
    /// Its bytes.
    pub message: &'a [u8],
    /// What came behind it.
    pub trailer: &'a [u8],
}

impl Advert {
    /// Its bytes; of the addresses those that are [`named`].
    #[must_use]
    pub fn encode(&self, ends: Ends, checksum: Checksum) -> Vec<u8> {
        let addresses = named(&self.addresses, ends.source);
        let [high, low] = self.interval.centiseconds().to_be_bytes();
        let mut bytes = vec![
            VERSION_3 << 4 | ADVERTISEMENT,
            self.vrid,
            self.priority,
            addresses.len() as u8, // At most 255.
            high,
            low,
            0,
            0,
        ];
        for address in addresses {
            match address {
                IpAddr::V4(v4) => bytes.extend(v4.octets()),
                IpAddr::V6(v6) => bytes.extend(v6.octets()),
            }
        }
        let sum = sum(&bytes, ends, checksum).to_be_bytes();
        bytes[6..HEADER].copy_from_slice(&sum);
        bytes
    }
}

/// Those of some addresses that an advertisement from `source` names: those of its family, as many as
/// there is room for. There must be one: for want of another it is the sender's.
pub fn named(addresses: &[IpAddr], source: IpAddr) -> Vec<IpAddr> {
    let most = if source.is_ipv4() { MOST_V4 } else { MOST_V6 };
    let of_family = addresses.iter().filter(|it| it.is_ipv4() == source.is_ipv4());
    let named: Vec<_> = of_family.take(most).copied().collect();
    if named.is_empty() { vec![source] } else { named }
}

/// Reads what follows the IP header, in the order of RFC 9568, section 7.1.
///
/// # Errors
/// Why it is no advertisement.
pub fn decode(bytes: &[u8], ends: Ends, hop_limit: u8) -> Result<Received<'_>, Refusal> {
    if hop_limit != HOP_LIMIT {
        return Err(Refusal::HopLimit);
    }
    let &[first, vrid, priority, count, high, low, _, _] =
        bytes.first_chunk().ok_or(Refusal::TooShort)?;
    if first >> 4 != VERSION_3 {
        return Err(Refusal::Version);
    }
    if first & 0xf != ADVERTISEMENT {
        return Err(Refusal::Type);
    }
    let size = if ends.source.is_ipv4() { 4 } else { 16 };
    let length = HEADER + usize::from(count) * size;
    let (message, trailer) = bytes.split_at_checked(length).ok_or(Refusal::TooShort)?;
    let checksum = [Checksum::Message, Checksum::PseudoHeader]
        .into_iter()
        .find(|&it| sum(message, ends, it) == 0)
        .ok_or(Refusal::Checksum)?;
    if count == 0 {
        return Err(Refusal::NoAddress);
    }
    // The upper four bits are reserved, and ignored.
    let centiseconds = u16::from_be_bytes([high & 0xf, low]);
    let interval = Interval::from_centiseconds(centiseconds).ok_or(Refusal::NoInterval)?;
    let addresses = message[HEADER..].chunks_exact(size).filter_map(address).collect();
    let advert = Advert { vrid, priority, interval, addresses };
    Ok(Received { advert, checksum, message, trailer })
}

/// Reads a datagram as a raw IPv4 socket gives it, with its header (RFC 791, section 3.1): its ends, its
/// time to live, and what follows.
///
/// # Errors
/// When it is cut short.
pub fn split_ipv4(datagram: &[u8]) -> Result<(Ends, u8, &[u8]), Refusal> {
    let header: &[u8; 20] = datagram.first_chunk().ok_or(Refusal::TooShort)?;
    let [_, _, _, _, _, _, _, _, ttl, _, _, _, source @ .., a, b, c, d] = header;
    let ends = Ends { source: IpAddr::from(*source), destination: IpAddr::from([*a, *b, *c, *d]) };
    let length = usize::from(header[0] & 0xf) * 4;
    let payload = datagram.get(length.max(20)..).ok_or(Refusal::TooShort)?;
    Ok((ends, *ttl, payload))
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = || <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let v6 = || <[u8; 16]>::try_from(bytes).map(IpAddr::from);
    v4().or_else(|_| v6()).ok()
}

/// The checksum of a message in which it is still zero; zero of one in which it is right. Of an IPv6
/// packet it always covers the pseudo-header (RFC 8200, section 8.1).
fn sum(message: &[u8], ends: Ends, covers: Checksum) -> u16 {
    let mut sum = Sum::default();
    let length = message.len() as u16; // Far shorter than 64 KiB.
    match (ends.source, ends.destination, covers) {
        (IpAddr::V6(source), IpAddr::V6(destination), _) => {
            sum.add(&source.octets());
            sum.add(&destination.octets());
            sum.add(&u32::from(length).to_be_bytes());
            sum.add(&[0, 0, 0, PROTOCOL]);
        }
        (IpAddr::V4(source), IpAddr::V4(destination), Checksum::PseudoHeader) => {
            sum.add(&source.octets());
            sum.add(&destination.octets());
            sum.add(&[0, PROTOCOL]);
            sum.add(&length.to_be_bytes());
        }
        (IpAddr::V4(_) | IpAddr::V6(_), _, _) => {}
    }
    // Headers and addresses are of an even length.
    for word in message.chunks_exact(2) {
        sum.add(&[word[0], word[1]]);
    }
    sum.finish()
}

#[cfg(test)]
mod tests;

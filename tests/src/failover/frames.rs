//! The frames that ask who has an address, and those that say so. Pure.
//!
//! Each question comes from an address of its own, one of [`ASKERS`] that nobody has, so that an answer
//! says which question it is the answer to.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// A MAC address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// So many addresses ask in turn.
pub(super) const ASKERS: usize = 50;
/// The last part of the first of them.
const FIRST: u8 = 200;

const BROADCAST: Mac = Mac([0xff; 6]);
const ARP: [u8; 2] = [8, 6];
const IPV6: [u8; 2] = [0x86, 0xdd];
/// Ethernet and IPv4, addresses of 6 and 4 bytes.
const ARP_HEAD: [u8; 6] = [0, 1, 8, 0, 6, 4];
const ICMPV6: u8 = 58;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;

/// What says that an address is at a MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) mac: Mac,
    /// Which of the askers it answers; `None`: it is said to all.
    pub(super) asker: Option<usize>,
}

/// Asks who has `vip`, from the MAC `mac`.
pub(super) fn probe(vip: IpAddr, mac: Mac, asker: usize) -> Vec<u8> {
    match vip {
        IpAddr::V4(vip) => arp_request(vip, mac, asker),
        IpAddr::V6(vip) => solicitation(vip, mac, asker),
    }
}

/// Whether a frame says where `vip` is.
pub(super) fn said(frame: &[u8], vip: IpAddr) -> Option<Said> {
    let (ethertype, packet) = (frame.get(12..14)?, frame.get(14..)?);
    match vip {
        IpAddr::V4(vip) if ethertype == ARP => said_by_arp(packet, vip),
        IpAddr::V6(vip) if ethertype == IPV6 => said_by_advertisement(packet, vip),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    }
}

fn asker_v4(vip: Ipv4Addr, asker: usize) -> [u8; 4] {
    let [a, b, c, _] = vip.octets();
    [a, b, c, FIRST.saturating_add(u8::try_from(asker).unwrap_or(u8::MAX))]
}

fn asker_v6(vip: Ipv6Addr, asker: usize) -> Ipv6Addr {
    let [a, b, c, d, ..] = vip.segments();
    Ipv6Addr::new(a, b, c, d, 0, 0, FIRST.into(), u16::try_from(asker).unwrap_or(u16::MAX))
}

fn arp_request(vip: Ipv4Addr, mac: Mac, asker: usize) -> Vec<u8> {
    let request: &[u8] = &[0, 1];
    let asker = asker_v4(vip, asker);
    let parts = [&BROADCAST.0[..], &mac.0, &ARP, &ARP_HEAD, request, &mac.0, &asker, &[0; 6]];
    [&parts.concat()[..], &vip.octets()].concat()
}

fn said_by_arp(packet: &[u8], vip: Ipv4Addr) -> Option<Said> {
    let (head, sender) = (packet.get(..6)?, packet.get(14..18)?);
    let mac = Mac(packet.get(8..14)?.try_into().ok()?);
    let target = packet.get(24..28)?;
    let says = head == ARP_HEAD && sender == vip.octets();
    let asker = (0..ASKERS).find(|it| asker_v4(vip, *it) == target);
    says.then_some(Said { mac, asker })
}

fn solicitation(vip: Ipv6Addr, mac: Mac, asker: usize) -> Vec<u8> {
    let [.., x, y, z] = vip.octets();
    let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(x), 0);
    let mut group = group.octets();
    group[14..].copy_from_slice(&[y, z]);
    let source = asker_v6(vip, asker).octets();
    // With the sender's MAC, so that nobody has to ask for it.
    let mut message =
        [&[SOLICITATION, 0, 0, 0, 0, 0, 0, 0][..], &vip.octets(), &[1, 1], &mac.0].concat();
    let sum = checksum(&[&source, &group, &[0, 0, 0, 32, 0, 0, 0, ICMPV6], &message]);
    message[2..4].copy_from_slice(&sum);
    let ethernet = [&[0x33, 0x33, 0xff, x, y, z][..], &mac.0, &IPV6].concat();
    let header = [0x60, 0, 0, 0, 0, 32, ICMPV6, 255];
    [&ethernet[..], &header, &source, &group, &message].concat()
}

fn said_by_advertisement(packet: &[u8], vip: Ipv6Addr) -> Option<Said> {
    let (next, destination) = (*packet.get(6)?, packet.get(24..40)?);
    let (kind, target, option) = (*packet.get(40)?, packet.get(48..64)?, packet.get(64..66)?);
    let mac = Mac(packet.get(66..72)?.try_into().ok()?);
    let says =
        (next, kind) == (ICMPV6, ADVERTISEMENT) && target == vip.octets() && option == [2, 1];
    let asker = (0..ASKERS).find(|it| asker_v6(vip, *it).octets() == destination);
    says.then_some(Said { mac, asker })
}

/// The Internet's (RFC 1071), over parts of even lengths.
fn checksum(parts: &[&[u8]]) -> [u8; 2] {
    let words = parts.iter().flat_map(|part| part.chunks_exact(2));
    let mut sum: u32 = words.map(|it| u32::from(it[0]) << 8 | u32::from(it[1])).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let [_, _, a, b] = (!sum).to_be_bytes();
    [a, b]
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: Mac = Mac([2, 0, 10, 77, 0, 2]);
    const THEM: Mac = Mac([2, 0, 10, 77, 0, 3]);

    #[test]
    fn an_arp_reply_says_whom_it_answers() {
        let vip = Ipv4Addr::new(10, 77, 0, 100);
        let request = probe(vip.into(), US, 7);
        assert_eq!(request.len(), 42);
        assert_eq!(said(&request, vip.into()), None);
        let mut reply = request.clone();
        reply[21] = 2;
        reply[22..28].copy_from_slice(&THEM.0);
        reply[28..32].copy_from_slice(&vip.octets());
        reply[38..42].copy_from_slice(&[10, 77, 0, 207]);
        assert_eq!(said(&reply, vip.into()), Some(Said { mac: THEM, asker: Some(7) }));
        // Of another address, and to all.
        assert_eq!(said(&reply, IpAddr::from([10, 77, 0, 101])), None);
        reply[38..42].copy_from_slice(&vip.octets());
        assert_eq!(said(&reply, vip.into()), Some(Said { mac: THEM, asker: None }));
        for cut in 0..reply.len() {
            assert_eq!(said(&reply[..cut], vip.into()), None);
        }
    }

    #[test]
    fn a_solicitation_is_one() {
        let vip: Ipv6Addr = "fd77::100".parse().unwrap();
        let frame = probe(vip.into(), US, 3);
        assert_eq!(frame.len(), 14 + 40 + 32);
        assert_eq!(frame[..6], [0x33, 0x33, 0xff, 0, 1, 0]);
        assert_eq!(frame[22..38], "fd77::c8:3".parse::<Ipv6Addr>().unwrap().octets());
        assert_eq!(frame[38..54], "ff02::1:ff00:100".parse::<Ipv6Addr>().unwrap().octets());
        // A checksum is right if the sum with it is zero.
        assert_eq!(checksum(&[&frame[22..], &[0, 32, 0, 58]]), [0, 0]);
        assert_eq!(said(&frame, vip.into()), None);
    }

    #[test]
    fn an_advertisement_says_whom_it_answers() {
        let vip: Ipv6Addr = "fd77::100".parse().unwrap();
        let mut frame = probe(vip.into(), US, 0);
        frame[38..54].copy_from_slice(&asker_v6(vip, 49).octets());
        frame[54] = ADVERTISEMENT;
        frame[78] = 2;
        frame[80..].copy_from_slice(&THEM.0);
        assert_eq!(said(&frame, vip.into()), Some(Said { mac: THEM, asker: Some(49) }));
    }
}

//! The packets that tell a network where a VIP is. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lvs_common::checksum::Sum;

use crate::model::MacAddr;

const BROADCAST: MacAddr = MacAddr([0xff; 6]);
const ARP: u16 = 0x0806;
/// Where [`ALL_NODES`] is sent to (RFC 2464, section 7).
const ALL_NODES_MAC: MacAddr = MacAddr([0x33, 0x33, 0, 0, 0, 1]);
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const IPV6: u16 = 0x86dd;

/// A packet, and to whom it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Announcement {
    pub(super) to: MacAddr,
    pub(super) ethertype: u16,
    pub(super) packet: Vec<u8>,
}

/// Says to all that an address is at this MAC.
pub(super) fn announcement(vip: IpAddr, mac: MacAddr) -> Announcement {
    match vip {
        IpAddr::V4(vip) => {
            Announcement { to: BROADCAST, ethertype: ARP, packet: gratuitous_arp(vip, mac) }
        }
        IpAddr::V6(vip) => {
            let packet = neighbour_advertisement(vip, mac);
            Announcement { to: ALL_NODES_MAC, ethertype: IPV6, packet }
        }
    }
}

/// An ARP request for the address that it comes from (RFC 5227, section 2.3): who has an entry for it
/// takes the new MAC (net/ipv4/arp.c, arp_process).
fn gratuitous_arp(vip: Ipv4Addr, MacAddr(mac): MacAddr) -> Vec<u8> {
    // Ethernet and IPv4, addresses of 6 and 4 bytes, a request.
    const REQUEST: [u8; 8] = [0, 1, 8, 0, 6, 4, 0, 1];
    let vip = vip.octets();
    [&REQUEST[..], &mac, &vip, &[0; 6], &vip].concat()
}

/// An unsolicited neighbour advertisement with the override flag and the MAC as an option (RFC 4861,
/// sections 4.4 and 7.2.6).
fn neighbour_advertisement(vip: Ipv6Addr, MacAddr(mac): MacAddr) -> Vec<u8> {
    const OVERRIDE: [u8; 4] = [0x20, 0, 0, 0];
    // 32 bytes of ICMPv6, hop limit 255.
    const HEADER: [u8; 8] = [0x60, 0, 0, 0, 0, 32, 58, 255];
    let mut message = [0; 32];
    message[0] = 136;
    message[4..8].copy_from_slice(&OVERRIDE);
    message[8..24].copy_from_slice(&vip.octets());
    message[24..26].copy_from_slice(&[2, 1]); // Target link-layer address, 8 bytes.
    message[26..].copy_from_slice(&mac);
    let mut sum = Sum::default();
    sum.add(&vip.octets());
    sum.add(&ALL_NODES.octets());
    sum.add(&[0, 0, 0, 32, 0, 0, 0, 58]);
    sum.add(&message);
    message[2..4].copy_from_slice(&sum.finish().to_be_bytes());
    [&HEADER[..], &vip.octets(), &ALL_NODES.octets(), &message].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: MacAddr = MacAddr([2, 0, 10, 77, 0, 3]);

    #[test]
    fn a_gratuitous_arp() {
        let Announcement { to, ethertype, packet } =
            announcement("10.77.0.100".parse().unwrap(), MAC);
        assert_eq!((to, ethertype), (MacAddr([0xff; 6]), 0x0806));
        assert_eq!(
            packet,
            [
                0, 1, 8, 0, 6, 4, 0, 1, // a request
                2, 0, 10, 77, 0, 3, 10, 77, 0, 100, // who it is
                0, 0, 0, 0, 0, 0, 10, 77, 0, 100, // whom it asks for
            ]
        );
    }

    #[test]
    fn a_neighbour_advertisement() {
        let Announcement { to, ethertype, packet } =
            announcement("fd77::100".parse().unwrap(), MAC);
        assert_eq!((to, ethertype), (MacAddr([0x33, 0x33, 0, 0, 0, 1]), 0x86dd));
        assert_eq!(packet.len(), 40 + 32);
        assert_eq!(packet[..8], [0x60, 0, 0, 0, 0, 32, 58, 255]);
        assert_eq!(packet[40..42], [136, 0]);
        assert_eq!(packet[44..48], [0x20, 0, 0, 0]);
        assert_eq!(packet[64..], [2, 1, 2, 0, 10, 77, 0, 3]);
        // The checksum over all that it covers is zero.
        let mut sum = Sum::default();
        for word in packet[8..].chunks_exact(2) {
            sum.add(&[word[0], word[1]]);
        }
        sum.add(&[0, 32, 0, 58]);
        assert_eq!(sum.finish(), 0);
    }
}

//! The packets that tell a network where a VIP is, and that ask for a peer. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lvs_common::checksum::Sum;

use crate::{model::MacAddr, net::solicited_node};

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

/// Asks who has an address, in the name of another; `None` if they are of two families.
pub(super) fn question(own: IpAddr, mac: MacAddr, of: IpAddr) -> Option<Announcement> {
    match (own, of) {
        (IpAddr::V4(own), IpAddr::V4(of)) => {
            Some(Announcement { to: BROADCAST, ethertype: ARP, packet: arp_request(own, mac, of) })
        }
        (IpAddr::V6(own), IpAddr::V6(of)) => {
            let [.., a, b, c, d] = solicited_node(of).octets();
            let to = MacAddr([0x33, 0x33, a, b, c, d]);
            Some(Announcement { to, ethertype: IPV6, packet: solicitation(own, mac, of) })
        }
        (IpAddr::V4(_) | IpAddr::V6(_), _) => None,
    }
}

/// An ARP request for the address that it comes from (RFC 5227, section 2.3): who has an entry for it
/// takes the new MAC (net/ipv4/arp.c, arp_process).
fn gratuitous_arp(vip: Ipv4Addr, mac: MacAddr) -> Vec<u8> {
    arp_request(vip, mac, vip)
}

fn arp_request(own: Ipv4Addr, MacAddr(mac): MacAddr, of: Ipv4Addr) -> Vec<u8> {
    // Ethernet and IPv4, addresses of 6 and 4 bytes, a request.
    const REQUEST: [u8; 8] = [0, 1, 8, 0, 6, 4, 0, 1];
    [&REQUEST[..], &mac, &own.octets(), &[0; 6], &of.octets()].concat()
}

/// An unsolicited neighbour advertisement with the override flag and the MAC as an option (RFC 4861,
/// sections 4.4 and 7.2.6).
fn neighbour_advertisement(vip: Ipv6Addr, mac: MacAddr) -> Vec<u8> {
    const ADVERTISEMENT: u8 = 136;
    const OVERRIDE: u8 = 0x20;
    const TARGET: u8 = 2;
    neighbour_message(vip, ALL_NODES, [ADVERTISEMENT, OVERRIDE], vip, (TARGET, mac))
}

/// A neighbour solicitation with the asker's MAC as an option (RFC 4861, section 4.3): who is asked takes
/// it (section 7.2.3).
fn solicitation(own: Ipv6Addr, mac: MacAddr, of: Ipv6Addr) -> Vec<u8> {
    const SOLICITATION: u8 = 135;
    const SOURCE: u8 = 1;
    neighbour_message(own, solicited_node(of), [SOLICITATION, 0], of, (SOURCE, mac))
}

fn neighbour_message(
    from: Ipv6Addr,
    to: Ipv6Addr,
    [kind, flags]: [u8; 2],
    target: Ipv6Addr,
    (option, MacAddr(mac)): (u8, MacAddr),
) -> Vec<u8> {
    // 32 bytes of ICMPv6, hop limit 255.
    const HEADER: [u8; 8] = [0x60, 0, 0, 0, 0, 32, 58, 255];
    let mut message = [0; 32];
    message[0] = kind;
    message[4] = flags;
    message[8..24].copy_from_slice(&target.octets());
    message[24..26].copy_from_slice(&[option, 1]); // Link-layer address, 8 bytes.
    message[26..].copy_from_slice(&mac);
    let mut sum = Sum::default();
    sum.add(&from.octets());
    sum.add(&to.octets());
    sum.add(&[0, 0, 0, 32, 0, 0, 0, 58]);
    sum.add(&message);
    message[2..4].copy_from_slice(&sum.finish().to_be_bytes());
    [&HEADER[..], &from.octets(), &to.octets(), &message].concat()
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

    #[test]
    fn questions_for_a_peer() {
        let ask = |own: &str, of: &str| question(own.parse().unwrap(), MAC, of.parse().unwrap());
        let Announcement { to, ethertype, packet } = ask("10.77.0.3", "10.77.0.4").unwrap();
        assert_eq!((to, ethertype), (BROADCAST, ARP));
        assert_eq!(packet[8..18], [2, 0, 10, 77, 0, 3, 10, 77, 0, 3]);
        assert_eq!(packet[18..], [0, 0, 0, 0, 0, 0, 10, 77, 0, 4]);
        let Announcement { to, ethertype, packet } = ask("fd77::3", "fd77::4").unwrap();
        assert_eq!((to, ethertype), (MacAddr([0x33, 0x33, 0xff, 0, 0, 4]), IPV6));
        assert_eq!(packet.len(), 40 + 32);
        assert_eq!(packet[40..42], [135, 0]);
        assert_eq!(packet[48..64], "fd77::4".parse::<Ipv6Addr>().unwrap().octets());
        assert_eq!(packet[64..], [1, 1, 2, 0, 10, 77, 0, 3]);
        assert_eq!(ask("10.77.0.3", "fd77::4"), None);
    }
}

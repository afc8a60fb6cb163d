//! The packets that questions are, and what answers say. Pure.

use std::net::{IpAddr, SocketAddr};

use etherparse::{
    ArpEthIpv4Packet, ArpOperation, ArpPacketSlice, EtherType, IcmpEchoHeader, Icmpv4Slice,
    Icmpv4Type, Icmpv6Slice, Icmpv6Type, IpHeaders, IpNumber, IpSlice, Ipv4Header, Ipv6Header,
    PacketBuilder, TcpHeader, TcpHeaderSlice,
    icmpv6::{Icmpv6PayloadSlice, NdpOptionSlice},
};

use super::Syn;
use crate::{model::MacAddr, net::solicited_node};

/// A SYN that is answered opens a connection at the other end, which would wait for more.
const WINDOW: u16 = 1024;
/// Further than the same network nothing is asked, but firewalls drop what has no more to live.
const TTL: u8 = 64;
/// Neighbour discovery is believed only with all of it: no router has seen it (RFC 4861, section 7.1.1).
const NEIGHBOUR_TTL: u8 = 255;
/// What echoes are filled with. A fragment of it is taken for no answer.
const FILLER: u8 = b'.';

/// A question, in one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Who has this address: ARP, or a neighbour solicitation.
    Who(IpAddr),
    /// Whether there is somebody: an echo of so many bytes, with its IP header.
    Echo(IpAddr, u32),
    /// Whether somebody listens.
    Syn(SocketAddr),
    /// That nothing follows a SYN.
    Reset(SocketAddr),
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asker {
    pub(super) mac: MacAddr,
    pub(super) address: IpAddr,
    pub(super) port: u16,
}

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Somebody has an address; the MAC that he says, if he does.
    Owner { address: IpAddr, mac: Option<MacAddr> },
    /// An echo is answered, by its number.
    Echo { from: IpAddr, number: u32 },
    /// A SYN is answered, by its number.
    Syn { from: SocketAddr, number: u32, answer: Syn },
}

impl Question {
    /// What kind of packet it is.
    pub(super) const fn ethertype(&self) -> EtherType {
        match self {
            Self::Who(IpAddr::V4(_)) => EtherType::ARP,
            Self::Echo(IpAddr::V4(_), _)
            | Self::Syn(SocketAddr::V4(_))
            | Self::Reset(SocketAddr::V4(_)) => EtherType::IPV4,
            Self::Who(IpAddr::V6(_))
            | Self::Echo(IpAddr::V6(_), _)
            | Self::Syn(SocketAddr::V6(_))
            | Self::Reset(SocketAddr::V6(_)) => EtherType::IPV6,
        }
    }

    /// The packet; its answer is known by the number. `None` if who asks is of another family.
    pub(super) fn packet(&self, asker: &Asker, number: u32) -> Option<Vec<u8>> {
        match *self {
            Self::Who(address) => who(address, asker),
            Self::Echo(of, length) => echo(of, length, asker, number),
            Self::Syn(to) => {
                let mut header = TcpHeader::new(asker.port, to.port(), number, WINDOW);
                header.syn = true;
                tcp(to.ip(), header, asker)
            }
            Self::Reset(to) => {
                let mut header =
                    TcpHeader::new(asker.port, to.port(), number.wrapping_add(1), WINDOW);
                header.rst = true;
                tcp(to.ip(), header, asker)
            }
        }
    }
}

/// The MAC by which everybody who may have an address is asked (RFC 2464, section 7, for IPv6).
pub(super) fn everybody(address: IpAddr) -> MacAddr {
    match address {
        IpAddr::V4(_) => MacAddr([0xff; 6]),
        IpAddr::V6(address) => {
            let [.., a, b, c, d] = solicited_node(address).octets();
            MacAddr([0x33, 0x33, a, b, c, d])
        }
    }
}

fn ip(to: IpAddr, asker: &Asker, ttl: u8) -> Option<IpHeaders> {
    Some(match (asker.address, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            // Lengths, protocol and checksum are the builder's. It is not to be cut into fragments.
            let header = Ipv4Header::new(0, ttl, IpNumber::UDP, from.octets(), to.octets()).ok()?;
            IpHeaders::Ipv4(header, Default::default())
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let header = Ipv6Header {
                hop_limit: ttl,
                source: from.octets(),
                destination: to.octets(),
                ..Ipv6Header::default()
            };
            IpHeaders::Ipv6(header, Default::default())
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return None,
    })
}

fn who(address: IpAddr, asker: &Asker) -> Option<Vec<u8>> {
    match (address, asker.address) {
        (IpAddr::V4(target), IpAddr::V4(own)) => Some(
            ArpEthIpv4Packet {
                operation: ArpOperation::REQUEST,
                sender_mac: asker.mac.0,
                sender_ipv4: own.octets(),
                target_mac: [0; 6],
                target_ipv4: target.octets(),
            }
            .to_bytes()
            .to_vec(),
        ),
        (IpAddr::V6(target), IpAddr::V6(_)) => {
            // The option says the asker's MAC (RFC 4861, section 4.6.1).
            let payload = [&target.octets()[..], &[1, 1], &asker.mac.0].concat();
            let mut packet = Vec::new();
            PacketBuilder::ip(ip(solicited_node(target).into(), asker, NEIGHBOUR_TTL)?)
                .icmpv6(Icmpv6Type::NeighborSolicitation)
                .write_to_vec(&mut packet, &payload)
                .ok()?;
            Some(packet)
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
    }
}

fn echo(of: IpAddr, length: u32, asker: &Asker, number: u32) -> Option<Vec<u8>> {
    let headers = match of {
        IpAddr::V4(_) => Ipv4Header::MIN_LEN + 8,
        IpAddr::V6(_) => Ipv6Header::LEN + 8,
    };
    let payload = vec![FILLER; (length as usize).saturating_sub(headers)];
    let echo = IcmpEchoHeader { id: (number >> 16) as u16, seq: number as u16 };
    let builder = PacketBuilder::ip(ip(of, asker, TTL)?);
    let mut packet = Vec::new();
    match of {
        IpAddr::V4(_) => builder
            .icmpv4(Icmpv4Type::EchoRequest(echo))
            .write_to_vec(&mut packet, &payload)
            .ok()?,
        IpAddr::V6(_) => builder
            .icmpv6(Icmpv6Type::EchoRequest(echo))
            .write_to_vec(&mut packet, &payload)
            .ok()?,
    }
    Some(packet)
}

fn tcp(to: IpAddr, header: TcpHeader, asker: &Asker) -> Option<Vec<u8>> {
    let mut packet = Vec::new();
    PacketBuilder::ip(ip(to, asker, TTL)?)
        .tcp_header(header)
        .write_to_vec(&mut packet, &[])
        .ok()?;
    Some(packet)
}

/// What a packet says, if it is an answer.
pub(super) fn hear(ethertype: EtherType, packet: &[u8]) -> Option<Heard> {
    if ethertype == EtherType::ARP {
        let arp = ArpPacketSlice::from_slice(packet).ok()?.to_packet().try_eth_ipv4().ok()?;
        let (address, mac) = (arp.sender_ipv4_addr().into(), Some(MacAddr(arp.sender_mac)));
        return (arp.operation == ArpOperation::REPLY).then_some(Heard::Owner { address, mac });
    }
    // Of an answer in fragments, the first says all.
    let ip = IpSlice::from_slice(packet).ok()?;
    let from = ip.source_addr();
    let number = |echo: IcmpEchoHeader| u32::from(echo.id) << 16 | u32::from(echo.seq);
    let payload = ip.payload();
    match payload.ip_number {
        IpNumber::ICMP => {
            let message = Icmpv4Slice::from_slice(payload.payload).ok()?;
            let Icmpv4Type::EchoReply(echo) = message.icmp_type() else { return None };
            Some(Heard::Echo { from, number: number(echo) })
        }
        IpNumber::IPV6_ICMP => {
            let message = Icmpv6Slice::from_slice(payload.payload).ok()?;
            if let Icmpv6Type::EchoReply(echo) = message.icmp_type() {
                return Some(Heard::Echo { from, number: number(echo) });
            }
            let Icmpv6PayloadSlice::NeighborAdvertisement(message) =
                message.payload_slice().ok()?
            else {
                return None;
            };
            let mac = message.options_iterator().find_map(|option| {
                let Ok(NdpOptionSlice::TargetLinkLayerAddress(option)) = option else {
                    return None;
                };
                option.link_layer_address().try_into().ok()
            });
            let address = message.target_address().into();
            Some(Heard::Owner { address, mac: mac.map(MacAddr) })
        }
        IpNumber::TCP => {
            let header = TcpHeaderSlice::from_slice(payload.payload).ok()?;
            let answer = match (header.ack(), header.syn(), header.rst()) {
                (true, true, false) => Syn::Accepted,
                (true, _, true) => Syn::Refused,
                _ => return None,
            };
            Some(Heard::Syn {
                from: SocketAddr::new(from, header.source_port()),
                number: header.acknowledgment_number().wrapping_sub(1),
                answer,
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: u32 = 0x4c56_0007;

    fn asker(address: &str) -> Asker {
        let mac = MacAddr([2, 0, 0, 0, 0, 3]);
        Asker { mac, address: address.parse().unwrap(), port: 40_000 }
    }

    fn packet(question: Question, asker: &Asker) -> Vec<u8> {
        question.packet(asker, NUMBER).unwrap()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// An IP packet with its addresses exchanged, and the same payload changed by `answer`.
    fn answered(question: &[u8], answer: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
        let ip = IpSlice::from_slice(question).unwrap();
        let [from, to] = [ip.source_addr(), ip.destination_addr()];
        let number = ip.payload().ip_number;
        let mut payload = ip.payload().payload.to_vec();
        answer(&mut payload);
        let back = Asker { address: to, ..asker("192.0.2.3") };
        let mut packet = Vec::new();
        PacketBuilder::ip(super::ip(from, &back, TTL).unwrap())
            .write(&mut packet, number, &payload)
            .unwrap();
        packet
    }

    #[test]
    fn an_arp_request_is_as_in_the_rfc_and_its_answer_is_heard() {
        let vip: IpAddr = "192.0.2.10".parse().unwrap();
        let question = Question::Who(vip);
        let request = packet(question, &asker("192.0.2.3"));
        let expected = "0001080006040001020000000003c0000203000000000000c000020a";
        assert_eq!(hex(&request), expected);
        assert_eq!(hear(question.ethertype(), &request), None, "a question is no answer");
        let mut reply = request;
        reply[7] = 2;
        reply[8..14].copy_from_slice(&[2, 0, 0, 0, 0, 11]);
        reply[14..18].copy_from_slice(&[192, 0, 2, 10]);
        // Ethernet's frames are 46 bytes at least.
        reply.resize(46, 0);
        let heard = Heard::Owner { address: vip, mac: Some(MacAddr([2, 0, 0, 0, 0, 11])) };
        assert_eq!(hear(question.ethertype(), &reply), Some(heard));
        assert_eq!(everybody(vip), MacAddr([0xff; 6]));
    }

    #[test]
    fn a_neighbour_solicitation_is_as_in_the_rfc_and_its_answer_is_heard() {
        let vip: IpAddr = "2001:db8::12:3456".parse().unwrap();
        let question = Question::Who(vip);
        let request = packet(question, &asker("2001:db8::3"));
        assert_eq!(everybody(vip).to_string(), "33:33:ff:12:34:56");
        let ip = IpSlice::from_slice(&request).unwrap();
        assert_eq!(ip.destination_addr().to_string(), "ff02::1:ff12:3456");
        assert_eq!(ip.ipv6().unwrap().header().hop_limit(), 255);
        let message = Icmpv6Slice::from_slice(ip.payload().payload).unwrap();
        let header = ip.ipv6().unwrap().header();
        assert!(message.is_checksum_valid(header.source(), header.destination()));
        let expected = "20010db8000000000000000000123456".to_owned() + "0101020000000003";
        assert_eq!(hex(message.payload()), expected);
        assert_eq!(hear(question.ethertype(), &request), None);

        let says = [2, 0, 0, 0, 0, 11];
        for (options, mac) in [(&[][..], None), (&[&[2, 1], &says[..]].concat(), Some(says))] {
            let reply = answered(&request, |payload| {
                payload[0] = 136;
                payload.truncate(24);
                payload.extend(options);
            });
            let heard = Heard::Owner { address: vip, mac: mac.map(MacAddr) };
            assert_eq!(hear(question.ethertype(), &reply), Some(heard));
        }
    }

    #[test]
    fn an_echo_has_its_length_and_its_answer_is_heard() {
        for (own, other, reply) in
            [("192.0.2.3", "192.0.2.11", 0), ("2001:db8::3", "2001:db8::11", 129)]
        {
            let other = other.parse().unwrap();
            for length in [84, 1500, 9000] {
                let question = Question::Echo(other, length);
                let request = packet(question, &asker(own));
                assert_eq!(request.len(), length as usize);
                assert_eq!(hear(question.ethertype(), &request), None);
                let heard = Some(Heard::Echo { from: other, number: NUMBER });
                let whole = answered(&request, |payload| payload[0] = reply);
                assert_eq!(hear(question.ethertype(), &whole), heard);
                let first = answered(&request, |payload| {
                    payload[0] = reply;
                    payload.truncate(48);
                });
                assert_eq!(hear(question.ethertype(), &first), heard);
                let next = answered(&request, |payload| drop(payload.drain(..8)));
                assert_eq!(hear(question.ethertype(), &next), None);
            }
        }
    }

    #[test]
    fn a_syn_is_answered_and_taken_back() {
        for (own, other) in [("192.0.2.3", "192.0.2.10:80"), ("2001:db8::3", "[2001:db8::10]:80")] {
            let other: SocketAddr = other.parse().unwrap();
            let question = Question::Syn(other);
            let request = packet(question, &asker(own));
            assert_eq!(hear(question.ethertype(), &request), None);
            let answer = |flags: u8| {
                answered(&request, |payload| {
                    payload[0..2].copy_from_slice(&80_u16.to_be_bytes());
                    payload[8..12].copy_from_slice(&(NUMBER + 1).to_be_bytes());
                    payload[13] = flags;
                })
            };
            for (flags, answer, expected) in [
                (0x12, answer(0x12), Some(Syn::Accepted)),
                (0x14, answer(0x14), Some(Syn::Refused)),
                (0x10, answer(0x10), None),
            ] {
                let heard =
                    expected.map(|answer| Heard::Syn { from: other, number: NUMBER, answer });
                assert_eq!(hear(question.ethertype(), &answer), heard, "flags {flags:x}");
            }
            let reset = packet(Question::Reset(other), &asker(own));
            let ip = IpSlice::from_slice(&reset).unwrap();
            let header = TcpHeaderSlice::from_slice(ip.payload().payload).unwrap();
            assert!(header.rst() && !header.syn() && !header.ack());
            assert_eq!(header.sequence_number(), NUMBER + 1);
            assert_eq!((header.source_port(), header.destination_port()), (40_000, 80));
        }
    }

    #[test]
    fn nobody_asks_in_another_family() {
        let other: IpAddr = "2001:db8::10".parse().unwrap();
        let questions =
            [Question::Who(other), Question::Echo(other, 84), Question::Syn((other, 80).into())];
        for question in questions {
            assert_eq!(question.packet(&asker("192.0.2.3"), NUMBER), None);
        }
    }

    proptest::proptest! {
        /// Whatever is on the wire.
        #[test]
        fn anything_can_be_heard(bytes: Vec<u8>, kind in 0..3_usize) {
            let kinds = [EtherType::ARP, EtherType::IPV4, EtherType::IPV6];
            let _heard = hear(kinds[kind], &bytes);
        }
    }
}

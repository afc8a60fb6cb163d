//! The table of packets.

pub mod stateless;
mod v6;

use lvs_common::fate::Fate;

use crate::{
    frames::{self as f, ACK, FIN_ACK, Flags, RST, SYN, SYN_ACK},
    world::{
        ANY_PORT, ANY_PORT_VIP, DIRECTOR_MAC, DNS, DOWN, DOWN_PORT, EMPTY_PORT, FAR, FAR_PORT,
        IN_VLAN, LOST_PORT, ONE_PACKET, ONE_PACKET_PORT, Place, SINGLE, SINGLE_PORT, SORRY,
        SORRY_PORT, STICKY, STICKY_PORT, UNTAGGED, UNTAGGED_PORT, VIP, VLAN, VLAN_PORT,
    },
};

/// A packet, what came before it, and what should become of it.
pub struct Case {
    pub name: &'static str,
    pub before: Vec<Vec<u8>>,
    pub frame: Vec<u8>,
    pub expected: Expected,
}

/// What should become of a packet.
pub enum Expected {
    /// Given to the kernel as it came.
    Passed(Fate),
    /// Dropped.
    Dropped(Fate),
    /// Sent back as this frame.
    Answered(Fate, Vec<u8>),
    /// Sent to a real server, as this frame.
    Forwarded { to: Place, frame: Vec<u8>, connections: u64 },
}

/// All of them. Each has client ports of its own, so that they can share one world.
pub fn all() -> Vec<Case> {
    let groups = [
        forwarded(),
        vlans(),
        services(),
        fragments(),
        icmp(),
        passed(),
        dropped(),
        arp(),
        v6::all(),
    ];
    groups.into_iter().flatten().collect()
}

fn forwarded() -> Vec<Case> {
    let single = |name, before: &[Flags], flags, connections, port: u16| {
        let before = before.iter().map(|&flags| f::tcp(port, SINGLE_PORT, flags)).collect();
        to(name, before, f::tcp(port, SINGLE_PORT, flags), SINGLE, connections)
    };
    vec![
        single("a SYN begins a connection", &[], SYN, 1, 1001),
        single("the SYN again is of the same connection", &[SYN], SYN, 0, 1002),
        single("an ACK of a known connection", &[SYN], ACK, 0, 1003),
        single("a FIN of a known connection", &[SYN, ACK], FIN_ACK, 0, 1004),
        single("the last ACK after the FIN", &[SYN, ACK, FIN_ACK], ACK, 0, 1005),
        single("a RST of a known connection", &[SYN, ACK], RST, 0, 1006),
        single("a SYN after the FIN: the port again", &[SYN, ACK, FIN_ACK], SYN, 1, 1007),
        single("an ACK of no connection goes where it will be reset", &[], ACK, 0, 1008),
        single("a FIN of no connection", &[], FIN_ACK, 0, 1009),
        single("a RST of no connection", &[], RST, 0, 1010),
        single("a SYN-ACK begins nothing", &[], SYN_ACK, 0, 1011),
        single("an ACK of no connection is not remembered", &[ACK], SYN, 1, 1012),
        to("the first datagram", vec![], f::udp(2001, 53, b"query"), DNS, 1),
        to("the second datagram", vec![f::udp(2002, 53, b"a")], f::udp(2002, 53, b"b"), DNS, 0),
        to("an empty datagram", vec![], f::udp(2003, 53, b""), DNS, 1),
        to("data", vec![], f::tcp_data(1013, SINGLE_PORT, &[0xa5; 1400]), SINGLE, 0),
        to(
            "options in the IPv4 header",
            vec![],
            f::tcp_with_ip_options(&[1; 8], 1014, SINGLE_PORT, SYN),
            SINGLE,
            1,
        ),
        to(
            "as many options as there can be",
            vec![],
            f::tcp_with_ip_options(&[1; 40], 1015, SINGLE_PORT, SYN),
            SINGLE,
            1,
        ),
        to(
            "padding after the packet is sent along and not counted",
            vec![],
            [f::udp(2004, 53, b""), vec![0; 18]].concat(),
            DNS,
            1,
        ),
        to(
            "don't fragment is no fragment",
            vec![],
            f::patched(f::tcp(1016, SINGLE_PORT, SYN), 20, &[0x40, 0]),
            SINGLE,
            1,
        ),
    ]
}

/// A packet that is forwarded with nothing but its MACs changed.
fn to(
    name: &'static str,
    before: Vec<Vec<u8>>,
    frame: Vec<u8>,
    to: Place,
    connections: u64,
) -> Case {
    let expected = Expected::Forwarded { to, frame: f::forwarded(&frame, to), connections };
    Case { name, before, frame, expected }
}

fn vlans() -> Vec<Case> {
    let becomes = |name, frame: Vec<u8>, after: Vec<u8>, to| {
        let expected = Expected::Forwarded { to, frame: f::forwarded(&after, to), connections: 1 };
        Case { name, before: vec![], frame, expected }
    };
    let syn = |port, service| f::tcp(port, service, SYN);
    let tagged = |port, service, id| f::tagged(syn(port, service), id);
    vec![
        to("a tag stays", vec![], tagged(5001, SINGLE_PORT, 10), SINGLE, 1),
        to("two tags stay", vec![], f::tagged(tagged(5002, SINGLE_PORT, 10), 99), SINGLE, 1),
        to("UDP in a VLAN", vec![], f::tagged(f::udp(5003, 53, b"query"), 10), DNS, 1),
        becomes(
            "the tag of the real server's VLAN in place of another",
            tagged(5004, VLAN_PORT, 0x6000 | 10),
            tagged(5004, VLAN_PORT, 0x6000 | VLAN),
            IN_VLAN,
        ),
        becomes(
            "the tag of the real server's VLAN where there was none",
            syn(5005, VLAN_PORT),
            tagged(5005, VLAN_PORT, VLAN),
            IN_VLAN,
        ),
        becomes(
            "the outer of two tags is changed",
            f::tagged(tagged(5006, VLAN_PORT, 30), 10),
            f::tagged(tagged(5006, VLAN_PORT, 30), VLAN),
            IN_VLAN,
        ),
        becomes(
            "no tag for a real server without one",
            tagged(5007, UNTAGGED_PORT, 10),
            f::untagged(tagged(5007, UNTAGGED_PORT, 10)),
            UNTAGGED,
        ),
        to("no tag and none needed", vec![], syn(5008, UNTAGGED_PORT), UNTAGGED, 1),
        Case {
            name: "a tag in a frame that ends with it",
            before: vec![],
            frame: truncated(tagged(5009, SINGLE_PORT, 10), 16),
            expected: Expected::Passed(Fate::PassedMalformed),
        },
        Case {
            name: "who has the VIP, in a VLAN?",
            before: vec![],
            frame: f::tagged(f::arp(1, VIP), 10),
            expected: Expected::Answered(Fate::AnsweredArp, f::tagged(f::arp_reply(VIP), 10)),
        },
    ]
}

fn services() -> Vec<Case> {
    let syn = |port, service| f::tcp(port, service, SYN);
    let [first, second] = ONE_PACKET;
    let [sticky, other] = STICKY;
    let from = |client: [u8; 4], frame: Vec<u8>| f::patched(frame, 26, &client);
    let known = f::tcp(6008, DOWN_PORT, ACK);
    vec![
        to("a real server behind another interface", vec![], syn(6001, FAR_PORT), FAR, 1),
        to("the sorry server", vec![], syn(6002, SORRY_PORT), SORRY, 1),
        to("one packet at a time: first", vec![], f::udp(6003, ONE_PACKET_PORT, b"a"), first, 1),
        to("one packet at a time: second", vec![], f::udp(6003, ONE_PACKET_PORT, b"b"), second, 1),
        to("a client begins to stay", vec![], syn(6004, STICKY_PORT), sticky, 1),
        to("a client stays", vec![], syn(6005, STICKY_PORT), sticky, 1),
        to(
            "another client of the same network stays there, too",
            vec![],
            from([10, 77, 0, 9], syn(6006, STICKY_PORT)),
            sticky,
            1,
        ),
        to(
            "a client of another network goes elsewhere",
            vec![],
            from([10, 78, 0, 9], syn(6006, STICKY_PORT)),
            other,
            1,
        ),
        to(
            "any port of an address",
            vec![],
            f::tcp_to(ANY_PORT_VIP, 6007, 12_345, SYN, b""),
            ANY_PORT,
            1,
        ),
        Case {
            name: "any TCP port, but no UDP port",
            before: vec![],
            frame: f::patched(f::udp(6007, 12_345, b""), 30, &ANY_PORT_VIP),
            expected: Expected::Passed(Fate::PassedNoService),
        },
        // Turns: the first goes to the one that is down.
        Case {
            name: "a turn of a real server that is down",
            before: vec![],
            frame: syn(6009, DOWN_PORT),
            expected: Expected::Dropped(Fate::DroppedNoRealServer),
        },
        to(
            "its connection is given to another at the next packet",
            vec![],
            f::tcp(6009, DOWN_PORT, SYN),
            DOWN[1],
            1,
        ),
        to(
            "and stays there",
            vec![f::tcp(6009, DOWN_PORT, ACK)],
            f::tcp(6009, DOWN_PORT, ACK),
            DOWN[1],
            0,
        ),
        Case {
            name: "a packet that comes back from its real server",
            before: vec![syn(6010, SINGLE_PORT)],
            frame: f::patched(f::tcp(6010, SINGLE_PORT, ACK), 6, &SINGLE.mac()),
            expected: Expected::Dropped(Fate::DroppedLoop),
        },
        Case {
            name: "a packet that comes back from another director",
            before: vec![syn(6011, SINGLE_PORT)],
            frame: f::patched(f::tcp(6011, SINGLE_PORT, ACK), 6, &DIRECTOR_MAC),
            expected: Expected::Dropped(Fate::DroppedLoop),
        },
        to(
            "a SYN again, of a half-open connection",
            vec![syn(6012, 80), syn(6012, 80), syn(6013, SINGLE_PORT)],
            syn(6013, SINGLE_PORT),
            SINGLE,
            0,
        ),
        Case {
            name: "a stray of a service whose first real server is down",
            before: vec![],
            frame: known,
            expected: stray_of_down(),
        },
    ]
}

/// The client's address decides which slot a stray goes to.
fn stray_of_down() -> Expected {
    let frame = f::tcp(6008, DOWN_PORT, ACK);
    Expected::Forwarded { to: DOWN[1], frame: f::forwarded(&frame, DOWN[1]), connections: 0 }
}

fn fragments() -> Vec<Case> {
    let [first, later] = f::fragments(7001, 53, 501);
    let [_, lost] = f::fragments(7002, 53, 502);
    vec![
        to("the first fragment of a datagram", vec![], first, DNS, 1),
        to("the later fragment follows it", vec![], later.clone(), DNS, 0),
        to("and again", vec![later.clone()], later, DNS, 0),
        Case {
            name: "a later fragment whose first has not been seen",
            before: vec![],
            frame: lost,
            expected: Expected::Dropped(Fate::DroppedFragment),
        },
    ]
}

fn icmp() -> Vec<Case> {
    let error = |kind, code, port| f::icmp_error(kind, code, 6, port, SINGLE_PORT);
    let open = |port| vec![f::tcp(port, SINGLE_PORT, SYN), f::tcp(port, SINGLE_PORT, ACK)];
    let half_open = |port| vec![f::tcp(port, SINGLE_PORT, SYN)];
    let ping = f::ping(VIP);
    let passed = |name, frame| Case {
        name,
        before: vec![],
        frame,
        expected: Expected::Passed(Fate::PassedIcmp),
    };
    vec![
        to("fragmentation needed", open(8001), error(3, 4, 8001), SINGLE, 0),
        to("port unreachable", open(8002), error(3, 3, 8002), SINGLE, 0),
        to("time exceeded", open(8003), error(11, 0, 8003), SINGLE, 0),
        to("an error about a half-open connection", half_open(8004), error(3, 1, 8004), SINGLE, 0),
        to(
            "an error about UDP",
            vec![f::udp(8005, 53, b"a"), f::udp(8005, 53, b"b")],
            f::icmp_error(3, 4, 17, 8005, 53),
            DNS,
            0,
        ),
        passed("an error about no connection", error(3, 4, 8006)),
        passed("an error about another protocol", f::icmp_error(3, 4, 47, 8007, SINGLE_PORT)),
        passed("an ICMP redirect", error(5, 0, 8001)),
        Case {
            name: "ping of the VIP",
            before: vec![],
            frame: ping.clone(),
            expected: Expected::Answered(Fate::AnsweredEcho, f::pong(&ping)),
        },
        Case {
            name: "ping that has come far",
            before: vec![],
            frame: f::with_ttl(ping.clone(), 3),
            expected: Expected::Answered(Fate::AnsweredEcho, f::pong(&ping)),
        },
    ]
}

fn passed() -> Vec<Case> {
    let syn = || f::tcp(3000, SINGLE_PORT, SYN);
    [
        ("another port", f::tcp(3001, 8080, SYN), Fate::PassedNoService),
        ("another protocol on the port", f::udp(3002, SINGLE_PORT, b"x"), Fate::PassedNoService),
        (
            "another address",
            f::tcp_to([10, 77, 0, 3], 3003, SINGLE_PORT, SYN, b""),
            Fate::PassedNoVip,
        ),
        ("ping of the director", f::ping([10, 77, 0, 3]), Fate::PassedNoVip),
        (
            "ping of the director in a VLAN",
            f::tagged(f::ping([10, 77, 0, 3]), 10),
            Fate::PassedNoVip,
        ),
        ("ping of all hosts", f::ping([224, 0, 0, 1]), Fate::PassedNoVip),
        ("multicast", f::tcp_to([224, 0, 0, 251], 3005, 80, SYN, b""), Fate::PassedNoVip),
        ("an unknown EtherType", f::patched(syn(), 12, &[0x88, 0xb5]), Fate::PassedOtherEthertype),
        (
            "a later fragment for another address",
            f::patched(f::tcp_to([10, 77, 0, 3], 3004, 80, SYN, b""), 20, &[0, 185]),
            Fate::PassedNoVip,
        ),
        ("a frame that ends in its Ethernet header", truncated(syn(), 14), Fate::PassedMalformed),
        ("a frame that ends in its IPv4 header", truncated(syn(), 33), Fate::PassedMalformed),
        ("a frame that ends in its TCP header", cut(syn(), 34 + 13), Fate::PassedMalformed),
        ("a frame that ends in its UDP header", cut(f::udp(1, 53, b""), 37), Fate::PassedMalformed),
        ("IP version 6 in an IPv4 frame", f::patched(syn(), 14, &[0x65]), Fate::PassedMalformed),
        ("a header of four words", f::patched(syn(), 14, &[0x44]), Fate::PassedMalformed),
        ("a packet longer than its frame", f::patched(syn(), 16, &[1, 0]), Fate::PassedMalformed),
        (
            "a packet shorter than its header",
            f::patched(syn(), 16, &[0, 19]),
            Fate::PassedMalformed,
        ),
    ]
    .into_iter()
    .map(|(name, frame, fate)| Case {
        name,
        before: vec![],
        frame,
        expected: Expected::Passed(fate),
    })
    .collect()
}

fn dropped() -> Vec<Case> {
    [
        ("no real server", f::tcp(4001, EMPTY_PORT, SYN), Fate::DroppedNoRealServer),
        ("no real server for a stray", f::tcp(4002, EMPTY_PORT, ACK), Fate::DroppedNoRealServer),
        (
            "a real server without a MAC",
            f::tcp(4003, LOST_PORT, SYN),
            Fate::DroppedNeighbourUnknown,
        ),
    ]
    .into_iter()
    .map(|(name, frame, fate)| Case {
        name,
        before: vec![],
        frame,
        expected: Expected::Dropped(fate),
    })
    .collect()
}

fn arp() -> Vec<Case> {
    let passed = |name, frame| Case {
        name,
        before: vec![],
        frame,
        expected: Expected::Passed(Fate::PassedArp),
    };
    vec![
        Case {
            name: "who has the VIP?",
            before: vec![],
            frame: f::arp(1, VIP),
            expected: Expected::Answered(Fate::AnsweredArp, f::arp_reply(VIP)),
        },
        passed("who has the director's own address?", f::arp(1, [10, 77, 0, 3])),
        passed("an ARP reply", f::arp(2, VIP)),
        passed("ARP for another kind of network", f::patched(f::arp(1, VIP), 15, &[6])),
        Case {
            name: "ARP that is cut short",
            before: vec![],
            frame: truncated(f::arp(1, VIP), 41),
            expected: Expected::Passed(Fate::PassedMalformed),
        },
    ]
}

/// The first bytes of a frame.
fn truncated(mut frame: Vec<u8>, length: usize) -> Vec<u8> {
    frame.truncate(length);
    frame
}

/// The first bytes of an IPv4 frame, with a total length that fits.
fn cut(frame: Vec<u8>, length: usize) -> Vec<u8> {
    let total = ((length - 14) as u16).to_be_bytes();
    f::patched(truncated(frame, length), 16, &total)
}

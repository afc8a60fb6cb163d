//! The table of packets.

use lvs_common::fate::Fate;

use crate::{
    frames::{self as f, ACK, FIN_ACK, Flags, RST, SYN, SYN_ACK},
    world::{DNS, EMPTY_PORT, LOST_PORT, Place, SINGLE, SINGLE_PORT, VIP},
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
    [forwarded(), passed(), dropped(), arp()].into_iter().flatten().collect()
}

fn forwarded() -> Vec<Case> {
    let to = |name, before, frame: Vec<u8>, to, connections| {
        let expected = Expected::Forwarded { to, frame: f::forwarded(&frame, to), connections };
        Case { name, before, frame, expected }
    };
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
        single("a SYN after the FIN: the port again", &[SYN, ACK, FIN_ACK], SYN, 0, 1007),
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

fn passed() -> Vec<Case> {
    let syn = || f::tcp(3000, SINGLE_PORT, SYN);
    [
        ("another port", f::tcp(3001, 8080, SYN), Fate::PassedNoService),
        ("another protocol on the port", f::udp(3002, SINGLE_PORT, b"x"), Fate::PassedNoService),
        (
            "another address",
            f::tcp_to([10, 77, 0, 3], 3003, SINGLE_PORT, SYN, b""),
            Fate::PassedNoService,
        ),
        ("ICMP", f::ping([10, 77, 0, 3]), Fate::PassedOtherProtocol),
        ("IPv6", f::tcp_v6(), Fate::PassedOtherEthertype),
        ("an unknown EtherType", f::patched(syn(), 12, &[0x88, 0xb5]), Fate::PassedOtherEthertype),
        ("the first fragment", f::patched(syn(), 20, &[0x20, 0]), Fate::PassedFragment),
        ("a later fragment", f::patched(syn(), 20, &[0, 185]), Fate::PassedFragment),
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

//! The packets of IPv6.

use lvs_common::fate::Fate;

use super::{Case, Expected, to, truncated};
use crate::{
    frames::{
        self as f, ACK, FIN_ACK, SYN,
        v6::{self, CLIENT, DIRECTOR},
    },
    world::{
        DIRECTOR_MAC, DNS_V6, IN_VLAN_V6, SINGLE_PORT, SINGLE_V6, STICKY_PORT, STICKY_V6, VIP_V6,
        VLAN, VLAN_PORT,
    },
};

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;
const ALL_NODES: [u8; 16] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/// An extension header of `units` times eight bytes, and eight more; options are padding.
fn padding(units: u8) -> Vec<u8> {
    let length = usize::from(units) * 8 + 4;
    [&[units, 1, length as u8], &vec![0; length][..]].concat()
}

pub fn all() -> Vec<Case> {
    let groups = [forwarded(), extensions(), fragments(), icmp(), solicitations(), passed()];
    groups.into_iter().flatten().collect()
}

fn case(name: &'static str, frame: Vec<u8>, expected: Expected) -> Case {
    Case { name, before: vec![], frame, expected }
}

fn forwarded() -> Vec<Case> {
    let single = |name, before: &[f::Flags], flags, connections, port| {
        let before = before.iter().map(|&flags| v6::tcp(port, SINGLE_PORT, flags)).collect();
        to(name, before, v6::tcp(port, SINGLE_PORT, flags), SINGLE_V6, connections)
    };
    let syn = |port, service| v6::tcp(port, service, SYN);
    let from = |client: [u8; 16], frame| f::patched(frame, 22, &client);
    let mut neighbour = CLIENT;
    neighbour[15] = 9;
    let mut stranger = CLIENT;
    stranger[7] = 1;
    let [sticky, other] = STICKY_V6;
    let in_vlan = f::tagged(syn(1008, VLAN_PORT), VLAN);
    vec![
        single("a SYN over IPv6", &[], SYN, 1, 1001),
        single("an ACK of a known connection over IPv6", &[SYN], ACK, 0, 1002),
        single("established, over IPv6", &[SYN, ACK], ACK, 0, 1003),
        single("a SYN after the FIN, over IPv6", &[SYN, ACK, FIN_ACK], SYN, 1, 1004),
        single("an ACK of no connection over IPv6", &[], ACK, 0, 1005),
        to("the first datagram over IPv6", vec![], v6::udp(2001, 53, b"query"), DNS_V6, 1),
        to(
            "the second datagram over IPv6",
            vec![v6::udp(2002, 53, b"a")],
            v6::udp(2002, 53, b"b"),
            DNS_V6,
            0,
        ),
        to("an IPv6 client begins to stay", vec![], syn(1006, STICKY_PORT), sticky, 1),
        to(
            "another client of its /64 stays there, too",
            vec![],
            from(neighbour, syn(1007, STICKY_PORT)),
            sticky,
            1,
        ),
        to(
            "a client of another /64 goes elsewhere",
            vec![],
            from(stranger, syn(1007, STICKY_PORT)),
            other,
            1,
        ),
        to("a tag stays, over IPv6", vec![], f::tagged(syn(1009, SINGLE_PORT), 10), SINGLE_V6, 1),
        case(
            "the tag of the real server's VLAN, over IPv6",
            syn(1008, VLAN_PORT),
            Expected::Forwarded {
                to: IN_VLAN_V6,
                frame: f::forwarded(&in_vlan, IN_VLAN_V6),
                connections: 1,
            },
        ),
        to(
            "padding after an IPv6 packet is not counted",
            vec![],
            [syn(1010, SINGLE_PORT), vec![0; 18]].concat(),
            SINGLE_V6,
            1,
        ),
    ]
}

fn extensions() -> Vec<Case> {
    let syn = |port| v6::tcp(port, SINGLE_PORT, SYN);
    let after = |port, kinds: &[(u8, &[u8])]| {
        kinds.iter().rev().fold(syn(port), |frame, (kind, bytes)| v6::extended(frame, *kind, bytes))
    };
    let short = &padding(0)[..];
    // Of twelve bytes: units of four, and two more.
    let authentication = &[1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1][..];
    let long = &padding(60)[..];
    let forwarded =
        |name, port, kinds: &[(u8, &[u8])]| to(name, vec![], after(port, kinds), SINGLE_V6, 1);
    let malformed = |name, frame| case(name, frame, Expected::Passed(Fate::PassedMalformed));
    vec![
        forwarded("hop-by-hop options", 3001, &[(HOP_BY_HOP, short)]),
        forwarded(
            "every kind of extension header",
            3002,
            &[
                (HOP_BY_HOP, short),
                (DESTINATION_OPTIONS, short),
                (ROUTING, short),
                (AUTHENTICATION, authentication),
                (DESTINATION_OPTIONS, short),
            ],
        ),
        forwarded("a long extension header", 3003, &[(DESTINATION_OPTIONS, long)]),
        forwarded("an atomic fragment is no fragment", 3004, &[(44, &[0, 0, 0, 0, 0, 0, 9])]),
        malformed(
            "more extension headers than are walked",
            after(3005, &[(DESTINATION_OPTIONS, long), (DESTINATION_OPTIONS, long)]),
        ),
        case(
            "seven extension headers",
            after(3006, &[(DESTINATION_OPTIONS, short); 7]),
            Expected::Passed(Fate::PassedOtherProtocol),
        ),
        malformed(
            "an extension header that is cut short",
            v6::cut(after(3007, &[(DESTINATION_OPTIONS, short)]), 14 + 40 + 1),
        ),
        malformed(
            "an extension header longer than its packet",
            f::patched(after(3008, &[(DESTINATION_OPTIONS, short)]), 14 + 41, &[40]),
        ),
    ]
}

fn fragments() -> Vec<Case> {
    let [first, later] = v6::fragments(7001, 53, 0x0001_0501);
    let [_, lost] = v6::fragments(7002, 53, 0x0001_0502);
    let elsewhere = f::patched(lost.clone(), 14 + 24, &DIRECTOR);
    vec![
        to("the first fragment over IPv6", vec![], first, DNS_V6, 1),
        to("the later fragment over IPv6 follows it", vec![], later, DNS_V6, 0),
        case(
            "a later IPv6 fragment whose first has not been seen",
            lost,
            Expected::Dropped(Fate::DroppedFragment),
        ),
        case(
            "a later IPv6 fragment for another address",
            elsewhere,
            Expected::Passed(Fate::PassedNoVip),
        ),
    ]
}

fn icmp() -> Vec<Case> {
    let error = |kind, port| v6::icmp_error(kind, 0, 6, port, SINGLE_PORT);
    let open = |port| vec![v6::tcp(port, SINGLE_PORT, SYN), v6::tcp(port, SINGLE_PORT, ACK)];
    let passed = |name, frame| case(name, frame, Expected::Passed(Fate::PassedIcmp));
    vec![
        to("packet too big", open(8001), error(2, 8001), SINGLE_V6, 0),
        to("unreachable, over IPv6", open(8002), error(1, 8002), SINGLE_V6, 0),
        to("time exceeded, over IPv6", open(8003), error(3, 8003), SINGLE_V6, 0),
        to(
            "an error about UDP over IPv6",
            vec![v6::udp(8004, 53, b"a")],
            v6::icmp_error(2, 0, 17, 8004, 53),
            DNS_V6,
            0,
        ),
        passed("an ICMPv6 error about no connection", error(2, 8005)),
        passed("a router advertisement", error(134, 8001)),
        case(
            "ping of the director's IPv6 address",
            v6::ping(DIRECTOR),
            Expected::Passed(Fate::PassedNoVip),
        ),
        case(
            "ping of the IPv6 VIP",
            v6::ping(VIP_V6),
            Expected::Answered(Fate::AnsweredEcho, v6::pong()),
        ),
    ]
}

fn solicitations() -> Vec<Case> {
    let asked = v6::solicitation(CLIENT, VIP_V6, &v6::source_mac());
    let told = v6::advertisement(f::CLIENT_MAC, CLIENT, 0x60);
    let answered = |frame| Expected::Answered(Fate::AnsweredSolicitation, frame);
    let passed = |name, frame| case(name, frame, Expected::Passed(Fate::PassedIcmp));
    let claim = v6::solicitation([0; 16], VIP_V6, &[]);
    let refused = v6::advertisement([0x33, 0x33, 0, 0, 0, 1], ALL_NODES, 0x20);
    vec![
        case("who has the IPv6 VIP?", asked.clone(), answered(told.clone())),
        case(
            "who has the IPv6 VIP, in a VLAN?",
            f::tagged(asked.clone(), 10),
            answered(f::tagged(told.clone(), 10)),
        ),
        case("another host wants the VIP for itself", claim.clone(), answered(refused.clone())),
        case(
            "and wants it in two VLANs",
            f::tagged(f::tagged(claim, 10), 99),
            answered(f::tagged(f::tagged(refused, 10), 99)),
        ),
        case(
            "is the IPv6 VIP still there?",
            v6::solicitation_to((DIRECTOR_MAC, VIP_V6), CLIENT, VIP_V6, &v6::source_mac()),
            answered(told.clone()),
        ),
        passed(
            "who has the director's own IPv6 address?",
            v6::solicitation(CLIENT, DIRECTOR, &v6::source_mac()),
        ),
        passed("a solicitation from beyond a router", f::patched(asked.clone(), 14 + 7, &[254])),
        passed("a solicitation of an unknown kind", f::patched(asked, 14 + 41, &[1])),
    ]
}

fn passed() -> Vec<Case> {
    let syn = || v6::tcp(3000, SINGLE_PORT, SYN);
    [
        ("another port over IPv6", v6::tcp(3001, 8080, SYN), Fate::PassedNoService),
        ("another IPv6 address", v6::tcp_to(DIRECTOR, 3003, SINGLE_PORT, SYN), Fate::PassedNoVip),
        ("multicast over IPv6", v6::tcp_to(ALL_NODES, 3005, SINGLE_PORT, SYN), Fate::PassedNoVip),
        ("another protocol over IPv6", f::patched(syn(), 14 + 6, &[47]), Fate::PassedOtherProtocol),
        ("nothing behind the headers", f::patched(syn(), 14 + 6, &[59]), Fate::PassedOtherProtocol),
        ("a frame that ends in its IPv6 header", truncated(syn(), 50), Fate::PassedMalformed),
        (
            "a frame that ends in its TCP header, over IPv6",
            v6::cut(syn(), 14 + 40 + 13),
            Fate::PassedMalformed,
        ),
        (
            "a frame that ends in its UDP header, over IPv6",
            v6::cut(v6::udp(1, 53, b""), 14 + 40 + 3),
            Fate::PassedMalformed,
        ),
        ("IP version 4 in an IPv6 frame", f::patched(syn(), 14, &[0x45]), Fate::PassedMalformed),
        (
            "an IPv6 packet longer than its frame",
            f::patched(syn(), 18, &[1, 0]),
            Fate::PassedMalformed,
        ),
    ]
    .into_iter()
    .map(|(name, frame, fate)| case(name, frame, Expected::Passed(fate)))
    .collect()
}

//! What is measured: one row of the table each.

use lvs_common::fate::Fate;

use crate::{
    floors::{Floor, MOST_IN_SMALL},
    frames::{self, ACK, SYN, fragments, icmp_error, ping, tagged, v6},
    goal::Goal,
    ours::{STATELESS_VIP, port},
    stream::{Stream, flags, padded},
    world,
};

/// Cases that are measured with the same connections in the tables.
pub(crate) struct Group {
    /// What is known beforehand, and how many flows of it.
    pub(crate) open: Vec<(Stream, u64)>,
    /// What has come before, once each.
    pub(crate) frames: Vec<Vec<u8>>,
    /// The SYNs that have filled the table of half-open connections.
    pub(crate) flood: Option<Stream>,
    /// Whether the tables of connections are as large as the small one of F.
    pub(crate) in_small_tables: bool,
    pub(crate) cases: Vec<Case>,
}

/// A row.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// How many flows the packets are of, if that matters.
    pub(crate) flows: Option<u64>,
    pub(crate) subject: Subject,
    /// What is measured just before, each time, so that the two can be compared.
    pub(crate) beside: Option<Beside>,
    pub(crate) goal: Option<Goal>,
}

/// What another is compared with.
pub(crate) struct Beside {
    pub(crate) name: String,
    pub(crate) subject: Subject,
}

/// What is run.
#[derive(Clone)]
pub(crate) enum Subject {
    Floor(Floor),
    Ours(Packets),
}

/// What our program is shown, and what must become of it.
#[derive(Clone)]
pub(crate) enum Packets {
    /// Of so many flows that are known, in turn.
    Known { stream: Stream, flows: u64 },
    /// Each of a new flow, whatever the tables hold.
    New { stream: Stream, flags: u8, begin: bool },
    /// So many SYNs or datagrams of new flows, when nothing else is known.
    First { stream: Stream, count: u32 },
    /// The ACKs after that.
    Second { stream: Stream, count: u32 },
    /// Every other one of a flow that is known, and the rest a flood: the former alone count.
    Besieged { stream: Stream, flows: u64, flood: Stream },
    /// The same one again and again, and it is not changed.
    Passed { frame: Vec<u8>, fate: Fate },
    /// The same one again and again, and it is answered.
    Answered { frame: Vec<u8>, fate: Fate },
    /// The same one again and again, and it is forwarded.
    Forwarded { frame: Vec<u8> },
}

/// So many new connections fit well among the half-open ones.
const NEW: u32 = 32_768;
/// As many as can be begun in a reasonable time when all real servers are compared for each.
const FEW: u32 = 8_192;
/// Numbers of flows: 1 is the best case, and what benchmarks like to show; with 32,768 the connections fill
/// the processor's second cache, with 524,288 hardly one of them is in any.
const FLOWS: [u64; 4] = [1, 1_024, 32_768, 524_288];

fn case(name: &'static str, packets: Packets) -> Case {
    let flows = match &packets {
        Packets::Known { flows, .. } | Packets::Besieged { flows, .. } => Some(*flows),
        Packets::New { .. }
        | Packets::First { .. }
        | Packets::Second { .. }
        | Packets::Passed { .. }
        | Packets::Answered { .. }
        | Packets::Forwarded { .. } => None,
    };
    Case { name, flows, subject: Subject::Ours(packets), beside: None, goal: None }
}

impl Case {
    fn beside(self, floor: Floor) -> Self {
        let beside = Beside { name: floor.to_string(), subject: Subject::Floor(floor) };
        Self { beside: Some(beside), ..self }
    }

    fn beside_ours(self, name: &str, packets: Packets) -> Self {
        let beside = Beside { name: name.to_owned(), subject: Subject::Ours(packets) };
        Self { beside: Some(beside), ..self }
    }

    fn at_most(self, goal: Goal) -> Self {
        Self { goal: Some(goal), ..self }
    }
}

/// Those with this in their name, and of so many flows, in the order of the table.
pub(crate) fn groups(only: &str, flows: Option<u64>) -> Vec<Group> {
    let [known_tcp_v4, known_tcp_v6] = known_tcp().map(by_size);
    let known_udp = by_size(known_udp());
    let known = [known_tcp_v4, known_tcp_v6, known_udp].into_iter().flatten();
    let rest = [stateless(), new(), strays(), flood(), others()];
    let all = [floors()].into_iter().chain(known).chain(rest);
    let some = all.map(|mut group| {
        group
            .cases
            .retain(|case| case.name.contains(only) && (flows.is_none() || case.flows == flows));
        group
    });
    some.filter(|group| !group.cases.is_empty()).collect()
}

fn group(cases: Vec<Case>) -> Group {
    Group { open: vec![], frames: vec![], flood: None, in_small_tables: false, cases }
}

/// The cases of a few flows in small tables, as F has them; the others in those that lvsd makes.
fn by_size(group: Group) -> [Group; 2] {
    let Group { open, cases, .. } = group;
    let is_small = |flows: &u64| *flows <= MOST_IN_SMALL;
    let (few, many) = cases.into_iter().partition(|it| it.flows.is_none_or(|it| is_small(&it)));
    let few_open = open.iter().map(|(stream, flows)| (stream.clone(), *flows.min(&MOST_IN_SMALL)));
    let in_small = Group { open: few_open.collect(), in_small_tables: true, ..self::group(few) };
    [in_small, Group { open, ..self::group(many) }]
}

fn floors() -> Group {
    let floor = |name, flows, floor| Case {
        name,
        flows,
        subject: Subject::Floor(floor),
        beside: None,
        goal: None,
    };
    let mut cases = vec![
        floor("empty program: XDP_PASS", None, Floor::Pass),
        floor("empty program, each packet made anew", None, Floor::PassPrepared),
        floor("empty program: XDP_TX", None, Floor::Tx),
        floor("swap MACs", None, Floor::Swap),
    ];
    cases.extend(FLOWS.map(|it| floor("F: one LRU look-up", Some(it), Floor::Lookup(it))));
    cases.push(floor("I: one LRU insertion, table full", None, Floor::Insertion));
    group(cases)
}

fn known_tcp() -> [Group; 2] {
    let (v4, v6) = (Stream::tcp(port::WRR), Stream::tcp_v6(port::WRR));
    let known = |stream: &Stream, flows| Packets::Known { stream: stream.clone(), flows };
    let most = FLOWS[FLOWS.len() - 1];
    let mut cases: Vec<_> = FLOWS
        .map(|flows| case("known TCP connection", known(&v4, flows)).beside(Floor::Lookup(flows)))
        .into();
    for (case, goal) in cases.iter_mut().zip([Some(1.1), None, Some(1.1), Some(0.6)]) {
        case.goal = goal.map(Goal::Ratio);
    }
    let cases_v6 = FLOWS.map(|flows| {
        case("known TCP connection, IPv6", known(&v6, flows))
            .beside_ours("IPv4", known(&v4, flows))
            .at_most(Goal::Ratio(1.3))
    });
    let both = vec![(v4.clone(), most), (v6, most)];
    [
        Group { open: vec![(v4, most)], ..group(cases) },
        Group { open: both, ..group(cases_v6.into()) },
    ]
}

/// TCP that is of no connection, and a connection whose packets have no plain headers.
fn strays() -> Group {
    let stream = Stream::tcp(port::WRR);
    let segment = |flags| frames::tcp(1000, port::WRR, flags);
    let in_vlan = Packets::Forwarded { frame: tagged(segment(ACK), 7) };
    let stray = Packets::New { stream, flags: flags::ACK, begin: false };
    let cases = vec![
        case("known TCP connection, in a VLAN", in_vlan).beside(Floor::Lookup(1)),
        case("TCP of no connection", stray).beside(Floor::Lookup(1)),
    ];
    Group { frames: vec![segment(SYN), segment(ACK)], ..group(cases) }
}

fn known_udp() -> Group {
    let (v4, v6) = (Stream::udp(port::WRR), Stream::udp_v6(port::WRR));
    let known = |stream: &Stream, flows| Packets::Known { stream: stream.clone(), flows };
    let mut cases: Vec<_> = FLOWS
        .map(|flows| case("known UDP flow", known(&v4, flows)).beside(Floor::Lookup(flows)))
        .into();
    cases.extend([FLOWS[0], FLOWS[2]].map(|flows| {
        case("known UDP flow, IPv6", known(&v6, flows)).beside_ours("IPv4", known(&v4, flows))
    }));
    let one_packet = Stream::udp(port::ONE_PACKET);
    let one_packet = Packets::New { stream: one_packet, flags: 0, begin: true };
    cases.push(case("UDP, each datagram scheduled", one_packet).beside(Floor::Lookup(1)));
    Group { open: vec![(v4, FLOWS[3]), (v6, FLOWS[2])], ..group(cases) }
}

fn stateless() -> Group {
    let stream = Stream::of_tcp(frames::tcp_to(STATELESS_VIP, 1000, port::STATELESS, ACK, b""));
    let known = |flows| Packets::Known { stream: stream.clone(), flows };
    let name = "any TCP packet, mh without state";
    let cases = FLOWS
        .map(|flows| case(name, known(flows)).beside(Floor::Lookup(1)).at_most(Goal::Ratio(1.3)));
    group(cases.into())
}

fn new() -> Group {
    let first = |stream: Stream, count| Packets::First { stream, count };
    let tcp = |port| first(Stream::tcp(port), NEW);
    let sticky = Stream::tcp(port::STICKY);
    let second = Packets::Second { stream: Stream::tcp(port::WRR), count: NEW };
    let cases = vec![
        case("new connection, wrr over 4", tcp(port::WRR)).at_most(Goal::Ratio(0.2)),
        case("new connection, wlc over 16", tcp(port::WLC)).at_most(Goal::Ratio(0.25)),
        case("new connection, wlc over 1,024", first(Stream::tcp(port::LARGE_WLC), FEW))
            .at_most(Goal::Nanoseconds(1500.0)),
        case("new connection, mh over 16", tcp(port::MH)),
        case("new connection, persistence, new client", first(sticky.clone(), NEW)),
        case("new connection, persistence, known client", first(sticky.by_client(), NEW)),
        case("new connection, IPv6, wrr over 4", first(Stream::tcp_v6(port::WRR), NEW)),
        case("new UDP flow, wrr over 4", first(Stream::udp(port::WRR), NEW)),
        case("first ACK of a connection", second),
    ];
    group(cases.into_iter().map(|case| case.beside(Floor::Insertion)).collect())
}

fn flood() -> Group {
    let stream = Stream::tcp(port::WRR);
    let (flows, flood) = (FLOWS[2], stream.clone());
    let known = Packets::Known { stream: stream.clone(), flows };
    let syn = Packets::New { stream: stream.clone(), flags: flags::SYN, begin: true };
    let besieged = Packets::Besieged { stream: stream.clone(), flows, flood: flood.clone() };
    let cases = vec![
        case("SYN of a flood", syn).beside(Floor::Lookup(1)).at_most(Goal::Ratio(2.0)),
        case("known TCP connection, beside a flood", besieged)
            .beside_ours("alone", known)
            .at_most(Goal::Ratio(1.2)),
    ];
    Group { open: vec![(stream, flows)], flood: Some(flood), ..group(cases) }
}

fn others() -> Group {
    const OTHER: [u8; 4] = [10, 77, 0, 3];
    let pass = |name, frame, fate| case(name, Packets::Passed { frame: padded(frame), fate });
    let other =
        |name, frame, fate| pass(name, frame, fate).beside(Floor::Pass).at_most(Goal::Ratio(2.5));
    let answer =
        |name, frame, fate| case(name, Packets::Answered { frame, fate }).beside(Floor::Lookup(1));
    let forward = |name, frame| case(name, Packets::Forwarded { frame }).beside(Floor::Lookup(1));
    let [first, later] = fragments(1001, port::WRR, 501);
    let [first_v6, later_v6] = v6::fragments(1001, port::WRR, 501);
    let segment = |flags| frames::tcp(1000, port::WRR, flags);
    let cases = vec![
        other("not ours", frames::tcp_to(OTHER, 1000, port::NONE, ACK, b""), Fate::PassedNoVip),
        other("not ours, IPv6", v6::tcp_to(v6::DIRECTOR, 1000, port::NONE, ACK), Fate::PassedNoVip),
        // Looked up like those of services, among which it might be.
        pass("another port of a VIP", frames::tcp(1000, port::NONE, ACK), Fate::PassedNoService),
        other("echo request, not ours", ping(OTHER), Fate::PassedNoVip),
        other("ARP, not ours", frames::arp(1, OTHER), Fate::PassedArp),
        answer("ARP for a VIP", frames::arp(1, world::VIP), Fate::AnsweredArp),
        answer("echo request for a VIP", ping(world::VIP), Fate::AnsweredEcho),
        forward("ICMP error of a connection", icmp_error(3, 4, 6, 1000, port::WRR)),
        forward("ICMPv6 error of a connection", v6::icmp_error(2, 0, 6, 1000, port::WRR)),
        forward("later fragment", later),
        forward("later fragment, IPv6", later_v6),
    ];
    let segment_v6 = |flags| v6::tcp(1000, port::WRR, flags);
    let known = [segment(SYN), segment(ACK), segment_v6(SYN), segment_v6(ACK)];
    Group { frames: [&known[..], &[first, first_v6]].concat(), ..group(cases) }
}

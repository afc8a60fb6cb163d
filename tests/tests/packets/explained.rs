//! What the program says that it would do is what it then does, and by saying so it changes nothing.

use std::{net::Ipv4Addr, time::Duration};

use lvs_common::{
    abi::real_server_state,
    fate::Fate,
    forward::{Explanation, Reason, Verdict},
};
use lvs_userspace::{
    config::Persistence,
    dataplane::{Placement, RealServer, Service},
    model::{Protocol, Scheduler, ServiceId},
};
use proptest::prelude::*;

use crate::{
    Runner,
    cases::{Case, Expected},
    frames as f,
    host::{BUCKETS, HostTables},
    services::{place, service},
    world,
};

/// Whether the packet begins a connection, if the reason says so.
fn begins(explained: &Explanation) -> Option<bool> {
    match explained.reason() {
        Some(Reason::Persistence | Reason::Scheduler | Reason::SorryServer) => Some(true),
        Some(Reason::Connection | Reason::Stray) | None => Some(false),
        // Of any packet.
        Some(Reason::Unrecorded) => None,
    }
}

/// Compares an explanation with what is expected of the case. Packets for a VIP and of no flow have none.
pub fn check(case: &Case, explained: Option<Explanation>) {
    let name = case.name;
    match (explained, &case.expected) {
        (Some(explained), Expected::Forwarded { to, connections, .. }) => {
            assert_eq!(explained.fate(), None, "{name}: {explained:?}");
            assert_eq!(explained.real_server, to.index, "{name}: {explained:?}");
            let begins = begins(&explained).map_or(*connections, u64::from);
            assert_eq!(begins, *connections, "{name}: {explained:?}");
        }
        (Some(explained), Expected::Passed(fate) | Expected::Dropped(fate)) => {
            assert_eq!(explained.fate(), Some(*fate), "{name}: {explained:?}");
        }
        (Some(explained), Expected::Answered(..)) => panic!("{name}: {explained:?}"),
        (None, Expected::Forwarded { connections, .. }) => {
            assert_eq!(*connections, 0, "{name}: it begins a connection, so it is of a flow");
        }
        (None, Expected::Passed(fate) | Expected::Dropped(fate)) => {
            let of_flows = [
                Fate::PassedNoVip,
                Fate::PassedNoService,
                Fate::DroppedNoRealServer,
                Fate::DroppedNeighbourUnknown,
            ];
            assert!(!of_flows.contains(fate), "{name}: no explanation");
        }
        (None, Expected::Answered(..)) => {}
    }
}

/// However often it is asked, neither is a turn taken nor a client bound to a real server.
pub fn asking_takes_no_turn(runner: &mut impl Runner) {
    for (service, port) in [(80, 40_000), (world::STICKY_PORT, 41_000)] {
        for number in 0..12 {
            // Each from a network of its own, so that persistence does not hold them together.
            let client = [11, 0, number, 1];
            let syn = f::patched(f::tcp(port, service, f::SYN), 26, &client);
            let explained = runner.explain(&syn).expect("a packet of a flow");
            for _ in 0..5 {
                assert_eq!(runner.explain(&syn), Some(explained));
                let other = f::patched(syn.clone(), 26, &[12, 0, number, 1]);
                let explained_too = runner.explain(&other).expect("a packet of a flow");
                assert_eq!(explained_too.real_server, explained.real_server);
            }
            let before = runner.real_server_traffic(explained.real_server);
            assert_eq!(runner.run(&mut syn.clone()), Verdict::Transmit);
            let after = runner.real_server_traffic(explained.real_server);
            assert_eq!(after.connections, before.connections + 1, "{explained:?}");
        }
    }
}

#[test]
fn asking_takes_no_turn_on_the_host() {
    asking_takes_no_turn(&mut HostTables::new(world::tables()));
}

/// One thing that happens to a director.
#[derive(Clone, Debug)]
enum Step {
    /// A packet comes.
    Packet(Vec<u8>),
    /// So many units of the clock go by.
    Wait(u64),
    /// A real server's place is in this state now.
    State(u32, u32),
    /// The director is active, or not.
    Active(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let flags = prop_oneof![
        5 => Just(f::SYN),
        3 => Just(f::ACK),
        2 => Just(f::FIN_ACK),
        1 => Just(f::RST),
    ];
    // Few clients, so that they meet their connections again.
    let client = (0..3u8, 0..2u8).prop_map(|(net, host)| [11, 0, net, host]);
    let ports = (1..4u16, prop_oneof![6 => Just(80), 1 => Just(81), 1 => Just(53)]);
    let receiver = prop_oneof![
        12 => Just(world::VIP),
        1 => Just([10, 77, 0, 3]),
        1 => Just([224, 0, 0, 1]),
    ];
    // Those with a tag do not take the shortcut.
    let tag = prop::option::weighted(0.2, Just(7));
    let packet = (any::<bool>(), flags, client, ports, receiver, tag).prop_map(
        |(tcp, flags, client, (from, to), receiver, tag)| {
            let frame = if tcp { f::tcp(from, to, flags) } else { f::udp(from, to, b"query") };
            let frame = f::patched(f::patched(frame, 26, &client), 30, &receiver);
            Step::Packet(match tag {
                Some(id) => f::tagged(frame, id),
                None => frame,
            })
        },
    );
    let states = [
        real_server_state::VACANT,
        real_server_state::READY,
        real_server_state::NEIGHBOUR_UNKNOWN,
        real_server_state::DOWN,
    ];
    prop_oneof![
        20 => packet,
        2 => (0..200u64).prop_map(Step::Wait),
        2 => (1..12u32, prop::sample::select(states.to_vec())).prop_map(|(at, to)| Step::State(at, to)),
        1 => any::<bool>().prop_map(Step::Active),
    ]
}

fn scheduler() -> impl Strategy<Value = Scheduler> {
    use Scheduler::{Dh, Lc, Nq, Sed, Sh, Wlc, Wrr};
    prop::sample::select(vec![Wrr, Lc, Wlc, Sed, Nq, Sh, Dh])
}

/// A service of the VIP, TCP 80 or all TCP ports or UDP 53, with any settings.
fn any_service(protocol: Protocol, port: u16, first_number: u16) -> impl Strategy<Value = Service> {
    let weights_and_thresholds =
        prop::collection::vec((0..4u16, 0..3u32, 0..3u32, any::<bool>()), 0..4);
    let persistence = prop::option::of((1..100u64, 0..=32u8));
    (scheduler(), weights_and_thresholds, persistence, any::<[bool; 3]>()).prop_map(
        move |(scheduler, servers, persistence, [one_packet, has_sorry, stateless])| {
            let numbers: Vec<_> = (first_number..).zip(&servers).map(|(n, it)| (n, it.0)).collect();
            let plain = service(world::VIP.into(), scheduler, &numbers);
            let sorry = service(world::VIP.into(), scheduler, &[(first_number + 9, 1)]);
            let with_limits =
                |(server, &(_, lower, more, is_down)): (RealServer, &(u16, u32, u32, bool))| {
                    RealServer {
                        upper_threshold: if lower + more == 0 { 0 } else { lower + more },
                        lower_threshold: lower,
                        is_down,
                        ..server
                    }
                };
            Service {
                id: ServiceId { protocol, address: Ipv4Addr::from(world::VIP).into(), port },
                persistence: persistence.map(|(timeout, granularity)| Persistence {
                    timeout: Duration::from_secs(timeout),
                    granularity,
                }),
                one_packet: one_packet && protocol == Protocol::Udp,
                stateless: stateless && matches!(scheduler, Scheduler::Sh | Scheduler::Dh),
                sorry_server: sorry.real_servers.first().copied().filter(|_| has_sorry),
                real_servers: plain
                    .real_servers
                    .into_iter()
                    .zip(&servers)
                    .map(with_limits)
                    .collect(),
                ..plain
            }
        },
    )
}

fn any_services() -> impl Strategy<Value = Vec<Service>> {
    let services = (
        any_service(Protocol::Tcp, 80, 1),
        prop::option::of(any_service(Protocol::Tcp, 0, 21)),
        prop::option::of(any_service(Protocol::Udp, 53, 41)),
    );
    services
        .prop_map(|(web, any_port, dns)| [Some(web), any_port, dns].into_iter().flatten().collect())
}

/// A counter, and how far it should go.
fn counted(host: &HostTables, explained: &Explanation) -> (u64, u64) {
    match explained.fate() {
        Some(fate) => (host.fate(fate), 0),
        None => {
            let traffic = host.real_server_traffic(explained.real_server);
            (traffic.packets, traffic.connections)
        }
    }
}

proptest! {
    #[test]
    fn what_is_explained_is_what_happens(
        services in any_services(),
        // With few, connections are in their second ones, or drive others out.
        buckets in prop_oneof![1..4u32, Just(BUCKETS)],
        known in 0..=18u8,
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut host = HostTables::new(place(&mut Placement::new(100), &services));
        host.settings.buckets = buckets;
        for number in 0..known {
            let client = [11, 0, number % 3, number / 3 % 2];
            for flags in [f::SYN, f::ACK] {
                let frame = f::tcp(1 + u16::from(number / 6), 80, flags);
                host.run(&mut f::patched(frame, 26, &client));
            }
        }
        for step in steps {
            match step {
                Step::Wait(units) => host.jiffies.set(host.jiffies.get() + (units << 8)),
                Step::State(at, state) => {
                    if let Some(real_server) = host.tables.real_servers.get_mut(&at) {
                        real_server.state = state;
                    }
                }
                Step::Active(is_active) => {
                    host.settings.active_until = if is_active { u64::MAX } else { 0 };
                }
                Step::Packet(mut frame) => {
                    let before = host.clone();
                    let explained = host.explain(&frame).expect("a packet of a flow");
                    prop_assert!(host == before, "it has changed something: {explained:?}");

                    let (packets, connections) = counted(&host, &explained);
                    let mut same = frame.clone();
                    let verdict = host.run(&mut frame);
                    let other = before;
                    prop_assert_eq!(other.run_the_whole_way(&mut same), verdict);
                    prop_assert_eq!(&same, &frame);
                    prop_assert!(other == host, "the shortcut does something else");
                    let (packets_after, connections_after) = counted(&host, &explained);
                    prop_assert_eq!(packets_after, packets + 1, "{:?}", explained);
                    match explained.fate() {
                        Some(fate) => prop_assert_eq!(verdict, lvs_common::forward::verdict(fate)),
                        None => {
                            prop_assert_eq!(verdict, Verdict::Transmit);
                            let begun = connections_after - connections;
                            let expected = begins(&explained).map_or(begun, u64::from);
                            prop_assert_eq!(begun, expected, "{:?}", explained);
                            let real_server = host.tables.real_servers[&explained.real_server];
                            prop_assert_eq!(&frame[..6], &real_server.mac);
                        }
                    }
                }
            }
        }
    }
}

//! What holds for any packet.

use lvs_common::{fate::Fate, forward::Verdict};
use proptest::prelude::*;

use crate::{
    Lease, Runner,
    frames::{self as f, v6},
    host::HostTables,
    world,
};

/// Connections begun with each of the real servers of the web service.
fn begun(runner: &impl Runner) -> [u64; 3] {
    world::WEB.map(|place| runner.real_server_traffic(place.index).connections)
}

/// The weights of the web service are 3, 2 and 1, so any six connections in a row are shared out
/// like that, wherever they start.
pub fn share_is_exact(runner: &mut impl Runner) {
    let mut earlier = vec![begun(runner)];
    for port in 0..60 {
        runner.run(&mut f::tcp(20_000 + port, 80, f::SYN));
        let now = begun(runner);
        if let Some(six_ago) = earlier.len().checked_sub(6).map(|at| earlier[at]) {
            let of_six = [0, 1, 2].map(|server| now[server] - six_ago[server]);
            assert_eq!(of_six, [3, 2, 1], "the six connections up to number {port}");
        }
        earlier.push(now);
    }
}

#[test]
fn share_is_exact_on_the_host() {
    share_is_exact(&mut HostTables::new(world::tables()));
}

/// Who has no lease leaves everything for the VIPs to the kernel, which knows nothing of them; who may
/// only forward does that alone.
pub fn it_goes_by_its_lease(runner: &mut impl Runner) {
    let solicitation = v6::solicitation(v6::CLIENT, world::VIP_V6, &v6::source_mac());
    let questions = [f::arp(1, world::VIP), f::ping(world::VIP), solicitation];
    let packets = [
        f::tcp(1000, 80, f::SYN),
        f::tcp(1000, 80, f::ACK),
        f::udp(1000, 53, b"?"),
        v6::tcp(1000, 80, f::SYN),
    ];
    for (lease, answers, forwards) in [
        (Lease::Over, false, false),
        (Lease::Whole, true, true),
        (Lease::Silent, false, true),
        (Lease::Over, false, false),
        (Lease::Whole, true, true),
    ] {
        runner.lease(lease);
        for (frames, done) in [(&questions[..], answers), (&packets[..], forwards)] {
            for frame in frames {
                let before = runner.fate(Fate::PassedInactive);
                let verdict = runner.run(&mut frame.clone());
                let expected = if done { Verdict::Transmit } else { Verdict::Pass };
                assert_eq!(verdict, expected, "{lease:?}: {frame:x?}");
                let inactive = runner.fate(Fate::PassedInactive) - before;
                assert_eq!(inactive, u64::from(!done), "{lease:?}: {frame:x?}");
            }
        }
    }
}

#[test]
fn it_goes_by_its_lease_on_the_host() {
    it_goes_by_its_lease(&mut HostTables::new(world::tables()));
}

/// The MAC of the real server that a connection's ACK goes to.
fn holder(runner: &mut impl Runner, port: u16) -> Vec<u8> {
    let mut frame = f::tcp(port, 80, f::ACK);
    runner.run(&mut frame);
    frame[..6].to_vec()
}

/// Established connections stay where they are, however many SYNs of other clients come.
pub fn a_flood_costs_no_connection(runner: &mut impl Runner, connections: u16, flood: u32) {
    let ports = 30_000..30_000 + connections;
    let mut servers = Vec::new();
    for port in ports.clone() {
        runner.run(&mut f::tcp(port, 80, f::SYN));
        servers.push(holder(runner, port));
    }
    for attacker in 0..flood {
        // Not the client's own address, whose connections these are.
        let address = (0x0b00_0000 + attacker).to_be_bytes();
        runner.run(&mut f::patched(f::tcp(attacker as u16, 80, f::SYN), 26, &address));
    }
    for (port, before) in ports.zip(servers) {
        assert_eq!(holder(runner, port), before, "the connection from port {port}");
    }
}

#[test]
fn a_flood_costs_no_connection_on_the_host() {
    a_flood_costs_no_connection(&mut HostTables::new(world::tables()), 400, 50_000);
}

/// When there are too many SYNs to be recorded, a client's next packet goes where its SYN has gone, and only
/// who has to be remembered is.
pub fn a_flood_goes_by_hash(runner: &mut impl Runner) {
    let of = |attacker: u32, port, flags| {
        let address = (0x0b00_0000 + attacker).to_be_bytes();
        f::patched(f::tcp(attacker as u16, port, flags), 26, &address)
    };
    let mut to = std::collections::BTreeSet::new();
    for attacker in 0..100_000 {
        let mut syn = of(attacker, 80, f::SYN);
        let mut ack = of(attacker, 80, f::ACK);
        let unrecorded = runner.unrecorded();
        assert_eq!(runner.run(&mut syn), Verdict::Transmit);
        let is_recorded = runner.unrecorded() == unrecorded;
        assert_eq!(runner.run(&mut ack), Verdict::Transmit);
        assert_eq!(ack[..6], syn[..6], "attacker {attacker}");
        if is_recorded {
            continue;
        }
        to.insert(syn[..6].to_vec());
        // Where a client stays is noted in any case.
        let mut sticky = of(attacker, world::STICKY_PORT, f::SYN);
        let unrecorded = runner.unrecorded();
        assert_eq!(runner.run(&mut sticky), Verdict::Transmit);
        assert_eq!(runner.unrecorded(), unrecorded);
        if to.len() == world::WEB.len() {
            return;
        }
    }
    panic!("recorded were all but those to {to:x?}");
}

#[test]
fn a_flood_goes_by_hash_on_the_host() {
    a_flood_goes_by_hash(&mut HostTables::new(world::tables()));
}

fn frame() -> impl Strategy<Value = Vec<u8>> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>())
        .prop_map(|(syn, ack, fin, rst)| f::Flags { syn, ack, fin, rst });
    let port = prop_oneof![Just(80), Just(53), 81..84u16, any::<u16>()];
    prop_oneof![
        4 => (any::<u16>(), port.clone(), flags).prop_map(|(from, port, flags)| f::tcp(from, port, flags)),
        2 => (any::<u16>(), port, prop::collection::vec(any::<u8>(), 0..100))
            .prop_map(|(from, port, payload)| f::udp(from, port, &payload)),
        1 => Just(f::arp(1, world::VIP)),
        1 => Just(f::ping(world::VIP)),
        2 => prop::collection::vec(any::<u8>(), 0..200),
    ]
}

/// A frame with some of its bytes changed and its end cut off.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let damage = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    (frame(), damage, any::<prop::sample::Index>()).prop_map(|(mut frame, damage, end)| {
        for (at, byte) in damage {
            if !frame.is_empty() {
                let at = at.index(frame.len());
                frame[at] = byte;
            }
        }
        frame.truncate(end.index(frame.len() + 1).max(frame.len() / 2));
        frame
    })
}

/// How many packets have been counted, as whatever.
fn counted(runner: &impl Runner) -> (u64, u64) {
    let fates = Fate::ALL.iter().map(|&fate| runner.fate(fate)).sum();
    let real_servers = (0..world::REAL_SERVERS).map(|it| runner.real_server_traffic(it).packets);
    (fates, real_servers.sum())
}

proptest! {
    #[test]
    fn any_bytes_end_in_exactly_one_counter(frames in prop::collection::vec(damaged(), 1..20)) {
        let mut host = HostTables::new(world::tables());
        for frame in frames {
            let (fates, forwarded) = counted(&host);
            let mut after = frame.clone();
            let verdict = host.run(&mut after);
            let (fates_after, forwarded_after) = counted(&host);

            prop_assert_eq!(fates_after - fates + forwarded_after - forwarded, 1);
            prop_assert_eq!(after.len(), frame.len());
            match verdict {
                Verdict::Pass | Verdict::Drop => prop_assert_eq!(after, frame),
                Verdict::Transmit | Verdict::Redirect(_) if forwarded_after > forwarded => {
                    prop_assert_eq!(&after[12..], &frame[12..], "only the MACs change");
                }
                Verdict::Transmit | Verdict::Redirect(_) => {}
            }
        }
    }

    #[test]
    fn a_connection_stays_with_its_server(
        first in any::<u16>(),
        others in prop::collection::vec((any::<u16>(), 0..4u8), 0..50),
    ) {
        let mut host = HostTables::new(world::tables());
        let mut syn = f::tcp(first, 80, f::SYN);
        host.run(&mut syn);
        for (port, flags) in others {
            let flags = [f::SYN, f::ACK, f::FIN_ACK, f::RST][usize::from(flags)];
            host.run(&mut f::tcp(port, 80, flags));
            let mut ack = f::tcp(first, 80, f::ACK);
            host.run(&mut ack);
            prop_assert_eq!(&ack[..6], &syn[..6]);
        }
    }
}

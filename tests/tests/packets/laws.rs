//! What holds for any packet.

use lvs_common::{abi::Traffic, fate::Fate, forward::Verdict};
use proptest::prelude::*;

use crate::{Runner, frames as f, host::HostTables, world};

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
fn counted(runner: &impl Runner) -> (u64, u64, u64) {
    let fates = Fate::ALL.iter().map(|&fate| runner.fate(fate)).sum();
    let sum = |traffic: Vec<Traffic>| traffic.iter().map(|traffic| traffic.packets).sum();
    let services = (0..world::SERVICES).map(|id| runner.service_traffic(id)).collect();
    let real_servers = (0..world::REAL_SERVERS).map(|i| runner.real_server_traffic(i)).collect();
    (fates, sum(services), sum(real_servers))
}

proptest! {
    #[test]
    fn any_bytes_end_in_exactly_one_counter(frames in prop::collection::vec(damaged(), 1..20)) {
        let mut host = HostTables::new(world::tables());
        for frame in frames {
            let (fates, services, real_servers) = counted(&host);
            let mut after = frame.clone();
            let verdict = host.run(&mut after);
            let (fates_after, services_after, real_servers_after) = counted(&host);

            prop_assert_eq!(services_after - services, real_servers_after - real_servers);
            prop_assert_eq!(fates_after - fates + services_after - services, 1);
            prop_assert_eq!(after.len(), frame.len());
            match verdict {
                Verdict::Pass | Verdict::Drop => prop_assert_eq!(after, frame),
                Verdict::Transmit | Verdict::Redirect(_) if services_after > services => {
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

use std::net::Ipv4Addr;

use super::*;
use crate::{
    dataplane::{MapWrite, Neighbour, plan},
    model::{Protocol, Scheduler, Weight},
};

/// TCP at this port of the VIP, with real servers 10.77.0.HOST of these weights.
pub(crate) fn service(port: u16, weights: &[(u8, u16)]) -> Service {
    Service {
        id: ServiceId {
            protocol: Protocol::Tcp,
            address: Ipv4Addr::new(10, 77, 0, 100).into(),
            port,
        },
        scheduler: Scheduler::Wrr,
        persistence: None,
        one_packet: false,
        lost_connections: LostConnections::Reschedule,
        sorry_server: None,
        real_servers: weights
            .iter()
            .map(|&(host, weight)| RealServer {
                address: Ipv4Addr::new(10, 77, 0, host).into(),
                weight: Weight(weight),
                upper_threshold: 0,
                lower_threshold: 0,
                latency_us: None,
                is_down: false,
                neighbour: Some(Neighbour {
                    mac: MacAddr([2, 0, 0, 0, 0, host]),
                    interface: 7,
                    source_mac: MacAddr([2, 0, 0, 0, 0, 3]),
                    vlan: None,
                }),
            })
            .collect(),
    }
}

fn clock() -> Clock {
    Clock::new(250, 0, Instant::now())
}

/// Carries a plan out on `actual` alone, and checks that no write refers to what is not there.
fn carry_out(wanted: &Tables, actual: &mut Tables) -> Vec<MapWrite> {
    let writes = plan(wanted, actual);
    for write in &writes {
        actual.note(write);
        for service in actual.services.values().filter(|service| service.n_slots > 0) {
            let (start, turns) =
                actual.slots.range(..=service.first_slot).next_back().expect("turns of a service");
            assert_eq!((*start, turns.len()), (service.first_slot, service.n_slots as usize));
            assert!(turns.iter().all(|turn| actual.real_servers.contains_key(turn)), "{write:?}");
        }
    }
    writes
}

#[test]
fn places_stay_while_other_things_change() {
    let mut placement = Placement::new(1000);
    let mut actual = Tables::default();
    let now = Instant::now();
    let interfaces = BTreeMap::from([(7, MacAddr([2, 0, 0, 0, 0, 3]))]);

    let first = [service(80, &[(11, 3), (12, 1)]), service(443, &[(11, 1)])];
    let tables = placement.place(&first, &interfaces, &clock(), now).unwrap();
    carry_out(&tables, &mut actual);
    let id = placement.service(&first[1].id);
    let index = placement.real_server(&first[1].id, Ipv4Addr::new(10, 77, 0, 11).into());

    let second = [service(443, &[(11, 1), (13, 2)])];
    let tables = placement.place(&second, &interfaces, &clock(), now).unwrap();
    carry_out(&tables, &mut actual);
    assert_eq!(placement.service(&second[0].id), id);
    assert_eq!(placement.real_server(&second[0].id, Ipv4Addr::new(10, 77, 0, 11).into()), index);
    assert_eq!(plan(&tables, &actual), []);
    assert_eq!((actual.services.len(), actual.real_servers.len(), actual.vips.len()), (1, 2, 1));
}

#[test]
fn a_change_of_weight_is_new_turns_and_one_write_of_the_service() {
    let mut placement = Placement::new(1000);
    let mut actual = Tables::default();
    let now = Instant::now();
    let tables = placement
        .place(&[service(80, &[(11, 3), (12, 1)])], &BTreeMap::new(), &clock(), now)
        .unwrap();
    carry_out(&tables, &mut actual);

    let tables = placement
        .place(&[service(80, &[(11, 3), (12, 2)])], &BTreeMap::new(), &clock(), now)
        .unwrap();
    let writes = carry_out(&tables, &mut actual);
    assert!(
        matches!(
            &writes[..],
            [
                MapWrite::SetRealServer { new: false, .. },
                MapWrite::SetLimits(..),
                MapWrite::SetSlots(..),
                MapWrite::SetService { new: false, .. }
            ]
        ),
        "{writes:?}"
    );
}

#[test]
fn too_much_changes_nothing() {
    let mut placement = Placement::new(1000);
    let now = Instant::now();
    let good = [service(80, &[(11, 1)])];
    placement.place(&good, &BTreeMap::new(), &clock(), now).unwrap();

    let many: Vec<_> = (1..=18).map(|port| service(port, &[(11, 40_000), (12, 20_001)])).collect();
    assert_eq!(placement.place(&many, &BTreeMap::new(), &clock(), now), Err(PlacementError::Slots));
    assert_eq!(placement.service(&good[0].id), Some(0));
    assert_eq!(placement.service(&many[0].id), None);
}

#[test]
fn who_keeps_its_connections_stays_until_they_are_gone() {
    let mut placement = Placement::new(1000);
    let now = Instant::now();
    let place = |placement: &mut Placement, weights| {
        let mut service = service(80, weights);
        service.lost_connections = LostConnections::Keep;
        let tables = placement.place(&[service], &BTreeMap::new(), &clock(), now).unwrap();
        (tables.real_servers.len(), tables.slots.values().map(Vec::len).sum::<usize>())
    };
    assert_eq!(place(&mut placement, &[(11, 1), (12, 1)]), (2, 2));
    assert_eq!(place(&mut placement, &[(11, 1)]), (2, 1), "12 gets no more, and stays");
    assert!(!placement.release(|_| true));
    assert_eq!(place(&mut placement, &[(11, 1)]), (2, 1));
    assert!(placement.release(|_| false));
    assert_eq!(place(&mut placement, &[(11, 1)]), (1, 1));
    assert!(!placement.release(|_| false), "11 is wanted, with connections or without");
}

#[test]
fn there_is_room_for_so_many_real_servers_and_no_more() {
    let mut placement = Placement::new(2);
    let mut place = |weights| {
        placement.place(&[service(80, weights)], &BTreeMap::new(), &clock(), Instant::now())
    };
    assert!(place(&[(11, 1), (12, 1)]).is_ok());
    assert_eq!(place(&[(11, 1), (12, 1), (13, 1)]), Err(PlacementError::RealServers));
}

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
        stateless: false,
        lost_connections: LostConnections::Reschedule,
        sorry_server: None,
        has_quorum: true,
        real_servers: weights
            .iter()
            .map(|&(host, weight)| RealServer {
                address: Ipv4Addr::new(10, 77, 0, host).into(),
                weight: Weight(weight),
                upper_threshold: 0,
                lower_threshold: 0,
                latency_us: None,
                is_down: false,
                remembered: Remembered::default(),
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

/// The tables of services that there is room for.
fn placed(placement: &mut Placement, services: &[Service], now: Instant) -> Tables {
    let (tables, placed) = placement.place(services, &BTreeMap::new(), &clock(), now);
    assert_eq!(placed, Ok(()));
    tables
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

    let first = [service(80, &[(11, 3), (12, 1)]), service(443, &[(11, 1)])];
    let tables = placed(&mut placement, &first, now);
    carry_out(&tables, &mut actual);
    let id = placement.service(&first[1].id);
    let index = placement.real_server(&first[1].id, Ipv4Addr::new(10, 77, 0, 11).into());

    let second = [service(443, &[(11, 1), (13, 2)])];
    let tables = placed(&mut placement, &second, now);
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
    let tables = placed(&mut placement, &[service(80, &[(11, 3), (12, 1)])], now);
    carry_out(&tables, &mut actual);

    let tables = placed(&mut placement, &[service(80, &[(11, 3), (12, 2)])], now);
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
fn who_keeps_its_connections_stays_until_they_are_gone() {
    let mut placement = Placement::new(1000);
    let now = Instant::now();
    let place = |placement: &mut Placement, weights| {
        let mut service = service(80, weights);
        service.lost_connections = LostConnections::Keep;
        let tables = placed(placement, &[service], now);
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

/// What there is no room for is told, and left out; everything else is as it should be.
#[test]
fn what_has_no_room_is_in_nobodys_way() {
    let now = Instant::now();
    let mut placement = Placement::new(4);
    let services = [
        service(80, &[(11, 1), (12, 1)]),
        service(81, &[(13, 1), (14, 1), (15, 1)]),
        service(82, &[]),
    ];
    let (tables, error) = placement.place(&services, &BTreeMap::new(), &clock(), now);
    assert_eq!(error, Err(PlacementError::RealServers(services[1].id)));
    assert_eq!(tables.services.len(), 3);
    let n_slots = |tables: &Tables| tables.services.values().map(|it| it.n_slots).sum::<u32>();
    assert_eq!((tables.real_servers.len(), n_slots(&tables)), (4, 4));
    // So a change of another service is followed.
    let mut changed = services.clone();
    changed[0].real_servers[0].weight = Weight(0);
    let (tables, error) = placement.place(&changed, &BTreeMap::new(), &clock(), now);
    assert_eq!(error, Err(PlacementError::RealServers(services[1].id)));
    assert_eq!(n_slots(&tables), 3);

    let mut comparing = service(80, &[]);
    comparing.scheduler = Scheduler::Wlc;
    let template = services[0].real_servers[0];
    comparing.real_servers.extend((0..1025u16).map(|host| {
        let [a, b] = host.to_be_bytes();
        RealServer { address: Ipv4Addr::new(10, 1, a, b).into(), ..template }
    }));
    let both = [comparing, service(81, &[(13, 1)])];
    let (tables, error) = Placement::new(2000).place(&both, &BTreeMap::new(), &clock(), now);
    let (service, scheduler) = (both[0].id, Scheduler::Wlc);
    assert_eq!(error, Err(PlacementError::RealServersOf { service, scheduler }));
    assert_eq!(n_slots(&tables), 1025);
}

/// No service gets the slots of another, not even before the last of the writes.
#[test]
fn where_new_slots_have_no_room_the_old_are_written_over() {
    let now = Instant::now();
    let mut placement = Placement::new(1000);
    let mut actual = Tables::default();
    // Four slots each become five.
    placement.free_slots = Ranges::new(22);
    let services = |turned: bool| -> Vec<_> {
        let weights = if turned { [(11, 1), (12, 4)] } else { [(11, 3), (12, 1)] };
        (1..=3).map(|port| service(port, &weights)).collect()
    };
    carry_out(&placed(&mut placement, &services(false), now), &mut actual);
    let (tables, error) = placement.place(&services(true), &BTreeMap::new(), &clock(), now);
    assert_eq!(error, Err(PlacementError::Slots(services(true)[2].id)));
    for service in actual.services.values() {
        let servers: BTreeSet<_> = actual.slots[&service.first_slot].iter().collect();
        // Before any service is pointed to others.
        for (&first, slots) in &tables.slots {
            let theirs = first..first + slots.len() as u32;
            let overlaps = theirs.start < service.first_slot + service.n_slots
                && theirs.end > service.first_slot;
            assert!(!overlaps || slots.iter().all(|slot| servers.contains(slot)));
        }
    }
    for write in plan(&tables, &actual) {
        actual.note(&write);
    }
    assert_eq!(plan(&tables, &actual), []);
    // A moment later there is room.
    carry_out(&placed(&mut placement, &services(true), now + GRACE), &mut actual);
}

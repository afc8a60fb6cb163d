//! Services as lvsd places them, for tests that need others than the [`world`]'s.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    time::Instant,
};

use lvs_userspace::{
    config::LostConnections,
    dataplane::{Clock, Neighbour, Placement, RealServer, Remembered, Service, Tables},
    model::{MacAddr, Protocol, Scheduler, ServiceId, Weight},
};

use crate::world;

/// MAC of the real server with this number.
pub fn mac(number: u16) -> [u8; 6] {
    let [a, b] = number.to_be_bytes();
    [2, 0, 10, 78, a, b]
}

/// The number of the real server that a frame was sent to.
pub fn number(frame: &[u8]) -> u16 {
    u16::from_be_bytes([frame[4], frame[5]])
}

/// TCP 80 of an address, with real servers of these numbers and weights.
pub fn service(vip: IpAddr, scheduler: Scheduler, servers: &[(u16, u16)]) -> Service {
    let real_server = |&(number, weight): &(u16, u16)| RealServer {
        address: Ipv4Addr::from(0x0a4e_0000 + u32::from(number)).into(),
        weight: Weight(weight),
        upper_threshold: 0,
        lower_threshold: 0,
        latency_us: None,
        is_down: false,
        remembered: Remembered::default(),
        neighbour: Some(Neighbour {
            mac: MacAddr(mac(number)),
            interface: world::INTERFACE,
            source_mac: MacAddr(world::DIRECTOR_MAC),
            vlan: None,
        }),
    };
    Service {
        id: ServiceId { protocol: Protocol::Tcp, address: vip, port: 80 },
        scheduler,
        persistence: None,
        one_packet: false,
        stateless: false,
        lost_connections: LostConnections::Reschedule,
        sorry_server: None,
        has_quorum: true,
        real_servers: servers.iter().map(real_server).collect(),
    }
}

/// What the maps should hold for these services.
pub fn place(placement: &mut Placement, services: &[Service]) -> Tables {
    let interfaces = BTreeMap::from([(world::INTERFACE, MacAddr(world::DIRECTOR_MAC))]);
    let (now, clock) = (Instant::now(), Clock::new(250, 0, Instant::now()));
    let (tables, placed) = placement.place(services, &interfaces, &clock, now);
    placed.expect("room for the services");
    tables
}

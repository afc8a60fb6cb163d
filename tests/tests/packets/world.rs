//! The tables that the packet cases are run against.

use std::net::IpAddr;

use lvs_common::abi::{self, RealServer, SAME_VLAN, Service, real_server_state, scheduler};
use lvs_userspace::dataplane::{Limits, Tables};

/// The interface that packets come in by: that of `BPF_PROG_TEST_RUN` is the loopback interface.
pub const INTERFACE: u32 = 1;
/// MAC of the director.
pub const DIRECTOR_MAC: [u8; 6] = [2, 0, 10, 77, 0, 3];
/// The virtual IP address.
pub const VIP: [u8; 4] = [10, 77, 0, 100];
/// The virtual IPv6 address.
pub const VIP_V6: [u8; 16] = [0xfd, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0];
/// A virtual address with one service for all its TCP ports.
pub const ANY_PORT_VIP: [u8; 4] = [10, 77, 0, 101];

/// Ids of services are below this.
pub const SERVICES: u32 = 40;
/// Indexes of real servers are below this.
pub const REAL_SERVERS: u32 = 80;

/// A real server of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its index.
    pub index: u32,
    /// Id of its service.
    pub service: u32,
}

impl Place {
    /// Its MAC.
    pub fn mac(self) -> [u8; 6] {
        [2, 0, 10, 77, 1, self.index as u8]
    }
}

const fn place(index: u32, service: u32) -> Place {
    Place { index, service }
}

/// TCP 80, weights 3 2 1.
pub const WEB: [Place; 3] = [place(1, 0), place(2, 0), place(3, 0)];
/// UDP 53, one real server.
pub const DNS: Place = place(4, 1);
/// TCP 81, without a real server that takes connections.
pub const EMPTY_PORT: u16 = 81;
/// TCP 82, its real server's MAC unknown.
pub const LOST_PORT: u16 = 82;
/// TCP 83, one real server.
pub const SINGLE_PORT: u16 = 83;
/// The one real server of [`SINGLE_PORT`].
pub const SINGLE: Place = place(6, 4);
/// TCP 84: a real server in VLAN 20.
pub const VLAN_PORT: u16 = 84;
/// The real server of [`VLAN_PORT`].
pub const IN_VLAN: Place = place(9, 5);
/// The VLAN of [`IN_VLAN`].
pub const VLAN: u16 = 20;
/// TCP 85: a real server behind another interface.
pub const FAR_PORT: u16 = 85;
/// The real server of [`FAR_PORT`].
pub const FAR: Place = place(10, 6);
/// The interface that [`FAR`] is reached by.
pub const FAR_INTERFACE: u32 = 7777;
/// TCP 86: no real server but the sorry server.
pub const SORRY_PORT: u16 = 86;
/// The sorry server of [`SORRY_PORT`].
pub const SORRY: Place = place(11, 7);
/// UDP 87, one packet at a time, weights 1 1.
pub const ONE_PACKET_PORT: u16 = 87;
/// The real servers of [`ONE_PACKET_PORT`].
pub const ONE_PACKET: [Place; 2] = [place(12, 8), place(13, 8)];
/// TCP 88: weights 1 1, clients stay.
pub const STICKY_PORT: u16 = 88;
/// The real servers of [`STICKY_PORT`].
pub const STICKY: [Place; 2] = [place(14, 9), place(15, 9)];
/// All TCP ports of [`ANY_PORT_VIP`].
pub const ANY_PORT: Place = place(16, 10);
/// TCP 89: untagged, for frames that come with a tag.
pub const UNTAGGED_PORT: u16 = 89;
/// The real server of [`UNTAGGED_PORT`].
pub const UNTAGGED: Place = place(17, 11);
/// TCP 90: the second of two real servers; the first is down.
pub const DOWN_PORT: u16 = 90;
/// The real servers of [`DOWN_PORT`].
pub const DOWN: [Place; 2] = [place(18, 12), place(19, 12)];

/// The real servers of TCP 80 on IPv6, weights 2 1.
pub const WEB_V6: [Place; 2] = [place(20, 13), place(21, 13)];
/// The real server of UDP 53 on IPv6.
pub const DNS_V6: Place = place(22, 14);
/// The real server of [`SINGLE_PORT`] on IPv6.
pub const SINGLE_V6: Place = place(23, 15);
/// The real servers of [`STICKY_PORT`] on IPv6, weights 1 1; clients of a /64 stay together.
pub const STICKY_V6: [Place; 2] = [place(24, 16), place(25, 16)];
/// The real server of [`VLAN_PORT`] on IPv6, in VLAN [`VLAN`].
pub const IN_VLAN_V6: Place = place(26, 17);

/// TCP and UDP 91, in [`stateless_tables`]: nothing is remembered.
pub const STATELESS_PORT: u16 = 91;
/// The real servers of TCP [`STATELESS_PORT`].
pub const STATELESS: [Place; 3] = [place(27, 18), place(28, 18), place(29, 18)];
/// The real server of UDP [`STATELESS_PORT`].
pub const STATELESS_UDP: Place = place(30, 19);
/// The real servers of [`STATELESS_PORT`] on IPv6.
pub const STATELESS_V6: [Place; 2] = [place(31, 20), place(32, 20)];
/// TCP 92, in [`stateless_tables`]: nothing is remembered, and there is the sorry server alone.
pub const STATELESS_SORRY_PORT: u16 = 92;
/// The sorry server of [`STATELESS_SORRY_PORT`].
pub const STATELESS_SORRY: Place = place(33, 21);
/// TCP 93, in [`stateless_tables`]: its real server is in VLAN [`VLAN`].
pub const STATELESS_VLAN_PORT: u16 = 93;
/// The real server of [`STATELESS_VLAN_PORT`].
pub const STATELESS_IN_VLAN: Place = place(34, 22);

/// An address as the maps have it.
pub fn mapped(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// Writes a service.
struct Builder {
    tables: Tables,
}

impl Builder {
    fn service(
        &mut self,
        key: (IpAddr, u16, u8),
        slots: &[Place],
        change: impl FnOnce(&mut Service),
    ) {
        let (vip, port, protocol) = key;
        let id = self.tables.services.len() as u32;
        let first_slot = id * 100;
        let mut service = Service {
            id,
            first_slot,
            n_slots: slots.len() as u32,
            sorry_server: 0,
            persistence: 0,
            scheduler: scheduler::TURNS,
            flags: 0,
            granularity: 128,
        };
        change(&mut service);
        let vip = mapped(vip);
        let key = abi::ServiceKey { vip, port: port.to_be_bytes(), protocol, reserved: 0 };
        self.tables.services.insert(key, service);
        self.tables.vips.entry(vip).or_insert(abi::Vip { services: 0 }).services += 1;
        if !slots.is_empty() {
            self.tables.slots.insert(first_slot, slots.iter().map(|place| place.index).collect());
        }
        for &place in slots {
            assert_eq!(place.service, id, "{place:?}");
            self.real_server(place, |_| {});
        }
    }

    fn real_server(&mut self, place: Place, change: impl FnOnce(&mut RealServer)) {
        let mut real_server = RealServer {
            mac: place.mac(),
            source_mac: DIRECTOR_MAC,
            interface: INTERFACE,
            state: real_server_state::READY,
            service: place.service,
            vlan: SAME_VLAN,
            weight: 1,
            ..bytemuck::Zeroable::zeroed()
        };
        change(&mut real_server);
        self.tables.real_servers.insert(place.index, real_server);
        let limits = Limits { weight: 1, upper_threshold: 0, lower_threshold: 0 };
        self.tables.limits.insert(place.index, limits);
    }
}

/// The tables, with services that remember nothing besides.
pub fn stateless_tables() -> Tables {
    let mut world = Builder { tables: tables() };
    let v4 = |port, protocol| (VIP.into(), port, protocol);
    let v6 = |port, protocol| (VIP_V6.into(), port, protocol);
    let forgets = |it: &mut Service| {
        it.scheduler = scheduler::SOURCE;
        it.flags = abi::service_flags::STATELESS;
    };
    let [a, b, c] = STATELESS;
    world.service(v4(STATELESS_PORT, abi::TCP), &[a, b, c, a, b, c, a, b], forgets);
    world.service(v4(STATELESS_PORT, abi::UDP), &[STATELESS_UDP], forgets);
    world.service(v6(STATELESS_PORT, abi::TCP), &STATELESS_V6, forgets);
    world.service(v4(STATELESS_SORRY_PORT, abi::TCP), &[], |it| {
        forgets(it);
        it.sorry_server = STATELESS_SORRY.index;
    });
    world.real_server(STATELESS_SORRY, |_| {});
    world.service(v4(STATELESS_VLAN_PORT, abi::TCP), &[STATELESS_IN_VLAN], forgets);
    world.real_server(STATELESS_IN_VLAN, |it| it.vlan = VLAN.into());
    world.tables
}

/// The tables.
pub fn tables() -> Tables {
    let mut tables = Tables::default();
    tables.interfaces.insert(INTERFACE, abi::Interface { mac: DIRECTOR_MAC, reserved: [0; 2] });
    tables.interfaces.insert(FAR_INTERFACE, abi::Interface { mac: DIRECTOR_MAC, reserved: [0; 2] });
    let mut world = Builder { tables };

    let v4 = |port, protocol| (VIP.into(), port, protocol);
    let v6 = |port, protocol| (VIP_V6.into(), port, protocol);
    let any = |_: &mut Service| {};
    let [a, b, c] = WEB;
    world.service(v4(80, abi::TCP), &[a, a, b, a, b, c], any);
    world.service(v4(53, abi::UDP), &[DNS], any);
    world.service(v4(EMPTY_PORT, abi::TCP), &[], any);
    let lost = place(5, 3);
    world.service(v4(LOST_PORT, abi::TCP), &[lost], any);
    world.real_server(lost, |it| it.state = real_server_state::NEIGHBOUR_UNKNOWN);
    world.service(v4(SINGLE_PORT, abi::TCP), &[SINGLE], any);
    world.service(v4(VLAN_PORT, abi::TCP), &[IN_VLAN], any);
    world.real_server(IN_VLAN, |it| it.vlan = VLAN.into());
    world.service(v4(FAR_PORT, abi::TCP), &[FAR], any);
    world.real_server(FAR, |it| it.interface = FAR_INTERFACE);
    world.service(v4(SORRY_PORT, abi::TCP), &[], |it| it.sorry_server = SORRY.index);
    world.real_server(SORRY, |_| {});
    world.service(v4(ONE_PACKET_PORT, abi::UDP), &ONE_PACKET, |it| {
        it.flags = abi::service_flags::ONE_PACKET;
    });
    world.service(v4(STICKY_PORT, abi::TCP), &STICKY, |it| {
        it.persistence = 300;
        it.granularity = 96 + 24;
    });
    let any_port = (ANY_PORT_VIP.into(), 0, abi::TCP);
    world.service(any_port, &[ANY_PORT], |it| it.persistence = 300);
    world.service(v4(UNTAGGED_PORT, abi::TCP), &[UNTAGGED], any);
    world.real_server(UNTAGGED, |it| it.vlan = 0);
    world.service(v4(DOWN_PORT, abi::TCP), &DOWN, any);
    world.real_server(DOWN[0], |it| it.state = real_server_state::DOWN);

    let [a, b] = WEB_V6;
    world.service(v6(80, abi::TCP), &[a, b, a], any);
    world.service(v6(53, abi::UDP), &[DNS_V6], any);
    world.service(v6(SINGLE_PORT, abi::TCP), &[SINGLE_V6], any);
    world.service(v6(STICKY_PORT, abi::TCP), &STICKY_V6, |it| {
        it.persistence = 300;
        it.granularity = 64;
    });
    world.service(v6(VLAN_PORT, abi::TCP), &[IN_VLAN_V6], any);
    world.real_server(IN_VLAN_V6, |it| it.vlan = VLAN.into());
    world.tables
}

//! The tables that the packet cases are run against.

use lvs_common::abi::{self, RealServer, Service, ServiceKey, real_server_state};
use lvs_userspace::dataplane::Tables;

/// The interface that packets come in by: that of `BPF_PROG_TEST_RUN` is the loopback interface.
pub const INTERFACE: u32 = 1;
/// MAC of the director.
pub const DIRECTOR_MAC: [u8; 6] = [2, 0, 10, 77, 0, 3];
/// The virtual IP address.
pub const VIP: [u8; 4] = [10, 77, 0, 100];

/// Ids of services are below this.
pub const SERVICES: u32 = 5;
/// Indexes of real servers are below this.
pub const REAL_SERVERS: u32 = 8;

/// A real server of the world.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Its index.
    pub index: u32,
    /// Id of its service.
    pub service: u32,
}

impl Place {
    /// Its MAC.
    pub fn mac(self) -> [u8; 6] {
        [2, 0, 10, 77, 0, 10 + self.index as u8]
    }
}

/// TCP 80, weights 3 2 1.
pub const WEB: [Place; 3] = [
    Place { index: 1, service: 0 },
    Place { index: 2, service: 0 },
    Place { index: 3, service: 0 },
];
/// UDP 53, one real server.
pub const DNS: Place = Place { index: 4, service: 1 };
/// TCP 81, without a real server that takes connections.
pub const EMPTY_PORT: u16 = 81;
/// TCP 82, its real server's MAC unknown.
pub const LOST_PORT: u16 = 82;
const LOST: Place = Place { index: 5, service: 3 };
/// TCP 83, one real server.
pub const SINGLE_PORT: u16 = 83;
/// The one real server of [`SINGLE_PORT`].
pub const SINGLE: Place = Place { index: 6, service: 4 };

/// The tables.
pub fn tables() -> Tables {
    let mut tables = Tables::default();
    tables.interfaces.insert(INTERFACE, abi::Interface { mac: DIRECTOR_MAC, reserved: [0; 2] });
    tables.vips.insert(VIP, abi::Vip { services: SERVICES });

    let [a, b, c] = WEB;
    add_service(&mut tables, 80, abi::TCP, 0, &[a, a, b, a, b, c]);
    add_service(&mut tables, 53, abi::UDP, 1, &[DNS]);
    add_service(&mut tables, EMPTY_PORT, abi::TCP, 2, &[]);
    add_service(&mut tables, LOST_PORT, abi::TCP, 3, &[LOST]);
    add_service(&mut tables, SINGLE_PORT, abi::TCP, 4, &[SINGLE]);

    for place in [a, b, c, DNS, SINGLE] {
        add_real_server(&mut tables, place, real_server_state::READY);
    }
    add_real_server(&mut tables, LOST, real_server_state::NEIGHBOUR_UNKNOWN);
    tables
}

fn add_service(tables: &mut Tables, port: u16, protocol: u8, id: u32, turns: &[Place]) {
    let first_slot = id * 100;
    let n_slots = turns.len() as u32;
    let key = ServiceKey { vip: VIP, port: port.to_be_bytes(), protocol, reserved: 0 };
    tables.services.insert(key, Service { id, first_slot, n_slots, reserved: 0 });
    tables.slots.insert(first_slot, turns.iter().map(|place| place.index).collect());
}

fn add_real_server(tables: &mut Tables, place: Place, state: u32) {
    let real_server = RealServer {
        mac: place.mac(),
        source_mac: DIRECTOR_MAC,
        interface: INTERFACE,
        state,
        service: place.service,
        weight: 1,
        address: [0; 16],
    };
    tables.real_servers.insert(place.index, real_server);
}

//! What real servers and services are called, where the maps have numbers. Pure.

use std::{collections::HashMap, net::IpAddr};

use lvs_common::abi::{ServiceKey, TemplateKey, real_server_state};

use crate::{
    dataplane::{Tables, store::FlowName},
    model::{Protocol, ServiceId},
};

/// The numbers of one director, and what they stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    addresses: HashMap<u32, IpAddr>,
    services: HashMap<u32, ServiceId>,
    ids: HashMap<ServiceId, u32>,
    real_servers: HashMap<(u32, IpAddr), u32>,
}

impl Names {
    /// Those of some tables.
    #[must_use]
    pub fn new(tables: &Tables) -> Self {
        let mut names = Self::default();
        for (key, service) in &tables.services {
            if let Some(id) = service_id(key) {
                names.services.insert(service.id, id);
                names.ids.insert(id, service.id);
            }
        }
        for (&index, real_server) in &tables.real_servers {
            if real_server.state != real_server_state::VACANT {
                let address = address(real_server.address);
                names.addresses.insert(index, address);
                names.real_servers.insert((real_server.service, address), index);
            }
        }
        names
    }

    /// The address of a real server.
    #[must_use]
    pub fn address(&self, real_server: u32) -> Option<IpAddr> {
        self.addresses.get(&real_server).copied()
    }

    /// The service with this number.
    #[must_use]
    pub fn service(&self, number: u32) -> Option<ServiceId> {
        self.services.get(&number).copied()
    }

    /// The number of the service that a connection belongs to.
    #[must_use]
    pub fn service_of(&self, flow: &FlowName) -> Option<u32> {
        let exact = flow.service()?;
        let of_all_ports = ServiceId { port: 0, ..exact };
        self.ids.get(&exact).or_else(|| self.ids.get(&of_all_ports)).copied()
    }

    /// The number of a service.
    #[must_use]
    pub fn number(&self, service: &ServiceId) -> Option<u32> {
        self.ids.get(service).copied()
    }

    /// The place of a service's real server.
    #[must_use]
    pub fn real_server(&self, service: u32, address: IpAddr) -> Option<u32> {
        self.real_servers.get(&(service, address)).copied()
    }

    /// The key of a client's place with a service.
    #[must_use]
    pub fn template(&self, client: [u8; 16], service: &ServiceId) -> Option<TemplateKey> {
        Some(TemplateKey { client, service: self.number(service)? })
    }
}

/// An address as the maps have it.
fn address(octets: [u8; 16]) -> IpAddr {
    IpAddr::from(octets).to_canonical()
}

fn service_id(key: &ServiceKey) -> Option<ServiceId> {
    let protocol = Protocol::ALL.into_iter().find(|it| it.number() == key.protocol)?;
    Some(ServiceId { protocol, address: address(key.vip), port: u16::from_be_bytes(key.port) })
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable as _;
    use lvs_common::{
        abi::{ConnectionKey, RealServer, Service},
        flow::Flow,
    };

    use super::*;

    fn v6(address: &str) -> [u8; 16] {
        match address.parse().unwrap() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        }
    }

    fn tables() -> Tables {
        let mut tables = Tables::default();
        for (id, port) in [(7, 80u16), (9, 0)] {
            let key = ServiceKey {
                vip: v6("10.77.0.100"),
                port: port.to_be_bytes(),
                protocol: 6,
                reserved: 0,
            };
            tables.services.insert(key, Service { id, ..Service::zeroed() });
        }
        for (index, service, state) in [(1, 7, 1), (2, 9, 3), (3, 7, 0)] {
            let address = v6(&format!("10.77.0.1{index}"));
            let real_server = RealServer { service, state, address, ..RealServer::zeroed() };
            tables.real_servers.insert(index, real_server);
        }
        tables
    }

    fn to_port(port: u16) -> FlowName {
        let (client, vip) = ([10, 77, 0, 2], [10, 77, 0, 100]);
        let key = ConnectionKey { client, vip, client_port: [1, 2], port: port.to_be_bytes() };
        FlowName::V4(Flow { key, protocol: 6 })
    }

    #[test]
    fn numbers_and_what_they_stand_for() {
        let names = Names::new(&tables());
        let rs1 = "10.77.0.11".parse().unwrap();
        assert_eq!(names.address(1), Some(rs1));
        assert_eq!(names.real_server(7, rs1), Some(1));
        assert_eq!(names.real_server(9, rs1), None);
        assert_eq!(names.address(3), None, "its place is vacant");
        assert_eq!(names.service_of(&to_port(80)), Some(7));
        assert_eq!(names.service_of(&to_port(81)), Some(9), "that of all ports");
        let service = names.service(9).unwrap();
        assert_eq!(service.to_string(), "tcp 10.77.0.100:0");
        assert_eq!(names.template([5; 16], &service).unwrap().service, 9);
    }
}

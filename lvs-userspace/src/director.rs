//! What the configuration and the state of the network mean for the maps. Pure: events go in,
//! wanted services come out.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv6Addr},
};

use crate::{
    config::{Config, RealServer, VirtualService},
    dataplane::{self, Neighbour},
    model::Weight,
};

/// Something that may change what is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A real server is now there on the network, or (`None`) nobody knows where.
    Neighbour(IpAddr, Option<Neighbour>),
}

/// Knows what is wanted.
#[derive(Debug)]
pub struct Director {
    config: Config,
    neighbours: BTreeMap<IpAddr, Neighbour>,
}

impl Director {
    /// A director that knows nothing yet but its configuration.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config, neighbours: BTreeMap::new() }
    }

    /// Goes by another configuration from now on.
    pub fn reconfigure(&mut self, config: Config) {
        self.config = config;
    }

    /// Takes in an event; says whether it changed what is wanted.
    pub fn handle(&mut self, event: Event) -> bool {
        match event {
            Event::Neighbour(address, Some(neighbour)) => {
                self.neighbours.insert(address, neighbour) != Some(neighbour)
            }
            Event::Neighbour(address, None) => self.neighbours.remove(&address).is_some(),
        }
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The addresses of all real servers.
    #[must_use]
    pub fn real_server_addresses(&self) -> BTreeSet<IpAddr> {
        let services = self.config.virtual_services.iter();
        services
            .flat_map(|service| {
                service.real_servers.iter().map(|it| it.address).chain(service.sorry_server)
            })
            .collect()
    }

    /// The virtual addresses that are of IPv6.
    #[must_use]
    pub fn ipv6_vips(&self) -> BTreeSet<Ipv6Addr> {
        let services = self.config.virtual_services.iter();
        services
            .filter_map(|service| match service.id.address {
                IpAddr::V6(address) => Some(address),
                IpAddr::V4(_) => None,
            })
            .collect()
    }

    /// Whether packets can be sent to a real server.
    #[must_use]
    pub fn is_up(&self, real_server: &RealServer) -> bool {
        self.neighbours.contains_key(&real_server.address)
    }

    /// The weight in force: none while the real server can't be reached, so that new connections go
    /// to those that can.
    #[must_use]
    pub fn effective_weight(&self, real_server: &RealServer) -> Weight {
        if self.is_up(real_server) { real_server.weight } else { Weight(0) }
    }

    /// The services as the maps should have them.
    #[must_use]
    pub fn wanted(&self) -> Vec<dataplane::Service> {
        self.config.virtual_services.iter().map(|service| self.wanted_service(service)).collect()
    }

    fn wanted_service(&self, service: &VirtualService) -> dataplane::Service {
        let VirtualService {
            id,
            scheduler,
            persistence,
            one_packet,
            lost_connections,
            sorry_server,
            real_servers,
        } = service;
        dataplane::Service {
            id: *id,
            scheduler: *scheduler,
            persistence: *persistence,
            one_packet: *one_packet,
            lost_connections: *lost_connections,
            sorry_server: sorry_server.and_then(|address| self.wanted_sorry_server(address)),
            real_servers: real_servers.iter().map(|it| self.wanted_real_server(it)).collect(),
        }
    }

    fn wanted_real_server(&self, real_server: &RealServer) -> dataplane::RealServer {
        let RealServer { address, weight: _, upper_threshold, lower_threshold } = *real_server;
        dataplane::RealServer {
            address,
            weight: self.effective_weight(real_server),
            upper_threshold,
            lower_threshold,
            latency_us: None,
            neighbour: self.neighbours.get(&address).copied(),
        }
    }

    /// The sorry server, if it can be reached.
    fn wanted_sorry_server(&self, address: IpAddr) -> Option<dataplane::RealServer> {
        let neighbour = *self.neighbours.get(&address)?;
        Some(dataplane::RealServer {
            address,
            weight: Weight(1),
            upper_threshold: 0,
            lower_threshold: 0,
            latency_us: None,
            neighbour: Some(neighbour),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::{
        config,
        model::{MacAddr, Protocol, Scheduler, ServiceId},
    };

    const FIRST: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 11));
    const SECOND: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 12));
    const THERE: Neighbour = Neighbour {
        mac: MacAddr([2, 0, 0, 0, 0, 11]),
        interface: 2,
        source_mac: MacAddr([2, 0, 0, 0, 0, 3]),
        vlan: None,
    };

    fn director() -> Director {
        let real_server = |address| RealServer {
            address,
            weight: Weight(5),
            upper_threshold: 0,
            lower_threshold: 0,
        };
        Director::new(Config {
            director: config::Director {
                name: "director".to_owned(),
                interfaces: vec!["eth0".to_owned()],
                xdp_mode: config::XdpMode::Auto,
                max_real_servers: 10,
            },
            connections: config::Connections::default(),
            virtual_services: vec![VirtualService {
                id: ServiceId {
                    protocol: Protocol::Tcp,
                    address: Ipv4Addr::new(10, 77, 0, 100).into(),
                    port: 80,
                },
                scheduler: Scheduler::Wrr,
                persistence: None,
                one_packet: false,
                lost_connections: config::LostConnections::Reschedule,
                sorry_server: None,
                real_servers: vec![real_server(FIRST), real_server(SECOND)],
            }],
        })
    }

    fn weights(director: &Director) -> Vec<u16> {
        director.wanted()[0].real_servers.iter().map(|rs| rs.weight.0).collect()
    }

    #[test]
    fn a_real_server_takes_connections_while_it_can_be_reached() {
        let mut director = director();
        assert_eq!(weights(&director), [0, 0]);

        assert!(director.handle(Event::Neighbour(FIRST, Some(THERE))));
        assert_eq!(weights(&director), [5, 0]);
        assert_eq!(director.wanted()[0].real_servers[0].neighbour, Some(THERE));

        assert!(!director.handle(Event::Neighbour(FIRST, Some(THERE))), "nothing new");
        assert!(!director.handle(Event::Neighbour(SECOND, None)), "nothing new");

        let moved = Neighbour { mac: MacAddr([2, 0, 0, 0, 0, 99]), ..THERE };
        assert!(director.handle(Event::Neighbour(FIRST, Some(moved))));
        assert_eq!(director.wanted()[0].real_servers[0].neighbour, Some(moved));

        assert!(director.handle(Event::Neighbour(FIRST, None)));
        assert_eq!(weights(&director), [0, 0]);
    }
}

//! What the configuration and the state of the network mean for the maps. Pure: events go in,
//! wanted services come out.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv6Addr},
};

use crate::{
    config::{Config, RealServer, VirtualService},
    dataplane::{self, Neighbour, Restored},
    health::{Check, Health, Target},
    model::{Scheduler, ServiceId, Weight},
};

/// Something that may change what is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A real server is now there on the network, or (`None`) nobody knows where.
    Neighbour(IpAddr, Option<Neighbour>),
    /// The checks of a real server say this of it.
    Health(Target, Health),
    /// They are answered in so many microseconds.
    Latency(Target, u64),
}

/// What is known at the start of the real servers that are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// Nothing: they are out of service until their first success.
    Checking,
    /// They are up until a check says otherwise.
    Trusting,
    /// What the lvsd before has left in the maps.
    From(Vec<Restored>),
}

/// Knows what is wanted.
#[derive(Debug)]
pub struct Director {
    config: Config,
    neighbours: BTreeMap<IpAddr, Neighbour>,
    health: BTreeMap<Target, Health>,
    latency_us: BTreeMap<Target, u64>,
}

impl Director {
    /// A director that knows its configuration, and what it starts from.
    #[must_use]
    pub fn new(config: Config, start: Start) -> Self {
        let mut director = Self {
            config,
            neighbours: BTreeMap::new(),
            health: BTreeMap::new(),
            latency_us: BTreeMap::new(),
        };
        director.health = director.health_at(start);
        director
    }

    fn health_at(&self, start: Start) -> BTreeMap<Target, Health> {
        let all = self.all().map(|(service, it)| {
            (Target { service: service.id, real_server: it.address }, it.weight)
        });
        match start {
            Start::Checking => BTreeMap::new(),
            Start::Trusting => all.map(|(target, _)| (target, Health::Up)).collect(),
            Start::From(before) => {
                let weights: BTreeMap<_, _> = all.collect();
                let health = |before: Restored| {
                    let Restored { service, address: real_server, weight, is_down, .. } = before;
                    let target = Target { service, real_server };
                    // Without weight it failed, unless it is to have none.
                    let failed = weight == 0 && *weights.get(&target)? > Weight(0);
                    let health = if is_down || failed { Health::Down } else { Health::Up };
                    Some((target, health))
                };
                before.into_iter().filter_map(health).collect()
            }
        }
    }

    fn all(&self) -> impl Iterator<Item = (&VirtualService, &RealServer)> {
        let services = self.config.virtual_services.iter();
        services.flat_map(|service| service.real_servers.iter().map(move |it| (service, it)))
    }

    /// Goes by another configuration from now on. What is known of who is still there stays known;
    /// who was in service unchecked is thought to be up until a check says otherwise.
    pub fn reconfigure(&mut self, config: Config) {
        let unchecked: BTreeSet<_> = self.unchecked().collect();
        self.config = config;
        let newly: Vec<_> =
            self.checks().map(|(target, _)| target).filter(|it| unchecked.contains(it)).collect();
        self.health.extend(newly.into_iter().map(|target| (target, Health::Up)));
        let checked: BTreeSet<_> = self.checks().map(|(target, _)| target).collect();
        self.health.retain(|target, _| checked.contains(target));
        self.latency_us.retain(|target, _| checked.contains(target));
    }

    /// Every real server that is to be checked, and how.
    pub fn checks(&self) -> impl Iterator<Item = (Target, &Check)> {
        self.all().filter_map(|(service, real_server)| {
            let target = Target { service: service.id, real_server: real_server.address };
            Some((target, real_server.check.as_ref()?))
        })
    }

    /// Takes in an event; says whether it changed what is wanted.
    pub fn handle(&mut self, event: Event) -> bool {
        match event {
            Event::Neighbour(address, Some(neighbour)) => {
                self.neighbours.insert(address, neighbour) != Some(neighbour)
            }
            Event::Neighbour(address, None) => self.neighbours.remove(&address).is_some(),
            Event::Health(target, health) => self.health.insert(target, health) != Some(health),
            Event::Latency(target, new) => {
                let old = self.latency_us.get(&target).copied().unwrap_or_default();
                // A tenth more or less is noise, and would have the maps written all the time.
                let changed = old.abs_diff(new) * 10 > old;
                if changed {
                    self.latency_us.insert(target, new);
                }
                changed && self.goes_by_latency(&target.service)
            }
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

    fn unchecked(&self) -> impl Iterator<Item = Target> {
        let unchecked = self.all().filter(|(_, it)| it.check.is_none());
        unchecked.map(|(service, it)| Target { service: service.id, real_server: it.address })
    }

    /// What is thought of a real server that is checked.
    #[must_use]
    pub fn health(&self, target: &Target) -> Health {
        self.health.get(target).copied().unwrap_or(Health::Checking)
    }

    fn goes_by_latency(&self, id: &ServiceId) -> bool {
        let services = &self.config.virtual_services;
        services.iter().any(|it| it.id == *id && it.scheduler == Scheduler::Fastest)
    }

    /// Whether a real server can be reached, and passes its checks.
    #[must_use]
    pub fn is_up(&self, service: ServiceId, real_server: &RealServer) -> bool {
        self.neighbours.contains_key(&real_server.address)
            && self.passes_checks(service, real_server)
    }

    /// Whether a real server passes its checks, if it has any.
    fn passes_checks(&self, service: ServiceId, real_server: &RealServer) -> bool {
        let target = Target { service, real_server: real_server.address };
        real_server.check.is_none() || self.health.get(&target) == Some(&Health::Up)
    }

    /// The weight in force: none while the real server is not up, so that new connections go to
    /// those that are.
    #[must_use]
    pub fn effective_weight(&self, service: ServiceId, real_server: &RealServer) -> Weight {
        if self.is_up(service, real_server) { real_server.weight } else { Weight(0) }
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
            inhibit_on_failure: _,
            real_servers,
        } = service;
        dataplane::Service {
            id: *id,
            scheduler: *scheduler,
            persistence: *persistence,
            one_packet: *one_packet,
            lost_connections: *lost_connections,
            sorry_server: sorry_server.and_then(|address| self.wanted_sorry_server(address)),
            real_servers: real_servers
                .iter()
                .map(|it| self.wanted_real_server(service, it))
                .collect(),
        }
    }

    fn wanted_real_server(
        &self,
        service: &VirtualService,
        real_server: &RealServer,
    ) -> dataplane::RealServer {
        let RealServer { address, upper_threshold, lower_threshold, .. } = *real_server;
        let target = Target { service: service.id, real_server: address };
        dataplane::RealServer {
            address,
            weight: self.effective_weight(service.id, real_server),
            upper_threshold,
            lower_threshold,
            latency_us: self.latency_us.get(&target).copied(),
            is_down: !service.inhibit_on_failure && !self.passes_checks(service.id, real_server),
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
            is_down: false,
            neighbour: Some(neighbour),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, time::Duration};

    use super::*;
    use crate::{
        config,
        health::Kind,
        model::{MacAddr, Protocol},
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
            check: None,
        };
        let config = Config {
            director: config::Director {
                name: "director".to_owned(),
                interfaces: vec!["eth0".to_owned()],
                xdp_mode: config::XdpMode::Auto,
                max_real_servers: 10,
                on_restart: config::OnRestart::Keep,
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
                inhibit_on_failure: false,
                real_servers: vec![real_server(FIRST), real_server(SECOND)],
            }],
        };
        Director::new(config, Start::Checking)
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

    #[test]
    fn a_real_server_that_is_checked_must_pass() {
        let mut director = director();
        let target = Target { service: director.config.virtual_services[0].id, real_server: FIRST };
        let check = Check {
            kind: Kind::Tcp,
            port: None,
            interval: Duration::from_secs(2),
            fast_interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            rise: 2,
            fall: 3,
        };
        director.config.virtual_services[0].real_servers[0].check = Some(check);
        assert_eq!(director.checks().map(|(target, _)| target).collect::<Vec<_>>(), [target]);
        for address in [FIRST, SECOND] {
            director.handle(Event::Neighbour(address, Some(THERE)));
        }
        // Down until the first success; its connections go elsewhere, unless that is inhibited.
        assert_eq!(weights(&director), [0, 5]);
        assert!(director.wanted()[0].real_servers[0].is_down);
        assert!(director.handle(Event::Health(target, Health::Up)));
        assert!(!director.handle(Event::Health(target, Health::Up)), "nothing new");
        assert_eq!(weights(&director), [5, 5]);
        assert!(!director.wanted()[0].real_servers[0].is_down);

        director.config.virtual_services[0].inhibit_on_failure = true;
        assert!(director.handle(Event::Health(target, Health::Down)));
        assert_eq!(weights(&director), [0, 5]);
        assert!(!director.wanted()[0].real_servers[0].is_down);
    }

    #[test]
    fn latency_matters_to_who_goes_by_it_and_only_if_it_has_changed() {
        let mut director = director();
        let target = Target { service: director.config.virtual_services[0].id, real_server: FIRST };
        assert!(!director.handle(Event::Latency(target, 900)), "wrr does not care");
        director.config.virtual_services[0].scheduler = Scheduler::Fastest;
        assert!(!director.handle(Event::Latency(target, 950)), "noise");
        assert!(director.handle(Event::Latency(target, 300)));
        assert_eq!(director.wanted()[0].real_servers[0].latency_us, Some(300));
    }
}

//! What the configuration and the state of the network mean for the maps. Pure: events go in,
//! wanted services come out, and what has changed for whom.

mod effective;
mod event;
mod quorum;
mod room;
mod start;
mod wanted;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

pub use effective::Effective;
pub use event::{Change, Event, State};
pub use start::Start;

use crate::{
    config::{Config, RealServer, VirtualService},
    dataplane::Neighbour,
    health::{Check, Health, Target},
    load::Standing,
    model::{Scheduler, ServiceId},
};

/// So long it takes to find out that somebody is not there who is asked for by broadcast every second.
const PATIENCE: Duration = Duration::from_secs(5);

/// That a real server is back from a failure.
#[derive(Clone, Copy, Debug)]
struct Recovery {
    since: Instant,
    /// The share of its weight that it was last given, in percent.
    share: u32,
}

/// Knows what is wanted.
#[derive(Debug)]
pub struct Director {
    config: Config,
    /// Where in the configuration the services of each real server are: with very many, to look through all
    /// of them for each that is found takes minutes.
    places: BTreeSet<(IpAddr, usize)>,
    neighbours: BTreeMap<IpAddr, Neighbour>,
    /// Those that are being looked for, since when: it is too early to say that they are not there.
    sought: BTreeMap<IpAddr, Instant>,
    health: BTreeMap<Target, Health>,
    latency_us: BTreeMap<Target, u64>,
    /// What the real servers report of themselves.
    standings: BTreeMap<IpAddr, Standing>,
    /// Those that are back from a failure: their weight rises slowly.
    recovered: BTreeMap<Target, Recovery>,
    /// As they were last told.
    states: BTreeMap<Target, State>,
    /// The services that have too few real servers.
    without_quorum: BTreeSet<ServiceId>,
    /// Those that had too few before this lvsd.
    lost_before: BTreeSet<ServiceId>,
    /// What has changed and was not told yet.
    changes: Vec<Change>,
}

impl Director {
    /// A director that knows its configuration, and what it starts from.
    #[must_use]
    pub fn new(config: Config, start: Start, now: Instant) -> Self {
        let mut director = Self {
            places: places(&config),
            config,
            neighbours: BTreeMap::new(),
            sought: BTreeMap::new(),
            health: BTreeMap::new(),
            latency_us: BTreeMap::new(),
            standings: BTreeMap::new(),
            recovered: BTreeMap::new(),
            states: BTreeMap::new(),
            without_quorum: BTreeSet::new(),
            lost_before: BTreeSet::new(),
            changes: Vec::new(),
        };
        director.sought =
            director.real_server_addresses().into_iter().map(|it| (it, now)).collect();
        director.start(start, now);
        director
    }

    /// What is the case now was so before: nobody needs to be told.
    pub fn begin(&mut self) {
        self.states = self
            .all()
            .map(|(service, it)| {
                let target = Target { service: service.id, real_server: it.address };
                (target, self.state(service, it))
            })
            .collect();
        // Whether there were too few while not all were found yet says nothing.
        self.without_quorum = std::mem::take(&mut self.lost_before);
        self.find_quorums(None, "");
        self.changes.clear();
    }

    fn all(&self) -> impl Iterator<Item = (&VirtualService, &RealServer)> {
        let services = self.config.virtual_services.iter();
        services.flat_map(|service| service.real_servers.iter().map(move |it| (service, it)))
    }

    /// The services that have a real server at this address.
    fn services_at(&self, address: IpAddr) -> impl Iterator<Item = &VirtualService> {
        let places = self.places.range((address, 0)..=(address, usize::MAX));
        places.filter_map(|&(_, at)| self.config.virtual_services.get(at))
    }

    /// A service with a real server at this address.
    fn service_at(&self, id: ServiceId, address: IpAddr) -> Option<&VirtualService> {
        self.services_at(address).find(|service| service.id == id)
    }

    /// The real servers at an address, or all, with their services.
    fn all_at(&self, address: Option<IpAddr>) -> Vec<(&VirtualService, &RealServer)> {
        let Some(address) = address else { return self.all().collect() };
        self.services_at(address)
            .flat_map(|service| service.real_servers.iter().map(move |it| (service, it)))
            .filter(|(_, it)| it.address == address)
            .collect()
    }

    /// Goes by another configuration from now on. What is known of who is still there stays known;
    /// who was in service unchecked is thought to be up until a check says otherwise.
    pub fn reconfigure(&mut self, config: Config, now: Instant) {
        let unchecked: BTreeSet<_> = self.unchecked().collect();
        let before = self.real_server_addresses();
        self.places = places(&config);
        self.config = config;
        let addresses = self.real_server_addresses();
        self.neighbours.retain(|address, _| addresses.contains(address));
        self.sought.retain(|address, _| addresses.contains(address));
        self.sought.extend(addresses.difference(&before).map(|&address| (address, now)));
        let newly: Vec<_> =
            self.checks().map(|(target, _)| target).filter(|it| unchecked.contains(it)).collect();
        self.health.extend(newly.into_iter().map(|target| (target, Health::Up)));
        let checked: BTreeSet<_> = self.checks().map(|(target, _)| target).collect();
        self.health.retain(|target, _| checked.contains(target));
        self.latency_us.retain(|target, _| checked.contains(target));
        let asked = self.load_agents();
        self.standings.retain(|address, _| asked.contains(address));
        let present: BTreeSet<_> = self
            .all()
            .map(|(service, it)| Target { service: service.id, real_server: it.address })
            .collect();
        self.states.retain(|target, _| present.contains(target));
        self.recovered.retain(|target, _| present.contains(target));
        let services: BTreeSet<_> = self.config.virtual_services.iter().map(|it| it.id).collect();
        self.without_quorum.retain(|id| services.contains(id));
        self.find_changes(None, "the configuration has changed", now);
    }

    /// Whether something is known of every real server that is checked.
    #[must_use]
    pub fn is_warm(&self) -> bool {
        self.checks().all(|(target, _)| self.health(&target) != Health::Checking)
    }

    /// Whether each real server can be reached, and passes its checks.
    #[must_use]
    pub fn reaches_all(&self) -> bool {
        self.all().all(|(service, it)| {
            let target = Target { service: service.id, real_server: it.address };
            self.neighbours.contains_key(&it.address) && self.health(&target) != Health::Down
        })
    }

    /// Every real server that is to be checked, and how.
    pub fn checks(&self) -> impl Iterator<Item = (Target, &Check)> {
        self.all().filter_map(|(service, real_server)| {
            let target = Target { service: service.id, real_server: real_server.address };
            Some((target, real_server.check.as_ref()?))
        })
    }

    /// The real servers that are asked for their load.
    #[must_use]
    pub fn load_agents(&self) -> BTreeSet<IpAddr> {
        let follow = self.all().filter(|(service, _)| service.follow_load);
        follow.map(|(_, real_server)| real_server.address).collect()
    }

    /// Takes in an event; says whether it changed what is wanted.
    pub fn handle(&mut self, event: Event, now: Instant) -> bool {
        let (address, reason) = match event {
            Event::Neighbour(address, Some(neighbour)) => {
                self.sought.remove(&address);
                if self.neighbours.insert(address, neighbour) == Some(neighbour) {
                    return false;
                }
                (address, format!("its MAC is {}", neighbour.mac))
            }
            Event::Neighbour(address, None) => {
                if self.neighbours.remove(&address).is_none() {
                    return false;
                }
                (address, "its MAC is not known".to_owned())
            }
            Event::Health(target, health, reason) => {
                // The checks are a task of their own, which may not have heard yet that it is gone.
                let there = self.all_at(Some(target.real_server));
                if !there.iter().any(|(it, at)| it.id == target.service && at.check.is_some()) {
                    return false;
                }
                let before = self.health.insert(target, health);
                if before == Some(health) {
                    return false;
                }
                if before == Some(Health::Down) {
                    self.recovered.insert(target, Recovery { since: now, share: 0 });
                }
                (target.real_server, reason)
            }
            Event::Load(address, standing, reason) => {
                if self.standings.insert(address, standing) == Some(standing) {
                    return false;
                }
                (address, reason)
            }
            Event::Latency(target, new) => return self.latency(target, new),
        };
        self.find_changes(Some(address), &reason, now);
        true
    }

    fn latency(&mut self, target: Target, new: u64) -> bool {
        let old = self.latency_us.get(&target).copied().unwrap_or_default();
        // A tenth more or less is noise, and would have the maps written all the time.
        let changed = old.abs_diff(new) * 10 > old;
        if changed {
            self.latency_us.insert(target, new);
        }
        changed && self.goes_by_latency(&target.service)
    }

    /// Says whether anything that is wanted has changed with time alone.
    pub fn tick(&mut self, now: Instant) -> bool {
        let mut changed = false;
        let mut recovered = std::mem::take(&mut self.recovered);
        recovered.retain(|target, recovery| {
            let service = self.service_at(target.service, target.real_server);
            let share = service.map_or(100, |it| recovery.share_at(now, it.slow_start));
            changed |= share != recovery.share;
            recovery.share = share;
            share < 100
        });
        self.recovered = recovered;
        let is_over = |since: &Instant| now.duration_since(*since) >= PATIENCE;
        let missing: Vec<_> =
            self.sought.iter().filter(|(_, since)| is_over(since)).map(|(it, _)| *it).collect();
        self.sought.retain(|_, since| !is_over(since));
        changed |= !missing.is_empty();
        for address in missing {
            self.find_changes(Some(address), "its MAC is not known", now);
        }
        changed
    }

    /// What the real servers report of themselves.
    pub fn standings(&self) -> impl Iterator<Item = (IpAddr, Standing)> {
        self.standings.iter().map(|(&address, &standing)| (address, standing))
    }

    /// What has changed since this was last asked.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Notes the real servers whose state is another than it was: those at an address, or all.
    fn find_changes(&mut self, address: Option<IpAddr>, reason: &str, now: Instant) {
        let mut changes = Vec::new();
        for (service, real_server) in self.all_at(address) {
            let target = Target { service: service.id, real_server: real_server.address };
            let from = self.states.get(&target).copied().unwrap_or(State::Checking);
            let to = self.state(service, real_server);
            changes.push((target, from, to));
        }
        for (target, from, to) in changes {
            self.states.insert(target, to);
            if from == State::Down && matches!(to, State::Up | State::Drained) {
                self.recovered.insert(target, Recovery { since: now, share: 0 });
            }
            if from != to {
                let Target { service, real_server } = target;
                let (real_server, reason) = (Some(real_server), reason.to_owned());
                self.changes.push(Change { service, real_server, from, to, reason });
            }
        }
        self.find_quorums(address, reason);
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
}

/// Where in a configuration the services of each real server are.
fn places(config: &Config) -> BTreeSet<(IpAddr, usize)> {
    let services = config.virtual_services.iter().enumerate();
    services
        .flat_map(|(at, service)| service.real_servers.iter().map(move |it| (it.address, at)))
        .collect()
}

#[cfg(test)]
mod tests;

//! Gives every service and real server its place in the maps: the same one for as long as it is
//! there, whatever changes around it.

mod ids;
mod ranges;
mod remembered;
mod restore;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::{Duration, Instant},
};

use lvs_common::{
    abi::{self, SAME_VLAN, real_server_state, service_flags},
    limits,
};

use super::{
    Limits, RealServer, Service, Tables,
    clock::Clock,
    slots::{Server, slots},
};
use crate::{
    config::LostConnections,
    model::{MacAddr, Scheduler, ServiceId},
};
use ids::Ids;
use ranges::{GRACE, Ranges};
pub use remembered::Remembered;
pub use restore::{Restored, RestoredServer, restored};

/// Why there is no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlacementError {
    /// The map of services is full.
    #[error("{0} is one more than {most} virtual services", most = limits::SERVICES)]
    Services(ServiceId),
    /// The map of real servers is full.
    #[error(
        "{0} has more real servers than there are places left; how many there are in all services \
         is max_real_servers in [director], and those of removed ones are free again after {rest:?}",
        rest = REST
    )]
    RealServers(ServiceId),
    /// The map of turns is full.
    #[error(
        "{0} is too much for the {most} slots of all schedulers; use smaller weights",
        most = limits::SLOTS
    )]
    Slots(ServiceId),
    /// A service has more real servers than its scheduler can have.
    #[error("{service} has more than {most} real servers, the most that {scheduler} can have", most = scheduler.most_real_servers())]
    RealServersOf {
        /// Which service.
        service: ServiceId,
        /// Its scheduler.
        scheduler: Scheduler,
    },
}

/// So long the place of a real server rests: until no connection names it any more. lvsd forgets
/// those every second or two.
const REST: Duration = Duration::from_secs(20);

/// Who has which place.
#[derive(Clone, Debug)]
pub struct Placement {
    services: Ids<ServiceId>,
    real_servers: Ids<(ServiceId, IpAddr)>,
    free_slots: Ranges,
    /// The slots of each service, and where they are.
    placed_slots: BTreeMap<ServiceId, (u32, Vec<u32>)>,
    /// Real servers of services that keep connections, as they were last wanted.
    lingering: BTreeMap<(ServiceId, IpAddr), abi::RealServer>,
    /// All that are wanted now.
    present: BTreeSet<(ServiceId, IpAddr)>,
}

impl Placement {
    /// Room for so many real servers; nothing has a place yet.
    #[must_use]
    pub fn new(max_real_servers: u32) -> Self {
        Self {
            services: Ids::new(0..limits::SERVICES as u32, GRACE),
            real_servers: Ids::new(1..max_real_servers.saturating_add(1), REST),
            free_slots: Ranges::new(limits::SLOTS as u32),
            placed_slots: BTreeMap::new(),
            lingering: BTreeMap::new(),
            present: BTreeSet::new(),
        }
    }
}

impl Placement {
    /// What the maps should hold for these services and interfaces. A service or a real server that
    /// there is no room for is left out, whatever else there is stands in its place; the first that
    /// is missing is told.
    pub fn place(
        &mut self,
        services: &[Service],
        interfaces: &BTreeMap<u32, MacAddr>,
        clock: &Clock,
        now: Instant,
    ) -> (Tables, Result<(), PlacementError>) {
        self.leave(services, now);

        let mut tables = Tables::default();
        for (&index, mac) in interfaces {
            tables.interfaces.insert(index, abi::Interface { mac: mac.0, reserved: [0; 2] });
        }
        let mut placed = Ok(());
        for service in services {
            placed = placed.and(self.place_service(service, &mut tables, clock, now));
        }
        for (name, real_server) in &self.lingering {
            if let Some(index) = self.real_servers.get(name) {
                tables.real_servers.insert(index, *real_server);
            }
        }
        (tables, placed)
    }

    /// The id of a service that has a place.
    #[must_use]
    pub fn service(&self, id: &ServiceId) -> Option<u32> {
        self.services.get(id)
    }

    /// The index of a real server that has a place.
    #[must_use]
    pub fn real_server(&self, id: &ServiceId, address: IpAddr) -> Option<u32> {
        self.real_servers.get(&(*id, address))
    }

    /// The address of the real server at an index.
    #[must_use]
    pub fn real_server_at(&self, index: u32) -> Option<IpAddr> {
        self.real_servers.name(index).map(|(_, address)| *address)
    }

    /// Lets go of removed real servers without connections; `has_connections` is asked for the
    /// index of each. Says whether any left.
    pub fn release(&mut self, has_connections: impl Fn(u32) -> bool) -> bool {
        let before = self.lingering.len();
        let Self { real_servers, lingering, present, .. } = self;
        lingering.retain(|name, _| {
            present.contains(name) || real_servers.get(name).is_some_and(&has_connections)
        });
        self.lingering.len() < before
    }

    /// Takes back the places of what is no longer there.
    fn leave(&mut self, services: &[Service], now: Instant) {
        let here: BTreeMap<_, _> = services.iter().map(|service| (service.id, service)).collect();
        let servers_here: BTreeSet<_> = services.iter().flat_map(names).collect();
        let keeps = |id: &ServiceId| {
            here.get(id).is_some_and(|it| it.lost_connections == LostConnections::Keep)
        };
        self.lingering.retain(|name, _| keeps(&name.0) && !servers_here.contains(name));
        self.services.retain(|id| here.contains_key(id), now);
        let lingering = &self.lingering;
        self.real_servers
            .retain(|name| servers_here.contains(name) || lingering.contains_key(name), now);
        self.present = servers_here;
        self.placed_slots.retain(|id, (first, slots)| {
            let stays = here.contains_key(id);
            if !stays {
                self.free_slots.give_back(*first, slots.len() as u32, now);
            }
            stays
        });
    }

    fn place_service(
        &mut self,
        service: &Service,
        tables: &mut Tables,
        clock: &Clock,
        now: Instant,
    ) -> Result<(), PlacementError> {
        let id =
            self.services.place(service.id, now).ok_or(PlacementError::Services(service.id))?;

        let mut placed = Ok(());
        let mut place = |real_server: &RealServer| {
            let index = self.place_real_server(real_server, service, id, tables, now);
            if index.is_none() {
                placed = Err(PlacementError::RealServers(service.id));
            }
            index
        };
        let (mut indexes, mut servers) = (Vec::new(), Vec::new());
        for real_server in &service.real_servers {
            if let Some(index) = place(real_server) {
                indexes.push(index);
                servers.push(server(real_server));
            }
        }
        let sorry_server = service.sorry_server.as_ref().and_then(place).unwrap_or(0);

        let Service { scheduler, .. } = *service;
        if servers.len() > scheduler.most_real_servers() {
            servers.truncate(scheduler.most_real_servers());
            let service = service.id;
            placed = placed.and(Err(PlacementError::RealServersOf { service, scheduler }));
        }
        let slots: Vec<u32> = slots(scheduler, &servers, limits::SLOTS_PER_SERVICE)
            .into_iter()
            .filter_map(|position| indexes.get(position).copied())
            .collect();
        placed = placed.and(self.place_slots(service.id, slots, now));
        let (first_slot, slots) = self.placed_slots.get(&service.id).cloned().unwrap_or_default();
        let n_slots = slots.len() as u32;
        if n_slots > 0 {
            tables.slots.insert(first_slot, slots);
        }

        let persistence = service.persistence;
        let entry = abi::Service {
            id,
            first_slot,
            n_slots,
            sorry_server,
            persistence: persistence.map_or(0, |it| clock.units(it.timeout).max(1)),
            scheduler: service.scheduler.kind(),
            flags: flags(service),
            granularity: granularity(service),
        };
        let vip = mapped(service.id.address);
        let key = abi::ServiceKey {
            vip,
            port: service.id.port.to_be_bytes(),
            protocol: service.id.protocol.number(),
            reserved: 0,
        };
        tables.services.insert(key, entry);
        tables.vips.entry(vip).or_insert(abi::Vip { services: 0 }).services += 1;
        placed
    }

    fn place_real_server(
        &mut self,
        real_server: &RealServer,
        service: &Service,
        service_id: u32,
        tables: &mut Tables,
        now: Instant,
    ) -> Option<u32> {
        let name = (service.id, real_server.address);
        let index = self.real_servers.place(name, now)?;
        let entry = entry(real_server, service_id, service.lost_connections);
        tables.real_servers.insert(index, entry);
        let limits = Limits {
            weight: u32::from(real_server.weight.0),
            upper_threshold: real_server.upper_threshold,
            lower_threshold: real_server.lower_threshold,
        };
        tables.limits.insert(index, limits);
        if service.lost_connections == LostConnections::Keep {
            self.lingering.insert(name, entry);
        }
        Some(index)
    }

    /// New slots get a new place, so that packets can go by the old ones until the service is
    /// pointed to the new. Where there is none left, as many as fit are written over the old ones:
    /// whichever of both a packet reads, it is a real server of its service.
    fn place_slots(
        &mut self,
        id: ServiceId,
        mut slots: Vec<u32>,
        now: Instant,
    ) -> Result<(), PlacementError> {
        if self.placed_slots.get(&id).is_some_and(|(_, old)| *old == slots) {
            return Ok(());
        }
        let needed = slots.len();
        let found = self.free_slots.take(needed as u32, now);
        let (first, old) = self.placed_slots.remove(&id).unwrap_or_default();
        let (first, left) = match found {
            Some(new) => {
                self.free_slots.give_back(first, old.len() as u32, now);
                (new, needed)
            }
            None => {
                slots.truncate(old.len());
                let unused = (old.len() - slots.len()) as u32;
                self.free_slots.give_back(first + slots.len() as u32, unused, now);
                (first, slots.len())
            }
        };
        self.placed_slots.insert(id, (first, slots));
        if left < needed { Err(PlacementError::Slots(id)) } else { Ok(()) }
    }
}

/// The names of a service's real servers, the sorry server among them.
fn names(service: &Service) -> impl Iterator<Item = (ServiceId, IpAddr)> {
    let all = service.real_servers.iter().chain(&service.sorry_server);
    all.map(|real_server| (service.id, real_server.address))
}

fn server(real_server: &RealServer) -> Server {
    let [prefix, host]: [u64; 2] = bytemuck::cast(mapped(real_server.address));
    Server {
        weight: real_server.weight,
        identity: u64::from_be(host) ^ u64::from_be(prefix).rotate_left(29),
        latency_us: real_server.latency_us,
    }
}

/// In bits of an IPv6 address, of which an IPv4 address is the last 32.
fn granularity(service: &Service) -> u16 {
    match (service.persistence, service.id.address) {
        (None, _) => 128,
        (Some(persistence), IpAddr::V4(_)) => 96 + u16::from(persistence.granularity),
        (Some(persistence), IpAddr::V6(_)) => u16::from(persistence.granularity),
    }
}

fn flags(service: &Service) -> u16 {
    let one_packet = if service.one_packet { service_flags::ONE_PACKET } else { 0 };
    let quorum = if service.has_quorum { 0 } else { service_flags::NO_QUORUM };
    let stateless = if service.stateless { service_flags::STATELESS } else { 0 };
    one_packet | stateless | quorum
}

fn entry(real_server: &RealServer, service: u32, lost: LostConnections) -> abi::RealServer {
    let weight = u32::from(real_server.weight.0);
    let address = mapped(real_server.address);
    let entry = abi::RealServer { service, weight, address, ..bytemuck::Zeroable::zeroed() };
    let entry = real_server.remembered.note(entry);
    match real_server.neighbour {
        Some(at) => abi::RealServer {
            mac: at.mac.0,
            source_mac: at.source_mac.0,
            interface: at.interface,
            state: match lost {
                LostConnections::Reschedule if real_server.is_down => real_server_state::DOWN,
                LostConnections::Reschedule | LostConnections::Keep => real_server_state::READY,
            },
            vlan: at.vlan.map_or(SAME_VLAN, u32::from),
            ..entry
        },
        None => abi::RealServer {
            state: match lost {
                LostConnections::Reschedule => real_server_state::DOWN,
                LostConnections::Keep => real_server_state::NEIGHBOUR_UNKNOWN,
            },
            ..entry
        },
    }
}

fn mapped(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

#[cfg(test)]
pub(super) mod tests;

//! Gives every service and real server its place in the maps: the same one for as long as it is
//! there, whatever changes around it.

mod ids;
mod ranges;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
    time::Instant,
};

use lvs_common::{
    abi::{self, real_server_state},
    limits,
};

use super::{RealServer, Service, Tables, turns::turns};
use crate::model::{MacAddr, ServiceId};
use ids::Ids;
use ranges::Ranges;

/// Why there is no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlacementError {
    /// The map of services is full.
    #[error("more than {} virtual services", limits::SERVICES)]
    Services,
    /// The map of real servers is full.
    #[error("more than {} real servers in all virtual services", limits::REAL_SERVERS - 1)]
    RealServers,
    /// The map of turns is full.
    #[error(
        "the weights of all virtual services need more than {} turns; use smaller weights",
        limits::SLOTS
    )]
    Slots,
}

/// Who has which place.
#[derive(Clone, Debug)]
pub struct Placement {
    services: Ids<ServiceId>,
    real_servers: Ids<(ServiceId, IpAddr)>,
    slots: Ranges,
    /// The turns of each service, and where they are.
    turns: BTreeMap<ServiceId, (u32, Vec<u32>)>,
}

impl Default for Placement {
    fn default() -> Self {
        Self {
            services: Ids::new(0..limits::SERVICES as u32),
            real_servers: Ids::new(1..limits::REAL_SERVERS as u32),
            slots: Ranges::new(limits::SLOTS as u32),
            turns: BTreeMap::new(),
        }
    }
}

impl Placement {
    /// What the maps should hold for these services and interfaces.
    ///
    /// # Errors
    /// When there are more of something than the maps can hold; then nothing has changed.
    pub fn place(
        &mut self,
        services: &[Service],
        interfaces: &BTreeMap<u32, MacAddr>,
        now: Instant,
    ) -> Result<Tables, PlacementError> {
        let mut next = self.clone();
        let tables = next.place_all(services, interfaces, now)?;
        *self = next;
        Ok(tables)
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

    fn place_all(
        &mut self,
        services: &[Service],
        interfaces: &BTreeMap<u32, MacAddr>,
        now: Instant,
    ) -> Result<Tables, PlacementError> {
        self.leave(services, now);

        let mut tables = Tables::default();
        for (&index, mac) in interfaces {
            tables.interfaces.insert(index, abi::Interface { mac: mac.0, reserved: [0; 2] });
        }
        for service in services {
            self.place_service(service, &mut tables, now)?;
        }
        Ok(tables)
    }

    /// Takes back the places of what is no longer there.
    fn leave(&mut self, services: &[Service], now: Instant) {
        let here: BTreeSet<_> = services.iter().map(|service| service.id).collect();
        let servers_here: BTreeSet<_> = services
            .iter()
            .flat_map(|service| service.real_servers.iter().map(|rs| (service.id, rs.address)))
            .collect();
        self.services.retain(|id| here.contains(id), now);
        self.real_servers.retain(|id| servers_here.contains(id), now);
        self.turns.retain(|id, (first, turns)| {
            let stays = here.contains(id);
            if !stays {
                self.slots.give_back(*first, turns.len() as u32, now);
            }
            stays
        });
    }

    fn place_service(
        &mut self,
        service: &Service,
        tables: &mut Tables,
        now: Instant,
    ) -> Result<(), PlacementError> {
        let IpAddr::V4(vip) = service.id.address else {
            return Ok(()); // The configuration has no IPv6 services.
        };
        let id = self.services.place(service.id, now).ok_or(PlacementError::Services)?;

        let mut indexes = Vec::with_capacity(service.real_servers.len());
        for real_server in &service.real_servers {
            let index = self
                .real_servers
                .place((service.id, real_server.address), now)
                .ok_or(PlacementError::RealServers)?;
            indexes.push(index);
            tables.real_servers.insert(index, entry(real_server, id));
        }

        let weights: Vec<_> = service.real_servers.iter().map(|rs| rs.weight).collect();
        let turns: Vec<u32> = turns(service.scheduler, &weights, limits::SLOTS_PER_SERVICE)
            .into_iter()
            .filter_map(|position| indexes.get(position).copied())
            .collect();
        let n_slots = turns.len() as u32;
        let first_slot = self.place_turns(service.id, turns, tables, now)?;

        let key = abi::ServiceKey {
            vip: vip.octets(),
            port: service.id.port.to_be_bytes(),
            protocol: service.id.protocol.number(),
            reserved: 0,
        };
        tables.services.insert(key, abi::Service { id, first_slot, n_slots, reserved: 0 });
        tables.vips.entry(vip.octets()).or_insert(abi::Vip { services: 0 }).services += 1;
        Ok(())
    }

    /// New turns get a new place, so that packets can go by the old ones until the service is
    /// pointed to the new.
    fn place_turns(
        &mut self,
        id: ServiceId,
        turns: Vec<u32>,
        tables: &mut Tables,
        now: Instant,
    ) -> Result<u32, PlacementError> {
        let first = match self.turns.remove(&id) {
            Some((first, old)) if old == turns => first,
            old => {
                if let Some((first, old)) = old {
                    self.slots.give_back(first, old.len() as u32, now);
                }
                self.slots.take(turns.len() as u32, now).ok_or(PlacementError::Slots)?
            }
        };
        if !turns.is_empty() {
            tables.slots.insert(first, turns.clone());
        }
        self.turns.insert(id, (first, turns));
        Ok(first)
    }
}

fn entry(real_server: &RealServer, service: u32) -> abi::RealServer {
    let (mac, source_mac, interface, state) = match real_server.neighbour {
        Some(at) => (at.mac.0, at.source_mac.0, at.interface, real_server_state::READY),
        None => ([0; 6], [0; 6], 0, real_server_state::NEIGHBOUR_UNKNOWN),
    };
    let address = match real_server.address {
        IpAddr::V4(address) => Ipv4Addr::to_ipv6_mapped(&address).octets(),
        IpAddr::V6(address) => address.octets(),
    };
    let weight = u32::from(real_server.weight.0);
    abi::RealServer { mac, source_mac, interface, state, service, weight, address }
}

#[cfg(test)]
mod tests;

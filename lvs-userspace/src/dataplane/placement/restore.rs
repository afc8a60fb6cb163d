//! Reads out of maps that an earlier lvsd has filled who had which place, and in which state.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv6Addr},
};

use lvs_common::abi::{self, SAME_VLAN, service_flags};

use super::{Placement, Remembered};
use crate::{
    dataplane::{Neighbour, Tables},
    model::{MacAddr, Protocol, ServiceId},
};

/// What an earlier lvsd has left in the maps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// The real servers.
    pub real_servers: Vec<RestoredServer>,
    /// The services that had too few of them.
    pub without_quorum: BTreeSet<ServiceId>,
}

/// A real server of a service, as the maps have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestoredServer {
    /// The virtual service.
    pub service: ServiceId,
    /// Address of the real server.
    pub address: IpAddr,
    /// What was thought of it.
    pub remembered: Remembered,
    /// Where it is, if that is known.
    pub neighbour: Option<Neighbour>,
}

/// What the maps hold.
#[must_use]
pub fn restored(tables: &Tables) -> Restored {
    let real_servers = places(tables).map(|(_, (service, address), entry)| {
        let neighbour = Neighbour {
            mac: MacAddr(entry.mac),
            interface: entry.interface,
            source_mac: MacAddr(entry.source_mac),
            vlan: (entry.vlan != SAME_VLAN).then_some(u16::try_from(entry.vlan).ok()).flatten(),
        };
        RestoredServer {
            service,
            address,
            remembered: Remembered::of(entry),
            neighbour: (entry.mac != [0; 6]).then_some(neighbour),
        }
    });
    let without = tables.services.iter().filter(|(_, it)| it.flags & service_flags::NO_QUORUM != 0);
    Restored {
        real_servers: real_servers.collect(),
        without_quorum: without.filter_map(|(key, _)| service_id(key)).collect(),
    }
}

/// The real servers that the maps hold: place, name and entry.
fn places(tables: &Tables) -> impl Iterator<Item = (u32, (ServiceId, IpAddr), &abi::RealServer)> {
    let services: BTreeMap<u32, ServiceId> = tables
        .services
        .iter()
        .filter_map(|(key, service)| Some((service.id, service_id(key)?)))
        .collect();
    tables.real_servers.iter().filter_map(move |(&index, entry)| {
        Some((index, (*services.get(&entry.service)?, address(entry.address)), entry))
    })
}

impl Placement {
    /// Gives everything that the maps hold the place that it has there.
    #[must_use]
    pub fn restore(max_real_servers: u32, tables: &Tables) -> Self {
        let mut placement = Self::new(max_real_servers);
        for (key, service) in &tables.services {
            let Some(id) = service_id(key) else { continue };
            let slots = tables.slots.get(&service.first_slot).filter(|_| service.n_slots > 0);
            let slots = slots.cloned().unwrap_or_default();
            // What has no place here gets a new one.
            if placement.services.restore(id, service.id)
                && (slots.is_empty()
                    || placement.free_slots.take_at(service.first_slot, slots.len() as u32))
            {
                placement.placed_slots.insert(id, (service.first_slot, slots));
            }
        }
        for (index, name, entry) in places(tables) {
            if placement.real_servers.restore(name, index) {
                placement.lingering.insert(name, *entry);
            }
        }
        placement
    }
}

fn service_id(key: &abi::ServiceKey) -> Option<ServiceId> {
    let protocol = Protocol::ALL.into_iter().find(|it| it.number() == key.protocol)?;
    Some(ServiceId { protocol, address: address(key.vip), port: u16::from_be_bytes(key.port) })
}

fn address(octets: [u8; 16]) -> IpAddr {
    let address = Ipv6Addr::from(octets);
    address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4)
}

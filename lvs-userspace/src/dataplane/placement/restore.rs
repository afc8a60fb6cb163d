//! Reads out of maps that an earlier lvsd has filled who had which place, and in which state.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
};

use lvs_common::abi::{self, SAME_VLAN, real_server_state};

use super::Placement;
use crate::{
    dataplane::{Neighbour, Tables},
    model::{MacAddr, Protocol, ServiceId},
};

/// A real server of a service, as the maps have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Its place.
    pub index: u32,
    /// The virtual service.
    pub service: ServiceId,
    /// Address of the real server.
    pub address: IpAddr,
    /// Weight in force.
    pub weight: u32,
    /// Whether it is out of service.
    pub is_down: bool,
    /// Where it is, if that is known.
    pub neighbour: Option<Neighbour>,
}

/// The real servers that the maps hold.
pub fn restored(tables: &Tables) -> impl Iterator<Item = Restored> {
    let services: BTreeMap<u32, ServiceId> = tables
        .services
        .iter()
        .filter_map(|(key, service)| Some((service.id, service_id(key)?)))
        .collect();
    tables.real_servers.iter().filter_map(move |(&index, entry)| {
        let neighbour = Neighbour {
            mac: MacAddr(entry.mac),
            interface: entry.interface,
            source_mac: MacAddr(entry.source_mac),
            vlan: (entry.vlan != SAME_VLAN).then_some(u16::try_from(entry.vlan).ok()).flatten(),
        };
        Some(Restored {
            index,
            service: *services.get(&entry.service)?,
            address: address(entry.address),
            weight: entry.weight,
            is_down: entry.state != real_server_state::READY,
            neighbour: (entry.mac != [0; 6]).then_some(neighbour),
        })
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
        for Restored { index, service, address, .. } in restored(tables) {
            let name = (service, address);
            if placement.real_servers.restore(name, index)
                && let Some(entry) = tables.real_servers.get(&index)
            {
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

//! What the maps hold, read back.

use std::{io, sync::atomic::Ordering};

use lvs_common::abi::real_server_state;

use super::{Abi, BpfDataplane};
use crate::dataplane::{Limits, Tables};

impl BpfDataplane {
    pub(super) fn read_tables(
        &self,
        real_servers: &mut dyn Iterator<Item = u32>,
    ) -> io::Result<Tables> {
        let mut tables = Tables::default();
        for entry in self.interfaces.iter() {
            let (index, Abi(interface)) = entry.map_err(io::Error::other)?;
            // Both maps of interfaces, or none.
            if self.devices.get(index, 0).is_ok_and(|it| it.if_index == index) {
                tables.interfaces.insert(index, interface);
            }
        }
        for index in real_servers {
            let Abi(real_server) = self.real_servers.get(&index, 0).map_err(io::Error::other)?;
            if real_server.state == real_server_state::VACANT {
                continue;
            }
            tables.real_servers.insert(index, real_server);
            if let Some(load) = self.shared.loads.get(index as usize) {
                let limits = Limits {
                    weight: load.weight.load(Ordering::Acquire),
                    upper_threshold: load.upper_threshold.load(Ordering::Acquire),
                    lower_threshold: load.lower_threshold.load(Ordering::Acquire),
                };
                tables.limits.insert(index, limits);
            }
        }
        for entry in self.services.iter() {
            let (Abi(key), Abi(service)) = entry.map_err(io::Error::other)?;
            tables.services.insert(key, service);
            let end = service.first_slot.saturating_add(service.n_slots);
            let slots = (service.first_slot..end)
                .map(|index| self.slots.get(&index, 0))
                .collect::<Result<Vec<_>, _>>()
                .map_err(io::Error::other)?;
            if !slots.is_empty() {
                tables.slots.insert(service.first_slot, slots);
            }
        }
        for entry in self.vips.iter() {
            let (address, Abi(vip)) = entry.map_err(io::Error::other)?;
            tables.vips.insert(address, vip);
        }
        Ok(tables)
    }
}

//! Writes to the maps, carried out.

use std::{io, sync::atomic::Ordering, time::Instant};

use aya::maps::MapError;
use lvs_common::abi::{self, real_server_state};
use tracing::debug;

use super::{Abi, BpfDataplane};
use crate::dataplane::{Limits, MapWrite};

impl BpfDataplane {
    pub(super) fn carry_out(&mut self, write: &MapWrite) -> io::Result<()> {
        debug!(?write, "map");
        match write {
            MapWrite::SetInterface(index, interface) => self
                .interfaces
                .insert(index, Abi(*interface), 0)
                .map_err(io::Error::other)
                .and_then(|()| {
                    self.devices.insert(*index, *index, None, 0).map_err(io::Error::other)
                }),
            MapWrite::RemoveInterface(index) => {
                gone(self.interfaces.remove(index))?;
                gone(self.devices.remove(*index))
            }
            MapWrite::SetRealServer { index, real_server, new } => {
                if *new {
                    self.counters.give(*index, real_server.service)?;
                    self.reset_load(*index);
                }
                self.real_servers.set(*index, Abi(*real_server), 0).map_err(io::Error::other)
            }
            MapWrite::VacateRealServer(index) => {
                // Its weight stays in `LOADS`, for packets that real servers are being compared for.
                let Abi(last) = self.real_servers.get(index, 0).map_err(io::Error::other)?;
                let vacant =
                    abi::RealServer { state: real_server_state::VACANT, weight: 0, ..last };
                self.real_servers.set(*index, Abi(vacant), 0).map_err(io::Error::other)?;
                self.counters.leave(*index)
            }
            MapWrite::SetLimits(index, limits) => {
                self.set_limits(*index, *limits);
                Ok(())
            }
            MapWrite::SetSlots(first, slots) => slots
                .iter()
                .zip(*first..)
                .try_for_each(|(slot, index)| self.slots.set(index, slot, 0))
                .map_err(io::Error::other),
            MapWrite::SetService { key, service, new } => {
                if *new {
                    self.counters.begin(service.id)?;
                }
                // Before the first packet of one that remembers nothing is to find it.
                self.vip_filter.note(key, service)?;
                self.service_copies.withdraw(key, Instant::now());
                self.services.insert(Abi(*key), Abi(*service), 0).map_err(io::Error::other)
            }
            MapWrite::RemoveService(key) => {
                self.service_copies.withdraw(key, Instant::now());
                gone(self.services.remove(&Abi(*key)))?;
                self.vip_filter.forget(key)
            }
            MapWrite::SetVip(address, vip) => {
                self.vip_filter.add(*address)?;
                self.vips.insert(address, Abi(*vip), 0).map_err(io::Error::other)
            }
            MapWrite::RemoveVip(address) => {
                gone(self.vips.remove(address))?;
                self.vip_filter.remove(*address)
            }
        }
    }

    /// Writes the limits alone: the counts beside them are the program's.
    fn set_limits(&self, index: u32, limits: Limits) {
        if let Some(load) = self.shared.loads.get(index as usize) {
            load.upper_threshold.store(limits.upper_threshold, Ordering::Release);
            load.lower_threshold.store(limits.lower_threshold, Ordering::Release);
            load.weight.store(limits.weight, Ordering::Release);
        }
    }

    fn reset_load(&self, index: u32) {
        if let Some(load) = self.shared.loads.get(index as usize) {
            load.active.store(0, Ordering::Release);
            load.inactive.store(0, Ordering::Release);
            load.overloaded.store(0, Ordering::Release);
        }
    }
}

/// What is not there any more is as good as removed.
fn gone(removed: Result<(), MapError>) -> io::Result<()> {
    match removed {
        Err(MapError::SyscallError(error)) if error.io_error.kind() == io::ErrorKind::NotFound => {
            Ok(())
        }
        other => other.map_err(io::Error::other),
    }
}

//! What went to the real servers, as the program counts it, and through the services, which is the sum of that.
//!
//! A service goes on counting what went to a real server that it has no more. Until the place of that one is given
//! to another, it stands there; then it is added to what the service has in `PAST_TRAFFIC`.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use aya::{
    maps::{Array, MapData, PerCpuArray, PerCpuValues},
    util::nr_cpus,
};
use lvs_common::abi::{RealServer, Traffic};

use super::Abi;
use crate::dataplane::ServiceTraffic;

/// The counters, and whose they are.
pub(super) struct Counters {
    real_servers: PerCpuArray<MapData, Abi<Traffic>>,
    past: Array<MapData, Abi<Traffic>>,
    owners: Owners,
}

impl Counters {
    pub(super) fn new(
        real_servers: PerCpuArray<MapData, Abi<Traffic>>,
        past: Array<MapData, Abi<Traffic>>,
    ) -> Self {
        Self { real_servers, past, owners: Owners::default() }
    }

    /// What stands at a place when this lvsd begins, vacant or not.
    pub(super) fn hold(&mut self, index: u32, found: &RealServer) {
        if found.address != [0; 16] {
            self.owners.give(index, found.service);
        }
    }

    /// A real server of this service has the place now; if it is new there, its counters start at zero.
    pub(super) fn give(&mut self, index: u32, service: u32, new: bool) -> io::Result<()> {
        let before = self.owners.give(index, service);
        if !new && before == Some(service) {
            return Ok(());
        }
        let counted = self.of_real_server(index)?;
        if let Some(before) = before {
            self.add_past(before, counted)?;
        }
        if new { self.reset(index) } else { self.add_past(service, negative(counted)) }
    }

    /// The counters of a service start at zero.
    pub(super) fn begin(&mut self, service: u32) -> io::Result<()> {
        let mut counted = Traffic::default();
        for index in self.owners.of(service) {
            counted += self.of_real_server(index)?;
        }
        self.past.set(service, Abi(negative(counted)), 0).map_err(io::Error::other)
    }

    pub(super) fn of_service(&self, service: u32) -> io::Result<ServiceTraffic> {
        let Abi(mut all) = self.past.get(&service, 0).map_err(io::Error::other)?;
        let mut real_servers = BTreeMap::new();
        for index in self.owners.of(service) {
            let traffic = self.of_real_server(index)?;
            all += traffic;
            real_servers.insert(index, traffic);
        }
        Ok(ServiceTraffic { all, real_servers })
    }

    pub(super) fn of_real_server(&self, index: u32) -> io::Result<Traffic> {
        let mut sum = Traffic::default();
        for Abi(traffic) in self.real_servers.get(&index, 0).map_err(io::Error::other)?.iter() {
            sum += *traffic;
        }
        Ok(sum)
    }

    fn add_past(&mut self, service: u32, traffic: Traffic) -> io::Result<()> {
        let Abi(mut past) = self.past.get(&service, 0).map_err(io::Error::other)?;
        past += traffic;
        self.past.set(service, Abi(past), 0).map_err(io::Error::other)
    }

    fn reset(&mut self, index: u32) -> io::Result<()> {
        let cpus = nr_cpus().map_err(|(_, error)| error)?;
        let zeros = PerCpuValues::try_from(vec![Abi(Traffic::default()); cpus])?;
        self.real_servers.set(index, zeros, 0).map_err(io::Error::other)
    }
}

/// What takes this away when it is added.
fn negative(traffic: Traffic) -> Traffic {
    let Traffic { connections, packets, bytes } = traffic;
    Traffic {
        connections: connections.wrapping_neg(),
        packets: packets.wrapping_neg(),
        bytes: bytes.wrapping_neg(),
    }
}

/// Which service each place is of, or was of last.
#[derive(Default)]
struct Owners {
    by_place: BTreeMap<u32, u32>,
    places: BTreeSet<(u32, u32)>,
}

impl Owners {
    /// Gives a place to a service; says whose it was.
    fn give(&mut self, index: u32, service: u32) -> Option<u32> {
        let before = self.by_place.insert(index, service);
        if let Some(before) = before {
            self.places.remove(&(before, index));
        }
        self.places.insert((service, index));
        before
    }

    /// The places of a service.
    fn of(&self, service: u32) -> impl Iterator<Item = u32> {
        self.places.range((service, 0)..=(service, u32::MAX)).map(|&(_, index)| index)
    }
}

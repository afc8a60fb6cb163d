//! What went to the real servers, as the program counts it, and through the services, which is the sum of that.
//!
//! A service goes on counting what went to a real server that it has no more: that is added to what the service has
//! in `PAST_TRAFFIC`, which is lvsd's alone. A packet that is on its way in that moment is not; and if lvsd is killed
//! in it, what went to this real server is counted twice, or not at all.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use aya::{
    maps::{Array, MapData, PerCpuArray, PerCpuValues},
    util::nr_cpus,
};
use lvs_common::abi::Traffic;

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

    /// A real server of this service has the place when this lvsd begins.
    pub(super) fn hold(&mut self, index: u32, service: u32) {
        self.owners.give(index, service);
    }

    /// A real server of this service has the place from now on, and its counters start at zero.
    pub(super) fn give(&mut self, index: u32, service: u32) -> io::Result<()> {
        self.leave(index)?;
        let cpus = nr_cpus().map_err(|(_, error)| error)?;
        let zeros = PerCpuValues::try_from(vec![Abi(Traffic::default()); cpus])?;
        self.real_servers.set(index, zeros, 0).map_err(io::Error::other)?;
        self.owners.give(index, service);
        Ok(())
    }

    /// The real server at a place is gone.
    pub(super) fn leave(&mut self, index: u32) -> io::Result<()> {
        if let Some(service) = self.owners.owner(index) {
            let Abi(mut past) = self.past.get(&service, 0).map_err(io::Error::other)?;
            past += self.of_real_server(index)?;
            self.past.set(service, Abi(past), 0).map_err(io::Error::other)?;
            self.owners.take(index);
        }
        Ok(())
    }

    /// A service is new: it has had no real servers but those that it has.
    pub(super) fn begin(&mut self, service: u32) -> io::Result<()> {
        self.past.set(service, Abi(Traffic::default()), 0).map_err(io::Error::other)
    }

    pub(super) fn of_service(&self, service: u32) -> io::Result<ServiceTraffic> {
        let Abi(mut all) = self.past.get(&service, 0).map_err(io::Error::other)?;
        let mut real_servers = BTreeMap::new();
        for index in self.owners.places(service) {
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
}

/// Which service each place is of.
#[derive(Default)]
struct Owners {
    by_place: BTreeMap<u32, u32>,
    by_service: BTreeSet<(u32, u32)>,
}

impl Owners {
    fn owner(&self, index: u32) -> Option<u32> {
        self.by_place.get(&index).copied()
    }

    fn give(&mut self, index: u32, service: u32) {
        self.take(index);
        self.by_place.insert(index, service);
        self.by_service.insert((service, index));
    }

    fn take(&mut self, index: u32) {
        if let Some(service) = self.by_place.remove(&index) {
            self.by_service.remove(&(service, index));
        }
    }

    fn places(&self, service: u32) -> impl Iterator<Item = u32> {
        self.by_service.range((service, 0)..=(service, u32::MAX)).map(|&(_, index)| index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_of_one_service_at_a_time() {
        let mut owners = Owners::default();
        let places = |owners: &Owners, service| owners.places(service).collect::<Vec<_>>();
        owners.give(7, 1);
        owners.give(u32::MAX, 1);
        owners.give(0, 2);
        assert_eq!((places(&owners, 1), places(&owners, 2)), (vec![7, u32::MAX], vec![0]));
        owners.give(7, 2);
        assert_eq!((places(&owners, 1), places(&owners, 2)), (vec![u32::MAX], vec![0, 7]));
        owners.take(0);
        owners.take(0);
        assert_eq!((owners.owner(0), owners.owner(7)), (None, Some(2)));
        assert_eq!(places(&owners, 2), [7]);
    }
}

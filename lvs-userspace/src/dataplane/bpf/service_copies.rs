//! The copies of services that the program finds without a call: who has which place.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::{Duration, Instant},
};

use lvs_common::{
    abi::{Service, ServiceCopy, ServiceKey, service_place},
    service_copy::place,
};

use crate::dataplane::shared::{SharedArray, SharedServiceCopy};

/// A place whose copy was withdrawn rests for so long: far longer than a packet looks at it.
const REST: Duration = Duration::from_secs(1);

/// The map, and since when places rest.
pub(super) struct ServiceCopies {
    map: SharedArray<SharedServiceCopy>,
    rest: HashMap<u32, Instant>,
}

impl ServiceCopies {
    pub(super) fn new(map: SharedArray<SharedServiceCopy>) -> Self {
        Self { map, rest: HashMap::new() }
    }

    /// Withdraws what is no copy of one of these services, makes copies of those that have none, where there
    /// is a place, and says where there are others. To be called again and again.
    pub(super) fn renew(&mut self, services: &BTreeMap<ServiceKey, Service>, now: Instant) {
        for at in 0..self.map.length() {
            let Some(copy) = self.map.get(at) else { continue };
            let held = copy.read();
            if is_copy(&held) && services.get(&held.key) != Some(&held.service) {
                copy.withdraw();
                self.rest.extend(u32::try_from(at).map(|at| (at, now)));
            }
        }
        self.rest.retain(|_, since| now.duration_since(*since) < REST);
        let mut with_others = HashSet::new();
        for (key, service) in services {
            let place = place(key);
            let Some(copy) = self.map.get(place as usize) else { continue };
            let held = copy.read();
            if !is_copy(&held) && !self.rest.contains_key(&place) {
                copy.write(*key, *service);
            } else if !is_copy(&held) || held.key != *key {
                with_others.insert(place as usize);
            }
        }
        for at in 0..self.map.length() {
            if let Some(copy) = self.map.get(at) {
                copy.set_no_other(!with_others.contains(&at));
            }
        }
    }

    /// To be called before the service is there, is another, or none.
    pub(super) fn withdraw(&mut self, key: &ServiceKey, now: Instant) {
        let place = place(key);
        let Some(copy) = self.map.get(place as usize) else { return };
        copy.set_no_other(false);
        let held = copy.read();
        if is_copy(&held) && held.key == *key {
            copy.withdraw();
            self.rest.insert(place, now);
        }
    }
}

fn is_copy(held: &ServiceCopy) -> bool {
    held.place & service_place::IS_COPY != 0
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, net::Ipv4Addr};

    use lvs_common::limits;

    use super::*;

    fn key(vip: u32, port: u16) -> ServiceKey {
        let vip = Ipv4Addr::from(vip).to_ipv6_mapped().octets();
        ServiceKey { vip, port: port.to_be_bytes(), protocol: 6, reserved: 0 }
    }

    #[test]
    fn few_of_a_thousand_services_share_a_place() {
        let of_vips = (0..1000).map(|n| key(0x0a4d_0000 + n, 80));
        let of_ports = (0..1000).map(|n| key(0x0a4d_0064, n));
        for keys in [of_vips.collect::<Vec<_>>(), of_ports.collect()] {
            let places: BTreeSet<_> = keys.iter().map(place).collect();
            assert!(places.iter().all(|it| (*it as usize) < limits::SERVICE_COPIES));
            assert!(places.len() > 900, "{}", places.len());
        }
    }
}

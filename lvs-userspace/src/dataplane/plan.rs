//! Wanted against actual: which writes lead from one to the other, in which order.

use std::collections::BTreeMap;

use lvs_common::abi;

/// What the maps hold, or should hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// `INTERFACES` and `DEVICES`.
    pub interfaces: BTreeMap<u32, abi::Interface>,
    /// `REAL_SERVERS`, without the vacant places.
    pub real_servers: BTreeMap<u32, abi::RealServer>,
    /// The limits in `LOADS`.
    pub limits: BTreeMap<u32, Limits>,
    /// `SLOTS`: the slots of each service, by the index of the first.
    pub slots: BTreeMap<u32, Vec<u32>>,
    /// `SERVICES`.
    pub services: BTreeMap<abi::ServiceKey, abi::Service>,
    /// `VIPS`; IPv4 addresses as `::ffff:a.b.c.d`.
    pub vips: BTreeMap<[u8; 16], abi::Vip>,
}

/// What a real server may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Weight in force.
    pub weight: u32,
    /// With so many connections it gets no new ones; 0: without limit.
    pub upper_threshold: u32,
    /// With fewer than so many it gets new ones again.
    pub lower_threshold: u32,
}

/// One write to a map.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is named after the map and what is done to it")]
pub enum MapWrite {
    SetInterface(u32, abi::Interface),
    RemoveInterface(u32),
    /// A real server, whose counters start at zero if its place was vacant, or another's.
    SetRealServer {
        index: u32,
        real_server: abi::RealServer,
        new: bool,
    },
    VacateRealServer(u32),
    SetLimits(u32, Limits),
    /// The slots of a service, by the index of the first. No packet reads them until the service
    /// points to them.
    SetSlots(u32, Vec<u32>),
    /// A service, whose counters start at zero if it is new, or has another id.
    SetService {
        key: abi::ServiceKey,
        service: abi::Service,
        new: bool,
    },
    RemoveService(abi::ServiceKey),
    SetVip([u8; 16], abi::Vip),
    RemoveVip([u8; 16]),
}

impl Tables {
    /// How many entries others have otherwise, leaving aside slots that no service points to.
    #[must_use]
    pub fn differences(&self, others: &Self) -> usize {
        let slots = |tables: &Self| -> BTreeMap<_, _> {
            let services = tables.services.iter().filter(|(_, service)| service.n_slots > 0);
            services.map(|(key, it)| (*key, tables.slots.get(&it.first_slot).cloned())).collect()
        };
        unlike(&self.interfaces, &others.interfaces)
            + unlike(&self.real_servers, &others.real_servers)
            + unlike(&self.limits, &others.limits)
            + unlike(&self.services, &others.services)
            + unlike(&self.vips, &others.vips)
            + unlike(&slots(self), &slots(others))
    }

    /// Takes note of a write that was carried out.
    pub fn note(&mut self, write: &MapWrite) {
        match write {
            MapWrite::SetInterface(index, interface) => {
                self.interfaces.insert(*index, *interface);
            }
            MapWrite::RemoveInterface(index) => {
                self.interfaces.remove(index);
            }
            MapWrite::SetRealServer { index, real_server, new: _ } => {
                self.real_servers.insert(*index, *real_server);
            }
            MapWrite::VacateRealServer(index) => {
                self.real_servers.remove(index);
                self.limits.remove(index);
            }
            MapWrite::SetLimits(index, limits) => {
                self.limits.insert(*index, *limits);
            }
            MapWrite::SetSlots(first, slots) => {
                let range = *first..*first + slots.len() as u32;
                self.slots.retain(|&start, old| {
                    start >= range.end || start + old.len() as u32 <= range.start
                });
                self.slots.insert(*first, slots.clone());
            }
            MapWrite::SetService { key, service, new: _ } => {
                self.services.insert(*key, *service);
            }
            MapWrite::RemoveService(key) => {
                self.services.remove(key);
            }
            MapWrite::SetVip(address, vip) => {
                self.vips.insert(*address, *vip);
            }
            MapWrite::RemoveVip(address) => {
                self.vips.remove(address);
            }
        }
    }
}

/// The writes that lead from `actual` to `wanted`.
///
/// What a write refers to is written before it, and what is referred to is removed after: real
/// servers and their limits, then slots, then the service that points to both (one write, which is
/// the moment of the change for every packet), then its VIP; removals the other way round. So a
/// packet sees a service as it was or as it is to be, never half of it, and an interrupted plan
/// leaves nothing that points nowhere.
#[must_use]
pub fn plan(wanted: &Tables, actual: &Tables) -> Vec<MapWrite> {
    let mut writes = Vec::new();

    for (&index, &interface) in changed(&wanted.interfaces, &actual.interfaces) {
        writes.push(MapWrite::SetInterface(index, interface));
    }
    for (&index, &real_server) in changed(&wanted.real_servers, &actual.real_servers) {
        let new = actual.real_servers.get(&index).is_none_or(|it| {
            (it.service, it.address) != (real_server.service, real_server.address)
        });
        writes.push(MapWrite::SetRealServer { index, real_server, new });
    }
    for (&index, &limits) in changed(&wanted.limits, &actual.limits) {
        writes.push(MapWrite::SetLimits(index, limits));
    }
    for (&first, slots) in changed(&wanted.slots, &actual.slots) {
        writes.push(MapWrite::SetSlots(first, slots.clone()));
    }
    for (&key, &service) in changed(&wanted.services, &actual.services) {
        let new = actual.services.get(&key).is_none_or(|it| it.id != service.id);
        writes.push(MapWrite::SetService { key, service, new });
    }
    for (&address, &vip) in changed(&wanted.vips, &actual.vips) {
        writes.push(MapWrite::SetVip(address, vip));
    }

    writes.extend(gone(&wanted.vips, &actual.vips).map(MapWrite::RemoveVip));
    writes.extend(gone(&wanted.services, &actual.services).map(MapWrite::RemoveService));
    writes.extend(gone(&wanted.real_servers, &actual.real_servers).map(MapWrite::VacateRealServer));
    writes.extend(gone(&wanted.interfaces, &actual.interfaces).map(MapWrite::RemoveInterface));
    writes
}

/// The entries of `wanted` that `actual` has not, or has otherwise.
fn changed<'a, K: Ord, V: PartialEq>(
    wanted: &'a BTreeMap<K, V>,
    actual: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = (&'a K, &'a V)> {
    wanted.iter().filter(|(key, value)| actual.get(key) != Some(value))
}

/// The keys of `actual` that `wanted` has not.
fn gone<'a, K: Ord + Copy, V>(
    wanted: &'a BTreeMap<K, V>,
    actual: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = K> + 'a {
    actual.keys().filter(|key| !wanted.contains_key(key)).copied()
}

/// How many entries are not the same in both.
fn unlike<K: Ord, V: PartialEq>(one: &BTreeMap<K, V>, other: &BTreeMap<K, V>) -> usize {
    let missing = other.keys().filter(|key| !one.contains_key(key)).count();
    changed(one, other).count() + missing
}

//! Which real server takes a new connection.
//!
//! A service has slots in `SLOTS`, each with the index of a real server, which userspace computes
//! from the weights. What they mean is the scheduler's:
//!
//! - rr, wrr: **turns**. The next slot is taken, and no slot twice, so that every sum-of-weights
//!   connections in a row give each real server its weight, wherever they start.
//! - sh, mh, dh: a **hash** of an address says which slot.
//! - lc, wlc, sed, nq: each real server has one slot, and all are **compared**; of more than
//!   [`COMPARED_AT_ONCE`] so many for each connection, the next ones for the next. With a thousand that
//!   costs a tenth, and one that is idle gets an eighth of the new connections instead of all. If none of them takes
//!   connections, the next ones are asked, once.

use core::num::{NonZeroU32, NonZeroU64};

use crate::{
    abi::{Load, Service, scheduler},
    connections::scale,
    flow::{Address, Flow},
    forward::{Loads, Tables},
    limits::COMPARED_AT_ONCE,
};

/// So many slots are tried when real servers have reached their upper threshold.
const TRIES: u32 = 16;
/// So many real servers are compared by one call.
const COMPARED_IN_A_ROW: u32 = 16;

/// The real server for the connection of a new flow, or `None` if there is none that takes one.
#[inline(always)]
pub(crate) fn pick<T: Tables, A: Address>(
    service: &Service,
    tables: &T,
    flow: &Flow<A>,
) -> Option<u32> {
    let n = NonZeroU32::new(service.n_slots)?;
    match service.scheduler {
        scheduler::TURNS => by_turn(service, n, tables),
        scheduler::SOURCE => by_hash(service, n, tables, address_hash(A::client(&flow.key))),
        scheduler::DESTINATION => by_hash(service, n, tables, address_hash(A::vip(&flow.key))),
        _ => by_comparing(service, n, tables),
    }
}

/// The real server that is tried first.
#[inline(always)]
pub(crate) fn first<T: Tables, A: Address>(
    service: &Service,
    tables: &T,
    flow: &Flow<A>,
) -> Option<u32> {
    let n = NonZeroU32::new(service.n_slots)?;
    let slot = match service.scheduler {
        scheduler::TURNS => (tables.take_turn(service.id)? % NonZeroU64::from(n)) as u32,
        scheduler::SOURCE => scale(address_hash(A::client(&flow.key)), n.get()),
        scheduler::DESTINATION => scale(address_hash(A::vip(&flow.key)), n.get()),
        _ => return by_comparing(service, n, tables),
    };
    tables.slot(service.first_slot + slot)
}

/// A real server for a TCP packet of no connection, the same for each packet of its flow.
///
/// It takes no turn: the packet opens nothing, and all that the real server will do is reset it.
/// Where the scheduler goes by hash anyway, it is the real server that has always had it.
#[inline(always)]
pub(crate) fn pick_for_stray<T: Tables, A: Address>(
    service: &Service,
    tables: &T,
    flow: &Flow<A>,
) -> Option<u32> {
    let n = NonZeroU32::new(service.n_slots)?;
    let by_vip = service.scheduler == scheduler::DESTINATION;
    let address = if by_vip { A::vip(&flow.key) } else { A::client(&flow.key) };
    tables.slot(service.first_slot + scale(address_hash(address), n.get()))
}

#[inline(always)]
fn by_turn<T: Tables>(service: &Service, n: NonZeroU32, tables: &T) -> Option<u32> {
    for _ in 0..TRIES {
        let turn = tables.take_turn(service.id)?;
        let slot = (turn % NonZeroU64::from(n)) as u32;
        let index = tables.slot(service.first_slot + slot)?;
        if !tables.is_overloaded(index) {
            return Some(index);
        }
    }
    None
}

#[inline(always)]
fn by_hash<T: Tables>(service: &Service, n: NonZeroU32, tables: &T, hash: u32) -> Option<u32> {
    let first = scale(hash, n.get());
    for attempt in 0..TRIES {
        let slot = if attempt == 0 { first } else { (first + attempt) % n };
        let index = tables.slot(service.first_slot + slot)?;
        if !tables.is_overloaded(index) {
            return Some(index);
        }
    }
    None
}

#[inline(always)]
fn by_comparing<T: Tables>(service: &Service, n: NonZeroU32, tables: &T) -> Option<u32> {
    let Service { first_slot, scheduler, .. } = *service;
    let slots = Slots { first: first_slot, n: n.get(), scheduler };
    let slots =
        if slots.n > COMPARED_AT_ONCE { slots.some(tables.take_turn(service.id)?) } else { slots };
    match tables.least(slots) {
        0 => None,
        index => Some(index),
    }
}

/// A hash of an address that is the same on every director, so that they agree without a word.
#[inline(always)]
fn address_hash<A: Address>(address: A) -> u32 {
    let [a, b, c, d]: [u32; 4] = bytemuck::cast(address.to_v6());
    let mut hash = 0x9e37_79b9_7f4a_7c15u64; // 2^64 divided by the golden ratio
    for word in [a, b, c, d] {
        hash = (hash ^ u64::from(u32::from_be(word))).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash ^= hash >> 32;
    }
    hash as u32
}

/// The slots of a service whose scheduler compares.
#[derive(Clone, Copy, Debug)]
pub struct Slots {
    /// Index of the first.
    pub first: u32,
    /// How many there are.
    pub n: u32,
    /// How they are compared: one of [`scheduler`].
    pub scheduler: u32,
}

impl Slots {
    /// Those of too many that are compared in this turn.
    #[inline(always)]
    #[must_use]
    pub fn some(self, turn: u64) -> Self {
        let groups = self.n.div_ceil(COMPARED_AT_ONCE);
        let group = NonZeroU64::new(groups.into()).map_or(0, |groups| (turn % groups) as u32);
        // The last group is as large as the others: what is in two of them is looked at twice as often.
        let from = (group * COMPARED_AT_ONCE).min(self.n.saturating_sub(COMPARED_AT_ONCE));
        let n = self.n.min(COMPARED_AT_ONCE);
        Self { first: self.first + from, n, ..self }
    }
}

/// The best of the real servers that were compared so far.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Best {
    cost: u64,
    weight: u32,
    /// Its index; 0 if there is none.
    index: u32,
}

/// The one that a comparing scheduler takes: the first of those with the least cost for their
/// weight; 0 if there is none.
pub fn least<T: Loads>(slots: Slots, tables: &T) -> u32 {
    let mut best = Best { cost: 1, weight: 0, index: 0 };
    for some in 0..COMPARED_AT_ONCE / COMPARED_IN_A_ROW {
        let before = some * COMPARED_IN_A_ROW;
        if before >= slots.n {
            break;
        }
        let rest = Slots { first: slots.first + before, n: slots.n - before, ..slots };
        if tables.compare(rest, &mut best) {
            break;
        }
    }
    best.index
}

/// Compares the real servers of the first few slots with the best so far; says whether no other can be
/// better.
///
/// A few, because in the program this is a function: a call for each costs more than to compare it.
#[inline(always)]
pub fn compare<T: Loads>(slots: Slots, best: &mut Best, tables: &T) -> bool {
    for slot in 0..COMPARED_IN_A_ROW {
        if slot >= slots.n {
            break;
        }
        if compare_one(slots.first + slot, slots.scheduler, best, tables) {
            return true;
        }
    }
    false
}

#[inline(always)]
fn compare_one<T: Loads>(slot: u32, scheduler: u32, best: &mut Best, tables: &T) -> bool {
    let Some(index) = tables.slot(slot) else { return true };
    let Some(load) = tables.load(index) else { return true };
    if is_over_threshold(tables, index, &load) {
        return false;
    }
    let cost = cost(scheduler, &load);
    let weight = if scheduler == scheduler::LEAST { load.weight.min(1) } else { load.weight };
    let idle = cost == 0 && scheduler == scheduler::NEVER_QUEUE && weight > 0;
    // cost / weight < least / its weight, without a division, as IPVS does it. With weight 0 it never is; the
    // first of all is 1 / 0.
    let better = cost * u64::from(best.weight) < best.cost * u64::from(weight);
    if idle || better {
        *best = Best { cost, weight, index };
    }
    idle
}

/// What IPVS calls the overhead of a real server (ip_vs_dest_conn_overhead in
/// include/net/ip_vs.h; ip_vs_sed_dest_overhead in ip_vs_sed.c, ip_vs_nq.c).
#[inline(always)]
fn cost(kind: u32, load: &Load) -> u64 {
    match kind {
        scheduler::SHORTEST_DELAY => u64::from(load.active) + 1,
        scheduler::NEVER_QUEUE if load.active == 0 => 0,
        scheduler::NEVER_QUEUE => u64::from(load.active) + 1,
        _ => u64::from(load.active) * 256 + u64::from(load.inactive),
    }
}

/// Whether a real server has reached its upper threshold and not passed the lower one since.
#[inline(always)]
pub fn is_overloaded<T: Loads>(tables: &T, index: u32) -> bool {
    match tables.load(index) {
        Some(load) => is_over_threshold(tables, index, &load),
        None => false,
    }
}

#[inline(always)]
fn is_over_threshold<T: Loads>(tables: &T, index: u32, load: &Load) -> bool {
    if load.upper_threshold == 0 {
        return false;
    }
    let overloaded = exceeds(load);
    if overloaded != (load.overloaded != 0) {
        tables.set_overloaded(index, overloaded);
    }
    overloaded
}

/// Whether there are so many connections that there should be no new ones.
#[inline(always)]
#[must_use]
pub fn exceeds(load: &Load) -> bool {
    if load.upper_threshold == 0 {
        return false;
    }
    let connections = u64::from(load.active) + u64::from(load.inactive);
    if load.overloaded == 0 {
        connections >= u64::from(load.upper_threshold)
    } else {
        connections >= u64::from(load.lower_threshold)
    }
}

//! Packets that go to a real server although nothing is remembered of them: those of services that
//! remember nothing, and what begins when so much does that it could not be remembered for long enough.
//!
//! Both go where the hash of an address says. That is also where TCP of no known connection goes, so the
//! packets of a connection stay together as long as the real servers and their weights stay as they are.

use super::{FamilyTables, Table, Tables, decided::Decided, flow::service};
use crate::{
    abi::{Begun, Service, Settings, service_flags},
    flow::{Address, Flow},
    limits::BEGINNINGS_OF_BUCKET,
    packet::transport::Segment,
    schedule,
    vip_filter::Marks,
};

/// Where such a packet goes; `None` if it is none.
#[inline(always)]
pub(super) fn decide<T: Tables + FamilyTables<A>, A: Address>(
    flow: &Flow<A>,
    segment: Segment,
    marks: Marks,
    tables: &T,
    settings: &Settings,
) -> Option<Decided> {
    let is_flood = segment == Segment::Syn && is_flood(tables, settings);
    if !is_flood && !marks.may_be_stateless() {
        return None;
    }
    let service = service(flow, tables)?;
    let begins = segment == Segment::Syn;
    if service.flags & service_flags::STATELESS != 0 {
        let real_server = of_stateless(service, flow, tables)?;
        return Some(Decided::unrecorded(real_server, begins, false));
    }
    // Where a client stays is known for longer than it takes to open a connection.
    if !is_flood || service.persistence != 0 {
        return None;
    }
    Some(Decided::unrecorded(of_flood(service, flow, tables)?, begins, true))
}

/// Counts it, if it is of a flood, once it is sure that it goes there.
#[inline(always)]
pub(super) fn count<T: Tables + FamilyTables<A>, A: Address>(decided: Decided, tables: &T) {
    if decided.is_in_flood() {
        let begun = tables.begun();
        tables.set_begun(Begun { unrecorded: begun.unrecorded.wrapping_add(1), ..begun });
    }
}

/// The real server of a flow of which nothing is remembered because that is so with its service; 0 if it is
/// none such.
pub fn unrecorded<T: Tables + FamilyTables<A>, A: Address>(flow: &Flow<A>, tables: &T) -> u32 {
    let Some(settings) = tables.settings() else { return 0 };
    let marks = tables.marks(A::vip(&flow.key).fold());
    let decided = decide(flow, Segment::Acknowledge, marks, tables, settings);
    decided.map_or(0, Decided::real_server)
}

/// Notes that a connection was recorded among the half-open ones.
#[inline(always)]
pub(super) fn note<T: Tables + FamilyTables<A>, A: Address>(tables: &T, now: u16) {
    let (begun, now) = (tables.begun(), u32::from(now));
    let recorded = if begun.time == now { begun.recorded.wrapping_add(1) } else { 1 };
    tables.set_begun(Begun { time: now, recorded, ..begun });
}

/// Whether this CPU has recorded so many that more would drive out what is just on its way.
#[inline(always)]
fn is_flood<T: Tables + FamilyTables<A>, A: Address>(tables: &T, settings: &Settings) -> bool {
    let begun = tables.begun();
    let n_buckets = tables.n_buckets(Table::HalfOpen, settings);
    let all = n_buckets.saturating_mul(BEGINNINGS_OF_BUCKET);
    let limit = all.checked_div(settings.cpus).unwrap_or(u32::MAX);
    begun.recorded >= limit && begun.time == u32::from(tables.now(settings))
}

#[inline(always)]
fn of_stateless<T: Tables, A: Address>(
    service: &Service,
    flow: &Flow<A>,
    tables: &T,
) -> Option<u32> {
    let sorry = if service.sorry_server == 0 { None } else { Some(service.sorry_server) };
    schedule::pick_for_stray(service, tables, flow).or(sorry)
}

/// As it would go if it were known already. One with too many connections gets none that is not counted.
#[inline(always)]
fn of_flood<T: Tables, A: Address>(service: &Service, flow: &Flow<A>, tables: &T) -> Option<u32> {
    let real_server = schedule::pick_for_stray(service, tables, flow)?;
    let has_threshold = tables.load(real_server)?.upper_threshold != 0;
    (!has_threshold).then_some(real_server)
}

//! What most packets don't need: connections that begin, change or move.

use super::{
    FamilyTables, Table, Tables, check_active,
    decided::Decided,
    explain::Reason,
    flow::service,
    lookup::{Lookup, Place},
    unrecorded,
};
use crate::{
    abi::{Service, service_flags},
    connections::{Entry, Inserted, Room, state},
    fate::Fate,
    flow::{Address, Flow},
    packet::transport::Segment,
    schedule,
};

/// What becomes of a packet that begins a connection, or changes something of one, as a word that
/// [`settle`] understands, too.
pub fn long_way<T: Tables + FamilyTables<A>, A: Address>(
    flow: &Flow<A>,
    segment: Segment,
    tables: &T,
) -> u64 {
    let Some(settings) = tables.settings() else {
        return Decided::fate(Fate::PassedInactive).to_word();
    };
    let marks = tables.marks(A::vip(&flow.key).fold());
    if let Some(decided) = unrecorded::decide(flow, segment, marks, tables, settings) {
        return match check_active(tables, settings) {
            Ok(()) => {
                unrecorded::count(decided, tables);
                decided.to_word()
            }
            Err(fate) => Decided::fate(fate).to_word(),
        };
    }
    let lookup = Lookup::new(flow, segment, tables, settings);
    let decided = match lookup.find_at_once(Table::Established) {
        Some(found) => known(&lookup, Place { found, table: Table::Established }),
        None => not_established(&lookup),
    };
    decided.to_word()
}

/// Records a connection, or gives one to another real server, as was decided.
pub fn settle<T: Tables + FamilyTables<A>, A: Address>(
    flow: &Flow<A>,
    segment: Segment,
    decided: u64,
    tables: &T,
) -> u64 {
    let decided = Decided::from_word(decided);
    let Some(settings) = tables.settings() else {
        return Decided::fate(Fate::PassedInactive).to_word();
    };
    let lookup = Lookup::new(flow, segment, tables, settings);
    let settled =
        if decided.moves() { hand_over(&lookup, decided) } else { record(&lookup, decided) };
    settled.to_word()
}

/// A packet of a connection that is remembered.
#[inline(always)]
fn known<T: Tables + FamilyTables<A>, A: Address>(
    lookup: &Lookup<'_, T, A>,
    place: Place,
) -> Decided {
    if let Err(fate) = check_active(lookup.tables, lookup.settings) {
        return Decided::fate(fate);
    }
    let entry = place.found.entry;
    // A port that is used again is a new connection, which may go elsewhere.
    let is_over = matches!(entry.state, state::FIN_WAIT | state::TIME_WAIT | state::CLOSED);
    if (is_over && lookup.segment == Segment::Syn) || !lookup.serves(entry.real_server) {
        return match service(lookup.flow, lookup.tables) {
            Some(_) => Decided::choose_and_move(),
            None => Decided::fate(Fate::PassedNoService),
        };
    }
    let next = state::after(entry.state, lookup.segment);
    if next != entry.state || entry.seen != lookup.template.seen {
        lookup.note(place);
    }
    Decided::known(entry.real_server)
}

/// A packet of no established connection: of a half-open one, or the first of all.
#[inline(always)]
fn not_established<T: Tables + FamilyTables<A>, A: Address>(lookup: &Lookup<'_, T, A>) -> Decided {
    if let Some(found) = lookup.find_at_once(Table::HalfOpen) {
        let Entry { real_server, state, .. } = found.entry;
        let next = state::after(state, lookup.segment);
        return if state::is_half_open(next) || !lookup.serves(real_server) {
            known(lookup, Place { found, table: Table::HalfOpen })
        } else if let Err(fate) = check_active(lookup.tables, lookup.settings) {
            Decided::fate(fate)
        } else {
            Decided::promote(real_server, next)
        };
    }
    let Some(service) = service(lookup.flow, lookup.tables) else {
        return Decided::fate(Fate::PassedNoService);
    };
    if let Err(fate) = check_active(lookup.tables, lookup.settings) {
        return Decided::fate(fate);
    }
    match lookup.segment {
        Segment::Syn | Segment::Datagram => begin(lookup, service),
        _ if lookup.tables.jiffies() <= lookup.settings.strays_until => {
            Decided::fate(Fate::DroppedStray)
        }
        Segment::Finish | Segment::Reset | Segment::Acknowledge => {
            match schedule::pick_for_stray(service, lookup.tables, lookup.flow) {
                Some(real_server) => Decided::because(Reason::Stray, real_server),
                None => Decided::fate(Fate::DroppedNoRealServer),
            }
        }
    }
}

#[inline(always)]
fn begin<T: Tables + FamilyTables<A>, A: Address>(
    lookup: &Lookup<'_, T, A>,
    service: &Service,
) -> Decided {
    let remembered = service.flags & service_flags::STATELESS == 0
        && (service.flags & service_flags::ONE_PACKET == 0 || lookup.segment != Segment::Datagram);
    match (pick_at_once(lookup, service), remembered) {
        (None, true) => Decided::choose_and_record(lookup.template.state),
        (None, false) => Decided::choose(),
        (Some(real_server), true) => record_beginning(lookup, real_server),
        (Some(real_server), false) => begins(real_server),
    }
}

/// The real server of a new connection, if there is not much to choose: no persistence, and the first that the scheduler
/// names takes connections.
#[inline(always)]
fn pick_at_once<T: Tables + FamilyTables<A>, A: Address>(
    lookup: &Lookup<'_, T, A>,
    service: &Service,
) -> Option<u32> {
    let Lookup { tables, settings, flow, .. } = lookup;
    if service.persistence != 0 || tables.jiffies() > settings.scheduled_until {
        return None;
    }
    let real_server = schedule::first(service, *tables, flow)?;
    let has_threshold = tables.load(real_server)?.upper_threshold != 0;
    (!has_threshold || !tables.is_overloaded(real_server)).then_some(real_server)
}

/// Records a connection among the half-open ones, where there is always room.
#[inline(always)]
fn record_beginning<T: Tables + FamilyTables<A>, A: Address>(
    lookup: &Lookup<'_, T, A>,
    real_server: u32,
) -> Decided {
    let entry = Entry { real_server, ..lookup.template };
    match lookup.record(entry, Table::HalfOpen, Room::None) {
        Inserted::Present(other) => Decided::known(other.real_server),
        Inserted::Recorded { .. } | Inserted::Full | Inserted::Busy => begins(real_server),
    }
}

#[inline(always)]
fn begins(real_server: u32) -> Decided {
    Decided::begins(real_server).with(Decided::because(Reason::Scheduler, real_server))
}

/// Records a connection: among the half-open ones, or as one that is established.
#[inline(always)]
fn record<T: Tables + FamilyTables<A>, A: Address>(
    lookup: &Lookup<'_, T, A>,
    decided: Decided,
) -> Decided {
    let (real_server, state) = (decided.real_server(), decided.state());
    let entry = Entry { real_server, state, ..lookup.template };
    let begins = decided.does_begin();
    let table = if begins { Table::HalfOpen } else { Table::Established };
    match lookup.record(entry, table, decided.room()) {
        Inserted::Full => decided.make_room(),
        Inserted::Present(other) => Decided::known(other.real_server),
        Inserted::Recorded { .. } | Inserted::Busy if begins => Decided::begins(real_server),
        Inserted::Recorded { .. } => {
            lookup.forget(Table::HalfOpen);
            Decided::known(real_server)
        }
        Inserted::Busy => Decided::known(real_server),
    }
}

/// Gives a remembered connection to the real server that was chosen for it. If it was TCP in use,
/// that one will reset it, so that the client knows at once.
#[inline(always)]
fn hand_over<T: Tables + FamilyTables<A>, A: Address>(
    lookup: &Lookup<'_, T, A>,
    decided: Decided,
) -> Decided {
    if let Some(place) = lookup.find_anywhere() {
        lookup.hand_over(place, decided.real_server());
    }
    Decided::begins(decided.real_server())
}

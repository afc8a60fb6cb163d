//! A flow's place in the connection tables, and what is done there.

use super::{FamilyTables, Table, Tables, unrecorded};
use crate::{
    abi::{RealServer, Settings, real_server_state, tells},
    connections::{self, Entry, Found, Hash, Inserted, Room, find_either, state},
    flow::{Address, Flow},
    packet::transport::Segment,
};

/// A connection that was found, and in which table.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) found: Found,
    pub(super) table: Table,
}

/// Finds a flow's connection in a table; the result is [`Found`] as a word.
pub fn find<T: Tables + FamilyTables<A>, A: Address>(
    flow: &Flow<A>,
    segment: Segment,
    table: Table,
    tables: &T,
) -> u64 {
    let Some(settings) = tables.settings() else { return Found::to_word(None) };
    Found::to_word(Lookup::new(flow, segment, tables, settings).find_at_once(table))
}

/// Makes room for a connection among the established ones, both of whose buckets are full; the result
/// is [`Room`] as a number.
pub fn make_room<T: Tables + FamilyTables<A>, A: Address>(flow: &Flow<A>, tables: &T) -> u32 {
    let Some(settings) = tables.settings() else { return u32::from(Room::None.to_number()) };
    let table = Table::Established;
    let n_buckets = tables.n_buckets(table, settings);
    let hash = A::hash(&flow.key, &settings.secrets);
    for (in_second, index) in [(false, hash.first(n_buckets)), (true, hash.second(n_buckets))] {
        let Some(bucket) = tables.bucket(table, index) else { continue };
        let second_of = |key: &A::Key| {
            let hash = A::hash(key, &settings.secrets);
            let other = hash.second(n_buckets);
            let moves = hash.first(n_buckets) == index && other != index;
            if moves { tables.bucket(table, other) } else { None }
        };
        if let Some(way) =
            connections::make_room(bucket, second_of, |old, new| recount(tables, old, new))
        {
            return u32::from(Room::At(connections::Place { way, in_second }).to_number());
        }
    }
    u32::from(Room::None.to_number())
}

/// A flow, and what it is looked up in.
pub(super) struct Lookup<'a, T, A: Address> {
    pub(super) flow: &'a Flow<A>,
    pub(super) segment: Segment,
    hash: Hash,
    /// An entry with the flow's tag and of its protocol, seen now.
    pub(super) template: Entry,
    pub(super) tables: &'a T,
    pub(super) settings: &'a Settings,
}

impl<'a, T: Tables + FamilyTables<A>, A: Address> Lookup<'a, T, A> {
    #[inline(always)]
    pub(super) fn new(
        flow: &'a Flow<A>,
        segment: Segment,
        tables: &'a T,
        settings: &'a Settings,
    ) -> Self {
        let hash = A::hash(&flow.key, &settings.secrets);
        let state = state::after(state::FREE, segment);
        let seen = tables.now(settings);
        let template = Entry { real_server: 0, seen, state, tag: hash.tag() };
        Self { flow, segment, hash, template, tables, settings }
    }

    #[inline(always)]
    fn first(&self, table: Table) -> Option<&'a T::Bucket> {
        let n_buckets = self.tables.n_buckets(table, self.settings);
        self.tables.bucket(table, self.hash.first(n_buckets))
    }

    #[inline(always)]
    fn second(&self, table: Table) -> Option<&'a T::Bucket> {
        let n_buckets = self.tables.n_buckets(table, self.settings);
        self.tables.bucket(table, self.hash.second(n_buckets))
    }

    #[inline(always)]
    pub(super) fn find(&self, table: Table) -> Option<Found> {
        Found::from_word(self.tables.find(self.flow, self.segment, table))
    }

    /// [`find`](Self::find), without a call of a function.
    #[inline(always)]
    pub(super) fn find_at_once(&self, table: Table) -> Option<Found> {
        find_either(self.first(table)?, || self.second(table), &self.flow.key, self.template)
    }

    /// Finds it in either table.
    #[inline(always)]
    pub(super) fn find_anywhere(&self) -> Option<Place> {
        if let Some(found) = self.find(Table::Established) {
            return Some(Place { found, table: Table::Established });
        }
        let found = self.find(Table::HalfOpen)?;
        Some(Place { found, table: Table::HalfOpen })
    }

    /// Whether a packet leaves its connection as it is, and with its real server.
    #[inline(always)]
    pub(super) fn just_goes_on(&self, entry: Entry) -> bool {
        state::after(entry.state, self.segment) == entry.state
            && entry.seen == self.template.seen
            && self.serves(entry.real_server)
    }

    /// Whether connections of this real server stay with it.
    #[inline(always)]
    pub(super) fn serves(&self, index: u32) -> bool {
        let stays = |real_server: &RealServer| {
            matches!(
                real_server.state,
                real_server_state::READY | real_server_state::NEIGHBOUR_UNKNOWN
            )
        };
        self.tables.real_server(index).is_some_and(stays)
    }

    /// Notes the state and the time of a connection that goes on.
    #[inline(always)]
    pub(super) fn note(&self, place: Place) {
        self.change(place, |old| Entry {
            state: state::after(old.state, self.segment),
            seen: self.template.seen,
            ..old
        });
    }

    /// Gives a connection to another real server.
    #[inline(always)]
    pub(super) fn hand_over(&self, place: Place, real_server: u32) {
        self.change(place, |old| Entry {
            real_server,
            seen: self.template.seen,
            state: match self.segment {
                Segment::Syn => state::SYN_RECEIVED,
                Segment::Finish | Segment::Reset | Segment::Acknowledge | Segment::Datagram => {
                    state::after(old.state, self.segment)
                }
            },
            ..old
        });
    }

    /// Forgets it in a table, if it is there.
    #[inline(always)]
    pub(super) fn forget(&self, table: Table) {
        if let Some(found) = self.find(table) {
            self.change(Place { found, table }, |_| Entry::FREE);
        }
    }

    /// Changes an entry, and the counts of connections with it.
    #[inline(always)]
    fn change(&self, place: Place, change: impl Fn(Entry) -> Entry) {
        let Place { found, table } = place;
        let bucket = if found.in_second { self.second(table) } else { self.first(table) };
        if let Some(bucket) = bucket
            && let Some((old, new)) = self.tables.update(bucket, found, change)
        {
            recount(self.tables, old, new);
            if new.is_live() && (old.state != new.state || old.real_server != new.real_server) {
                self.tell(table);
            }
        }
    }

    /// Tells lvsd, if it wants to know.
    #[inline(always)]
    fn tell(&self, table: Table) {
        let wanted = match table {
            Table::Established => tells::CHANGES,
            Table::HalfOpen => tells::BEGINNINGS,
        };
        if self.settings.tells & wanted != 0 {
            self.tables.tell(self.flow, table);
        }
    }

    /// Writes a connection into a table.
    #[inline(always)]
    pub(super) fn record(&self, entry: Entry, table: Table, room: Room) -> Inserted {
        let (Some(first), Some(second)) = (self.first(table), self.second(table)) else {
            return Inserted::Busy;
        };
        let inserted = self.tables.insert([first, second], &self.flow.key, entry, room);
        if let Inserted::Recorded { evicted } = inserted {
            recount(self.tables, evicted, entry);
            if table == Table::HalfOpen {
                unrecorded::note(self.tables, entry.seen);
            }
            self.tell(table);
        }
        inserted
    }
}

/// Keeps the counts of connections right when an entry becomes another.
#[inline(always)]
fn recount<T: Tables>(tables: &T, old: Entry, new: Entry) {
    let same_count = old.is_live() == new.is_live()
        && state::is_active(old.state) == state::is_active(new.state);
    if old.real_server == new.real_server && same_count {
        return;
    }
    if old.is_live() {
        let active = i32::from(state::is_active(old.state));
        tables.add_connections(old.real_server, -active, active - 1);
    }
    if new.is_live() {
        let active = i32::from(state::is_active(new.state));
        tables.add_connections(new.real_server, active, 1 - active);
    }
}

//! Packets of flows: the connection that they belong to, or the one that they begin.

use super::{FamilyTables, Table, Tables, Target, check_active};
use crate::{
    abi::{
        self, FragmentKey, RealServer, Service, Settings, Traffic, real_server_state, service_flags,
    },
    connections::{Entry, Found, Hash, Inserted, find_either, state, update},
    fate::Fate,
    flow::{Address, Flow},
    packet::{ErrorAbout, FlowPacket, LaterFragment, transport::Segment},
    schedule,
};

/// Where a packet of a flow goes.
///
/// The packet of a connection that simply goes on is done with here; whatever changes something
/// goes the [`long_way`].
#[inline(always)]
pub(super) fn forward<T: Tables + FamilyTables<A>, A: Address>(
    packet: &FlowPacket<A>,
    tables: &T,
    settings: &Settings,
) -> Result<Target, Fate> {
    let lookup = Lookup::new(&packet.flow, packet.segment, tables, settings);
    let choice = match lookup.find(Table::Established) {
        Some(found) if lookup.just_goes_on(found.entry) => {
            check_active(tables, settings)?;
            Choice { real_server: found.entry.real_server, begins: false }
        }
        Some(_) | None => decide(packet, tables)?,
    };
    if let Some(id) = packet.fragment {
        tables.set_fragment(&first_fragment(packet, id), choice.real_server);
    }
    let traffic = Traffic {
        connections: u64::from(choice.begins),
        packets: 1,
        bytes: u64::from(packet.bytes),
    };
    Ok(Target { real_server: choice.real_server, traffic })
}

/// Goes the [`long_way`], and if a real server must be chosen for that, goes it again with it. (In
/// one go the functions of the program would need more stack than there is.)
#[inline(always)]
fn decide<T: Tables + FamilyTables<A>, A: Address>(
    packet: &FlowPacket<A>,
    tables: &T,
) -> Result<Choice, Fate> {
    if !tables.is_vip(packet.flow.vip) {
        return Err(Fate::PassedNoService);
    }
    let mut decided = Decided(tables.long_way(&packet.flow, packet.segment, 0));
    if decided.needs_choice() {
        let chosen = tables.choose(&packet.flow);
        if chosen == 0 {
            return Err(Fate::DroppedNoRealServer);
        }
        decided = Decided(tables.long_way(&packet.flow, packet.segment, chosen));
    }
    decided.into_result()
}

/// What becomes of a packet that begins a connection, or changes something of one. `chosen` is the
/// real server for a connection that begins, or 0 if none has been chosen yet. The result is a word:
/// a real server, a fate, or that one must be chosen.
pub fn long_way<T: Tables + FamilyTables<A>, A: Address>(
    flow: &Flow<A>,
    segment: Segment,
    chosen: u32,
    tables: &T,
) -> u64 {
    let Some(settings) = tables.settings() else {
        return Decided::fate(Fate::PassedInactive).0;
    };
    let lookup = Lookup::new(flow, segment, tables, settings);
    match lookup.find(Table::Established) {
        Some(found) => lookup.known(Place { found, table: Table::Established }, chosen),
        None => lookup.not_established(chosen),
    }
    .0
}

/// The index of the real server that holds a connection, in either table; 0 if there is none.
pub fn holder<T: Tables + FamilyTables<A>, A: Address>(
    flow: &Flow<A>,
    segment: Segment,
    tables: &T,
) -> u32 {
    let Some(settings) = tables.settings() else { return 0 };
    let lookup = Lookup::new(flow, segment, tables, settings);
    match lookup.find(Table::Established).or_else(|| lookup.find(Table::HalfOpen)) {
        Some(found) => found.entry.real_server,
        None => 0,
    }
}

/// Where a fragment goes after the first of its datagram.
#[inline(always)]
pub(super) fn follow<T: Tables + FamilyTables<A>, A: Address>(
    fragment: &LaterFragment<A>,
    tables: &T,
    settings: &Settings,
) -> Result<Target, Fate> {
    if !tables.is_vip(fragment.destination) {
        return Err(Fate::PassedFragment);
    }
    check_active(tables, settings)?;
    let key = FragmentKey {
        source: fragment.source.to_v6(),
        destination: fragment.destination.to_v6(),
        id: fragment.id,
        protocol: u32::from(fragment.protocol),
    };
    let real_server = tables.fragment(&key).ok_or(Fate::DroppedFragment)?;
    let traffic = Traffic { connections: 0, packets: 1, bytes: u64::from(fragment.bytes) };
    Ok(Target { real_server, traffic })
}

/// Where an ICMP error goes: to the real server whose packet it is about.
#[inline(always)]
pub(super) fn relay<T: Tables + FamilyTables<A>, A: Address>(
    error: &ErrorAbout<A>,
    tables: &T,
    settings: &Settings,
) -> Result<Target, Fate> {
    let segment = match error.flow.protocol {
        abi::UDP => Segment::Datagram,
        _ => Segment::Acknowledge,
    };
    let real_server = tables.holder(&error.flow, segment);
    if real_server == 0 {
        return Err(Fate::PassedIcmp);
    }
    check_active(tables, settings)?;
    let traffic = Traffic { connections: 0, packets: 1, bytes: u64::from(error.bytes) };
    Ok(Target { real_server, traffic })
}

/// A real server for a packet, or why there is none. As one word, because that is what a BPF
/// function returns.
#[derive(Clone, Copy)]
struct Decided(u64);

/// A real server, and whether the packet begins a connection there.
#[derive(Clone, Copy)]
struct Choice {
    real_server: u32,
    begins: bool,
}

const BEGINS: u64 = 1 << 32;
const FATE: u64 = 1 << 33;
const CHOOSE: u64 = 1 << 34;

impl Decided {
    #[inline(always)]
    fn known(real_server: u32) -> Self {
        Self(u64::from(real_server))
    }

    #[inline(always)]
    fn begins(real_server: u32) -> Self {
        Self(u64::from(real_server) | BEGINS)
    }

    #[inline(always)]
    fn needs_choice(self) -> bool {
        self.0 & CHOOSE != 0
    }

    #[inline(always)]
    fn fate(fate: Fate) -> Self {
        Self(u64::from(fate.index()) | FATE)
    }

    #[inline(always)]
    fn into_result(self) -> Result<Choice, Fate> {
        if self.0 & FATE == 0 {
            return Ok(Choice { real_server: self.0 as u32, begins: self.0 & BEGINS != 0 });
        }
        // Only these three come from here; a table of all would be data that BPF has no place for.
        match self.0 as u32 {
            index if index == Fate::PassedNoService.index() => Err(Fate::PassedNoService),
            index if index == Fate::PassedInactive.index() => Err(Fate::PassedInactive),
            _ => Err(Fate::DroppedNoRealServer),
        }
    }
}

/// A connection that was found, and in which table.
#[derive(Clone, Copy)]
struct Place {
    found: Found,
    table: Table,
}

/// A flow, and what it is looked up in.
struct Lookup<'a, T, A: Address> {
    flow: &'a Flow<A>,
    segment: Segment,
    words: A::Words,
    hash: Hash,
    /// An entry with the flow's tag and of its protocol, seen now.
    template: Entry,
    tables: &'a T,
    settings: &'a Settings,
}

impl<'a, T: Tables + FamilyTables<A>, A: Address> Lookup<'a, T, A> {
    #[inline(always)]
    fn new(flow: &'a Flow<A>, segment: Segment, tables: &'a T, settings: &'a Settings) -> Self {
        let words = A::words(flow);
        let hash = A::hash(&words, &settings.secrets);
        let state = state::after(state::FREE, segment);
        let seen = (tables.jiffies() >> (settings.clock_shift & 31)) as u16;
        let template = Entry { real_server: 0, seen, state, tag: hash.tag() };
        Self { flow, segment, words, hash, template, tables, settings }
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
    fn find(&self, table: Table) -> Option<Found> {
        find_either(self.first(table)?, || self.second(table), &self.words, self.template)
    }

    /// Whether a packet leaves its connection as it is, and with its real server.
    #[inline(always)]
    fn just_goes_on(&self, entry: Entry) -> bool {
        state::after(entry.state, self.segment) == entry.state
            && entry.seen == self.template.seen
            && self.serves(entry.real_server)
    }

    /// Changes an entry, and the counts of connections with it.
    #[inline(always)]
    fn change(&self, place: Place, change: impl Fn(Entry) -> Entry) {
        let Place { found, table } = place;
        let bucket = if found.in_second { self.second(table) } else { self.first(table) };
        if let Some(bucket) = bucket
            && let Some((old, new)) = update(bucket, found.way, found.entry, change)
        {
            self.recount(old, new);
        }
    }

    /// A packet of a connection that is remembered.
    #[inline(always)]
    fn known(&self, place: Place, chosen: u32) -> Decided {
        if let Err(fate) = check_active(self.tables, self.settings) {
            return Decided::fate(fate);
        }
        let entry = place.found.entry;
        // A port that is used again is a new connection, which may go elsewhere.
        let is_over = matches!(entry.state, state::FIN_WAIT | state::TIME_WAIT | state::CLOSED);
        if (is_over && self.segment == Segment::Syn) || !self.serves(entry.real_server) {
            return self.reschedule(&place, chosen);
        }
        let next = state::after(entry.state, self.segment);
        if next != entry.state || entry.seen != self.template.seen {
            self.note(&place);
        }
        Decided::known(entry.real_server)
    }

    /// Notes the state and the time of a connection that goes on.
    #[inline(always)]
    fn note(&self, place: &Place) {
        self.change(*place, |old| Entry {
            state: state::after(old.state, self.segment),
            seen: self.template.seen,
            ..old
        });
    }

    /// Whether connections of this real server stay with it.
    #[inline(always)]
    fn serves(&self, index: u32) -> bool {
        let stays = |real_server: &RealServer| {
            matches!(
                real_server.state,
                real_server_state::READY | real_server_state::NEIGHBOUR_UNKNOWN
            )
        };
        self.tables.real_server(index).is_some_and(stays)
    }

    /// Gives a remembered connection to another real server. If it was TCP in use, that one will
    /// reset it, so that the client knows at once.
    #[inline(always)]
    fn reschedule(&self, place: &Place, real_server: u32) -> Decided {
        if service(self.flow, self.tables).is_none() {
            return Decided::fate(Fate::PassedNoService);
        }
        if real_server == 0 {
            return Decided(CHOOSE);
        }
        self.change(*place, |old| Entry {
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
        Decided::begins(real_server)
    }

    /// A packet of no established connection: of a half-open one, or the first of all.
    #[inline(always)]
    fn not_established(&self, chosen: u32) -> Decided {
        if let Some(found) = self.find(Table::HalfOpen) {
            let place = Place { found, table: Table::HalfOpen };
            let next = state::after(found.entry.state, self.segment);
            return if state::is_half_open(next) || !self.serves(found.entry.real_server) {
                self.known(place, chosen)
            } else {
                self.promote(place, next)
            };
        }
        let Some(service) = service(self.flow, self.tables) else {
            return Decided::fate(Fate::PassedNoService);
        };
        if let Err(fate) = check_active(self.tables, self.settings) {
            return Decided::fate(fate);
        }
        match self.segment {
            Segment::Syn | Segment::Datagram => self.begin(&service, chosen),
            Segment::Finish | Segment::Reset | Segment::Acknowledge => {
                let Flow { client, vip, .. } = *self.flow;
                match schedule::pick_for_stray(&service, self.tables, client, vip) {
                    Some(real_server) => Decided::known(real_server),
                    None => Decided::fate(Fate::DroppedNoRealServer),
                }
            }
        }
    }

    #[inline(always)]
    fn begin(&self, service: &Service, real_server: u32) -> Decided {
        if real_server == 0 {
            return Decided(CHOOSE);
        }
        let one_packet = service.flags & service_flags::ONE_PACKET != 0;
        if one_packet && self.segment == Segment::Datagram {
            return Decided::begins(real_server);
        }
        match self.record(Entry { real_server, ..self.template }, Table::HalfOpen) {
            Inserted::Recorded { .. } | Inserted::Busy => Decided::begins(real_server),
            Inserted::Present(other) => Decided::known(other.real_server),
        }
    }

    /// Moves a connection from the table of half-open ones to the other.
    #[inline(always)]
    fn promote(&self, place: Place, state: u8) -> Decided {
        if let Err(fate) = check_active(self.tables, self.settings) {
            return Decided::fate(fate);
        }
        let entry = Entry { state, seen: self.template.seen, ..place.found.entry };
        match self.record(entry, Table::Established) {
            Inserted::Recorded { .. } => {
                self.change(place, |_| Entry::FREE);
                Decided::known(entry.real_server)
            }
            Inserted::Busy => Decided::known(entry.real_server),
            Inserted::Present(other) => Decided::known(other.real_server),
        }
    }

    /// Writes a connection into a table.
    #[inline(always)]
    fn record(&self, entry: Entry, table: Table) -> Inserted {
        let (Some(first), Some(second)) = (self.first(table), self.second(table)) else {
            return Inserted::Busy;
        };
        let inserted = self.tables.insert(first, second, &self.words, entry);
        if let Inserted::Recorded { evicted } = inserted {
            self.recount(evicted, entry);
        }
        inserted
    }

    /// Keeps the counts of connections right when an entry becomes another.
    #[inline(always)]
    fn recount(&self, old: Entry, new: Entry) {
        let same_count = old.is_live() == new.is_live()
            && state::is_active(old.state) == state::is_active(new.state);
        if old.real_server == new.real_server && same_count {
            return;
        }
        if old.is_live() {
            let active = i32::from(state::is_active(old.state));
            self.tables.add_connections(old.real_server, -active, active - 1);
        }
        if new.is_live() {
            let active = i32::from(state::is_active(new.state));
            self.tables.add_connections(new.real_server, active, 1 - active);
        }
    }
}

/// The virtual service of a flow: with its port, or with all ports.
#[inline(always)]
pub(super) fn service<T: FamilyTables<A>, A: Address>(
    flow: &Flow<A>,
    tables: &T,
) -> Option<Service> {
    let Flow { vip, port, protocol, .. } = *flow;
    tables.service(vip, port, protocol).or_else(|| tables.service(vip, [0; 2], protocol))
}

#[inline(always)]
fn first_fragment<A: Address>(packet: &FlowPacket<A>, id: u32) -> FragmentKey {
    FragmentKey {
        source: packet.flow.client.to_v6(),
        destination: packet.flow.vip.to_v6(),
        id,
        protocol: u32::from(packet.flow.protocol),
    }
}

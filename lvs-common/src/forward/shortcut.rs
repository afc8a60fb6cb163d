//! The shortcut: frames with [plain](crate::packet::plain) headers, as nearly all have.
//!
//! One that belongs to an established connection, and leaves it as it is but for the time, needs nothing
//! else than what is here; neither does one of which nothing is remembered (of a `stateless` service, or a SYN of a
//! flood); one for an address that is no VIP is passed here (but for multicast). The rest is decided as it is for every packet of a flow: there is but one policy, only the reading of headers is
//! another.

use super::{
    FamilyTables, Table, Tables, Target, Verdict,
    decided::Decided,
    flow, marks_of, met,
    send::{address, leave},
    unrecorded,
};
use crate::{
    abi::{SAME_VLAN, Settings, Traffic, real_server_state},
    connections::{Bucket as _, Entry, Found, entry_in_state, state},
    fate::Fate,
    flow::{Address, Flow},
    frame::{Frame, Head},
    packet::{
        ethernet,
        plain::{PlainFamily, PlainPacket},
        transport::Segment,
    },
    vip_filter::Marks,
};

/// Decides what becomes of a frame of an address family; `None` if it has to be read header by header.
#[inline(always)]
pub fn shortcut<F: Frame + ?Sized, T: Tables + FamilyTables<A>, A: PlainFamily>(
    frame: &mut F,
    tables: &T,
) -> Option<Verdict> {
    let mut head = A::head(frame)?;
    let marks = marks_of(A::receiver(&head), tables)?;
    if !marks.may_be_vip() {
        return Some(met(Fate::PassedNoVip, tables));
    }
    let PlainPacket { flow, segment, bytes } = A::plain(&head)?;
    if let Some(verdict) = at_once(&mut head, &flow, segment, bytes, marks, tables) {
        return Some(verdict);
    }
    drop(head);
    let header = ethernet::Header { ethertype: A::ETHERTYPE, payload: ethernet::HEADER };
    let choice = flow::decide(&flow, segment, tables);
    let target = choice.map(|choice| Target::of(choice, bytes));
    Some(super::send(frame, header, target, tables))
}

/// Sends a frame of which nothing is remembered, or one that leaves its established connection as it is; `None` if
/// there is anything else to do. (Each has its own call of `go_on`, so that the compiler leaves out of the latter what is
/// only asked of the former.)
#[inline(always)]
fn at_once<H: Head, T: Tables + FamilyTables<A>, A: Address>(
    head: &mut H,
    flow: &Flow<A>,
    segment: Segment,
    bytes: u32,
    marks: Marks,
    tables: &T,
) -> Option<Verdict> {
    let settings = tables.settings()?;
    let jiffies = tables.jiffies();
    if jiffies > settings.active_until {
        return None;
    }
    if segment == Segment::Syn || marks.may_be_stateless() {
        if let Some(decided) = unrecorded::decide(flow, segment, marks, tables, settings) {
            return go_on(head, decided, bytes, tables);
        }
        if segment == Segment::Syn {
            fetch(flow, tables, settings);
            return None;
        }
    }
    let real_server = known(flow, segment, settings.time(jiffies), tables, settings)?;
    go_on(head, Decided::known(real_server), bytes, tables)
}

/// Sends a frame where its connection goes, if it can be sent there as it is.
#[inline(always)]
fn go_on<H: Head, T: Tables + FamilyTables<A>, A: Address>(
    head: &mut H,
    decided: Decided,
    bytes: u32,
    tables: &T,
) -> Option<Verdict> {
    let real_server = decided.real_server();
    let to = tables.real_server(real_server)?;
    if to.state != real_server_state::READY || to.vlan != SAME_VLAN {
        return None;
    }
    address(head, to).ok()?;
    let connections = u64::from(decided.does_begin());
    let traffic = Traffic { connections, packets: 1, bytes: u64::from(bytes) };
    unrecorded::count(decided, tables);
    tables.account(real_server, traffic);
    Some(leave(to, tables))
}

/// Has brought near what a SYN will be looked up in, so that both are waited for at the same time.
#[inline(always)]
fn fetch<T: Tables + FamilyTables<A>, A: Address>(flow: &Flow<A>, tables: &T, settings: &Settings) {
    let hash = A::hash(&flow.key, &settings.secrets);
    for table in [Table::Established, Table::HalfOpen] {
        let index = hash.first(tables.n_buckets(table, settings));
        if let Some(bucket) = FamilyTables::<A>::bucket(tables, table, index) {
            bucket.fetch();
        }
    }
}

/// The real server of an established connection that a packet leaves as it is, but for the time.
///
/// Only the likely place for it is looked at here. If it may be in its second bucket, a function looks for it
/// everywhere; the rare one that shares its tag with another of its bucket goes the long way.
#[inline(always)]
fn known<T: Tables + FamilyTables<A>, A: Address>(
    flow: &Flow<A>,
    segment: Segment,
    now: u16,
    tables: &T,
    settings: &Settings,
) -> Option<u32> {
    let hash = A::hash(&flow.key, &settings.secrets);
    let n_buckets = tables.n_buckets(Table::Established, settings);
    let bucket = tables.bucket(Table::Established, hash.first(n_buckets))?;
    bucket.fetch_names();
    let states = state::lasting(segment);
    let way = bucket.likely_way(hash.tag());
    if let Some(entry) = entry_in_state(bucket, way, &flow.key, hash.tag(), states) {
        if entry.seen != now {
            // Whether it stays with a real server that is not ready, the long way decides.
            if tables.real_server(entry.real_server)?.state != real_server_state::READY {
                return None;
            }
            // Whoever gets in the way has noted it, too, or the place is another's now; this packet goes where it went.
            bucket.swap(way, entry, Entry { seen: now, ..entry });
        }
        return Some(entry.real_server);
    }
    if !bucket.has_overflowed() {
        return None;
    }
    let entry = Found::from_word(tables.find(flow, segment, Table::Established))?.entry;
    let stays = entry.is_in(states) && entry.seen == now;
    if stays { Some(entry.real_server) } else { None }
}

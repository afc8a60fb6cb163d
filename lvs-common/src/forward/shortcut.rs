//! The shortcut: frames with [plain](crate::packet::plain) headers, as nearly all have.
//!
//! One that belongs to an established connection, and leaves it as it is but for the time, needs nothing
//! else than what is here; one for an address that is no VIP is passed here (but for multicast). The rest
//! is decided as it is for every packet of a flow: there is but one policy, only the reading of headers is
//! another.

use super::{
    FamilyTables, Table, Tables, Target, Verdict, check_active,
    decided::Decided,
    flow, met, receiver_marks,
    send::{address, leave},
    unrecorded,
};
use crate::{
    abi::{SAME_VLAN, Settings, Traffic, real_server_state},
    connections::{Bucket as _, Entry, Found, find_in_state, state},
    fate::Fate,
    flow::{Address, Flow},
    frame::Frame,
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
    let marks = receiver_marks::<_, _, A>(frame, ethernet::HEADER, tables)?;
    if !marks.may_be_vip() {
        return Some(met(Fate::PassedNoVip, tables));
    }
    let PlainPacket { flow, segment, bytes } = A::plain(frame)?;
    if let Some(verdict) = at_once(frame, &flow, segment, bytes, marks, tables) {
        return Some(verdict);
    }
    let header = ethernet::Header { ethertype: A::ETHERTYPE, payload: ethernet::HEADER };
    let choice = flow::decide(&flow, segment, tables);
    let target = choice.map(|choice| Target::of(choice, bytes));
    Some(super::send(frame, header, target, tables))
}

/// Sends a frame of which nothing is remembered, or one that leaves its established connection as it is; `None` if
/// there is anything else to do. (The two are not joined before they are sent: of the latter less is to be asked.)
#[inline(always)]
fn at_once<F: Frame + ?Sized, T: Tables + FamilyTables<A>, A: Address>(
    frame: &mut F,
    flow: &Flow<A>,
    segment: Segment,
    bytes: u32,
    marks: Marks,
    tables: &T,
) -> Option<Verdict> {
    let settings = tables.settings()?;
    check_active(tables, settings).ok()?;
    if let Some(decided) = unrecorded::decide(flow, segment, marks, tables, settings) {
        return go_on(frame, decided, bytes, tables);
    }
    let real_server = known(flow, segment, tables, settings)?;
    go_on(frame, Decided::known(real_server), bytes, tables)
}

/// Sends a frame where its connection goes, if it can be sent there as it is.
#[inline(always)]
fn go_on<F: Frame + ?Sized, T: Tables + FamilyTables<A>, A: Address>(
    frame: &mut F,
    decided: Decided,
    bytes: u32,
    tables: &T,
) -> Option<Verdict> {
    let real_server = decided.real_server();
    let to = tables.real_server(real_server)?;
    if to.state != real_server_state::READY || to.vlan != SAME_VLAN {
        return None;
    }
    address(frame, to).ok()?;
    let connections = u64::from(decided.does_begin());
    let traffic = Traffic { connections, packets: 1, bytes: u64::from(bytes) };
    unrecorded::count(decided, tables);
    tables.account(real_server, traffic);
    Some(leave(to, tables))
}

/// The real server of an established connection that a packet leaves as it is, but for the time.
#[inline(always)]
fn known<T: Tables + FamilyTables<A>, A: Address>(
    flow: &Flow<A>,
    segment: Segment,
    tables: &T,
    settings: &Settings,
) -> Option<u32> {
    let hash = A::hash(&flow.key, &settings.secrets);
    if segment == Segment::Syn {
        // Its place, most likely: the two are waited for at the same time.
        let n_buckets = tables.n_buckets(Table::HalfOpen, settings);
        tables.bucket(Table::HalfOpen, hash.first(n_buckets))?.fetch();
    }
    let n_buckets = tables.n_buckets(Table::Established, settings);
    let first = tables.bucket(Table::Established, hash.first(n_buckets))?;
    if segment != Segment::Syn {
        first.fetch_names();
    }
    let second = || tables.bucket(Table::Established, hash.second(n_buckets));
    let states = state::lasting(segment);
    let Found { way, in_second, entry } =
        find_in_state(first, second, &flow.key, hash.tag(), states)?;
    let seen = tables.now(settings);
    if entry.seen != seen {
        // Whether it stays with a real server that is not ready, the whole way decides.
        if tables.real_server(entry.real_server)?.state != real_server_state::READY {
            return None;
        }
        let bucket = if in_second { second()? } else { first };
        // Whoever gets in the way has noted it, too.
        bucket.swap(way, entry, Entry { seen, ..entry });
    }
    Some(entry.real_server)
}

//! The shortcut: frames with [plain](crate::packet::plain) headers, as nearly all have.
//!
//! One that belongs to an established connection, and leaves it as it is but for the time, needs nothing
//! else than what is here; one for an address that is no VIP is passed here. The rest is decided as it is
//! for every packet of a flow: there is but one policy, only the reading of headers is another.

use super::{
    FamilyTables, Table, Tables, Target, Verdict, check_active,
    decided::Decided,
    flow, met,
    send::{self, address, leave},
    unrecorded,
};
use crate::{
    abi::{SAME_VLAN, Traffic, real_server_state},
    connections::{Bucket as _, Entry, Found, find_in_state, state},
    fate::Fate,
    flow::Address,
    frame::Frame,
    packet::{FlowPacket, ethernet, plain::PlainFamily, transport::Segment},
};

/// Decides what becomes of a frame of an address family; `None` if its headers are not so plain.
#[inline(always)]
pub fn shortcut<F: Frame + ?Sized, T: Tables + FamilyTables<A>, A: PlainFamily>(
    frame: &mut F,
    tables: &T,
) -> Option<Verdict> {
    let packet = A::plain(frame)?;
    if !tables.may_be_vip(A::fold(&packet.flow.key)) {
        return Some(met(Fate::PassedNoService, tables));
    }
    if let Some(verdict) = go_on(frame, &packet, tables) {
        return Some(verdict);
    }
    let header = ethernet::Header { ethertype: A::ETHERTYPE, payload: ethernet::HEADER };
    let target = flow::decide(&packet, tables).map(|choice| Target::of(choice, &packet));
    Some(super::send(frame, header, target, tables))
}

/// Sends a frame where its connection goes, if there is nothing else to do.
#[inline(always)]
fn go_on<F: Frame + ?Sized, T: Tables + FamilyTables<A>, A: Address>(
    frame: &mut F,
    packet: &FlowPacket<A>,
    tables: &T,
) -> Option<Verdict> {
    let decided = goes_on_with(packet, tables)?;
    let real_server = decided.real_server();
    let to = tables.real_server(real_server)?;
    if to.state != real_server_state::READY || to.vlan != SAME_VLAN {
        return None;
    }
    send::check_loop(frame, to).ok()?;
    address(frame, to)?;
    let bytes = u64::from(packet.bytes);
    let traffic = Traffic { connections: u64::from(decided.does_begin()), packets: 1, bytes };
    unrecorded::count(decided, tables);
    tables.account(to.service, real_server, traffic);
    Some(leave(to, tables))
}

/// Where a packet goes that leaves its established connection as it is, or of which nothing is remembered.
#[inline(always)]
fn goes_on_with<T: Tables + FamilyTables<A>, A: Address>(
    packet: &FlowPacket<A>,
    tables: &T,
) -> Option<Decided> {
    let key = &packet.flow.key;
    let states = state::lasting(packet.segment);
    let settings = tables.settings()?;
    check_active(tables, settings).ok()?;
    let unrecorded = unrecorded::decide(&packet.flow, packet.segment, tables, settings);
    if unrecorded.is_some() {
        return unrecorded;
    }
    let hash = A::hash(key, &settings.secrets);
    if packet.segment == Segment::Syn {
        // Its place, most likely: the two are waited for at the same time.
        let n_buckets = tables.n_buckets(Table::HalfOpen, settings);
        tables.bucket(Table::HalfOpen, hash.first(n_buckets))?.fetch();
    }
    let n_buckets = tables.n_buckets(Table::Established, settings);
    let first = tables.bucket(Table::Established, hash.first(n_buckets))?;
    if packet.segment != Segment::Syn {
        first.fetch_names();
    }
    let second = || tables.bucket(Table::Established, hash.second(n_buckets));
    let Found { way, in_second, entry } = find_in_state(first, second, key, hash.tag(), states)?;
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
    Some(Decided::known(entry.real_server))
}

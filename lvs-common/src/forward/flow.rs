//! Packets of flows: the connection that they belong to, or the one that they begin.

use super::{
    FamilyTables, Table, Tables, Target, check_active,
    decided::{Choice, Decided},
    explain::Reason,
    lookup::Lookup,
};
use crate::{
    abi::{self, FragmentKey, Service, Settings, Traffic},
    connections::Found,
    fate::Fate,
    flow::{Address, Flow},
    packet::{ErrorAbout, FlowPacket, LaterFragment, transport::Segment},
};

/// Where a packet of a flow goes.
///
/// The packet of a connection that simply goes on is done with here; whatever changes something
/// goes the [`long_way`](super::long_way()).
#[inline(always)]
pub(super) fn forward<T: Tables + FamilyTables<A>, A: Address>(
    packet: &FlowPacket<A>,
    tables: &T,
    settings: &Settings,
) -> Result<Target, Fate> {
    let marks = tables.marks(A::vip(&packet.flow.key).fold());
    if !marks.may_be_vip() {
        return Err(Fate::PassedNoVip);
    }
    let lookup = Lookup::new(&packet.flow, packet.segment, tables, settings);
    let choice = match lookup.find_at_once(Table::Established) {
        // Where services may remember nothing, they are asked first; and of a flood no SYN is looked up.
        Some(found)
            if packet.segment != Segment::Syn
                && lookup.just_goes_on(found.entry)
                && !marks.may_be_stateless() =>
        {
            check_active(tables, settings)?;
            let real_server = found.entry.real_server;
            Choice { real_server, begins: false, reason: Reason::Connection as u8 }
        }
        Some(_) | None => decide(&packet.flow, packet.segment, tables)?,
    };
    if packet.is_fragment {
        tables.set_fragment(&first_fragment(packet), choice.real_server);
    }
    Ok(Target::of(choice, packet.bytes))
}

impl Target {
    #[inline(always)]
    pub(super) fn of(choice: Choice, bytes: u32) -> Self {
        let Choice { real_server, begins, reason } = choice;
        let traffic =
            Traffic { connections: u64::from(begins), packets: 1, bytes: u64::from(bytes) };
        Self { real_server, reason, traffic }
    }
}

/// Goes the long way: finds out what is to be done, chooses a real server if need be, and does it.
/// Each step is called from here and none from another, so that their stacks do not add up.
#[inline(always)]
pub(super) fn decide<T: Tables + FamilyTables<A>, A: Address>(
    flow: &Flow<A>,
    segment: Segment,
    tables: &T,
) -> Result<Choice, Fate> {
    let mut decided = Decided::from_word(tables.long_way(flow, segment));
    if decided.needs_choice() {
        decided = decided.with(Decided::from_word(tables.choose(flow)));
        if decided.real_server() == 0 {
            return Err(Fate::DroppedNoRealServer);
        }
    }
    let reason = decided.reason();
    if decided.needs_settling() {
        let settle =
            |decided: Decided| Decided::from_word(tables.settle(flow, segment, decided.to_word()));
        decided = settle(decided);
        if decided.needs_room() {
            decided = settle(decided.with_room(tables.make_room(flow)));
        }
    }
    Ok(Choice { reason, ..decided.into_result()? })
}

/// Where a fragment goes after the first of its datagram.
#[inline(always)]
pub(super) fn follow<T: Tables, A: Address>(
    fragment: &LaterFragment<A>,
    tables: &T,
    settings: &Settings,
) -> Result<Target, Fate> {
    let key = FragmentKey {
        source: fragment.source.to_v6(),
        destination: fragment.destination.to_v6(),
        id: fragment.id,
        protocol: u32::from(fragment.protocol),
    };
    if !tables.is_vip(&key.destination) {
        return Err(Fate::PassedNoVip);
    }
    check_active(tables, settings)?;
    let real_server = tables.fragment(&key).ok_or(Fate::DroppedFragment)?;
    let traffic = Traffic { connections: 0, packets: 1, bytes: u64::from(fragment.bytes) };
    Ok(Target { real_server, reason: Reason::Connection as u8, traffic })
}

/// Where an ICMP error goes: to the real server whose packet it is about.
#[inline(always)]
pub(super) fn relay<T: Tables + FamilyTables<A>, A: Address>(
    error: &ErrorAbout<A>,
    tables: &T,
    settings: &Settings,
) -> Result<Target, Fate> {
    let segment = if error.flow.protocol == u32::from(abi::UDP) {
        Segment::Datagram
    } else {
        Segment::Acknowledge
    };
    let find = |table| Found::from_word(tables.find(&error.flow, segment, table));
    let real_server = match find(Table::Established).or_else(|| find(Table::HalfOpen)) {
        Some(found) => found.entry.real_server,
        None => tables.unrecorded(&error.flow),
    };
    if real_server == 0 {
        return Err(Fate::PassedIcmp);
    }
    check_active(tables, settings)?;
    let traffic = Traffic { connections: 0, packets: 1, bytes: u64::from(error.bytes) };
    Ok(Target { real_server, reason: Reason::Connection as u8, traffic })
}

/// The virtual service of a flow: with its port, or with all ports.
#[inline(always)]
pub(super) fn service<'a, T: Tables, A: Address>(
    flow: &Flow<A>,
    tables: &'a T,
) -> Option<&'a Service> {
    let by_port = tables.service(&flow.service(A::port(&flow.key)));
    by_port.or_else(|| tables.service(&flow.service([0; 2])))
}

#[inline(always)]
fn first_fragment<A: Address>(packet: &FlowPacket<A>) -> FragmentKey {
    FragmentKey {
        source: A::client(&packet.flow.key).to_v6(),
        destination: A::vip(&packet.flow.key).to_v6(),
        id: packet.id,
        protocol: packet.flow.protocol,
    }
}

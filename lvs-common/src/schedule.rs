//! Which real server takes a new connection.
//!
//! A scheduler is a table of turns that userspace computes from the weights; here the next turn is
//! taken. Every sum-of-weights turns in a row give each real server its weight, whichever turn they
//! start at, because the table is walked round and round and no turn is given twice.

use crate::{
    abi::{FlowKey, Service},
    forward::Tables,
};

/// The real server whose turn it is, or `None` if the service has none that takes connections.
#[inline(always)]
pub(crate) fn next<T: Tables>(service: &Service, tables: &T) -> Option<u32> {
    if service.n_slots == 0 {
        return None;
    }
    let turn = tables.take_turn(service.id)?;
    #[expect(clippy::cast_possible_truncation, reason = "less than n_slots, which is a u32")]
    let turn = (turn % u64::from(service.n_slots)) as u32;
    tables.slot(service.first_slot + turn)
}

/// A real server for a packet whose connection is not known, the same for each of its packets.
///
/// It takes no turn: the packet opens nothing, and all that the real server will do is reset it.
#[inline(always)]
pub(crate) fn by_flow<T: Tables>(service: &Service, tables: &T, flow: &FlowKey) -> Option<u32> {
    if service.n_slots == 0 {
        return None;
    }
    let [a, b, c, d] = flow.client;
    let [e, f] = flow.client_port;
    let hash = (u32::from_be_bytes([a, b, c, d]) ^ u32::from_be_bytes([e, f, e, f]))
        .wrapping_mul(0x9e37_79b1); // 2^32 divided by the golden ratio (Knuth, vol. 3, 6.4)
    tables.slot(service.first_slot + (hash >> 8) % service.n_slots)
}

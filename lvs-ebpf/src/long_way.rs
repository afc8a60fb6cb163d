//! What is not needed for most packets, as functions of their own.
//!
//! The verifier checks a function that can be seen from outside by itself, and once (kernel
//! documentation, "Global functions"); anything else it goes through anew for every way that leads
//! there, which for this program would be a million instructions. Such a function gets numbers and
//! pointers to plain memory, which it must be ready to find null.

use core::ptr;

use lvs_common::{
    flow::Flow,
    forward::{self, Peek, Table},
    packet::transport::Segment,
    schedule::{self, Best, Slots},
};

use crate::{
    buckets::{LOCKED, compare_and_swap},
    loads::MapLoads,
    maps::BpfMaps,
};

/// So often a lock is tried. Who holds it needs some hundred instructions, and can't be interrupted
/// by another packet.
const SPINS: u32 = 128;

/// The functions of an address family. Their names are seen from outside, so each has its own.
macro_rules! family {
    ($(#[$doc:meta])+ $module:ident, $address:ty,
     $long_way:ident, $choose:ident, $settle:ident, $find:ident, $make_room:ident,
     $unrecorded:ident) => {
        $(#[$doc])+
        pub(crate) mod $module {
            use super::*;

            pub(crate) use $choose as choose;
            pub(crate) use $find as find;
            pub(crate) use $long_way as long_way;
            pub(crate) use $make_room as make_room;
            pub(crate) use $settle as settle;
            pub(crate) use $unrecorded as unrecorded;

            /// [`forward::unrecorded`].
            #[unsafe(no_mangle)]
            #[inline(never)]
            pub(crate) extern "C" fn $unrecorded(flow: *const Flow<$address>) -> u32 {
                // SAFETY: the verifier has seen that every caller gives a flow.
                let Some(flow) = (unsafe { flow.as_ref() }) else { return 0 };
                forward::unrecorded(flow, &BpfMaps::without_packet())
            }

            /// [`forward::make_room`].
            #[unsafe(no_mangle)]
            #[inline(never)]
            pub(crate) extern "C" fn $make_room(flow: *const Flow<$address>) -> u32 {
                // SAFETY: the verifier has seen that every caller gives a flow.
                let Some(flow) = (unsafe { flow.as_ref() }) else { return 0 };
                forward::make_room(flow, &BpfMaps::without_packet())
            }

            /// [`forward::long_way`].
            #[unsafe(no_mangle)]
            #[inline(never)]
            pub(crate) extern "C" fn $long_way(flow: *const Flow<$address>, segment: u32) -> u64 {
                // SAFETY: the verifier has seen that every caller gives a flow.
                let Some(flow) = (unsafe { flow.as_ref() }) else { return 0 };
                forward::long_way(flow, Segment::from_number(segment), &BpfMaps::without_packet())
            }

            /// [`forward::choose`].
            #[unsafe(no_mangle)]
            #[inline(never)]
            pub(crate) extern "C" fn $choose(flow: *const Flow<$address>) -> u64 {
                // SAFETY: the verifier has seen that every caller gives a flow.
                let Some(flow) = (unsafe { flow.as_ref() }) else { return 0 };
                forward::choose(flow, &BpfMaps::without_packet())
            }

            /// [`forward::settle`].
            #[unsafe(no_mangle)]
            #[inline(never)]
            pub(crate) extern "C" fn $settle(
                flow: *const Flow<$address>,
                segment: u32,
                decided: u64,
            ) -> u64 {
                // SAFETY: the verifier has seen that every caller gives a flow.
                let Some(flow) = (unsafe { flow.as_ref() }) else { return 0 };
                let (segment, maps) = (Segment::from_number(segment), BpfMaps::without_packet());
                forward::settle(flow, segment, decided, &maps)
            }

            /// [`forward::find`].
            #[unsafe(no_mangle)]
            #[inline(never)]
            pub(crate) extern "C" fn $find(
                flow: *const Flow<$address>,
                segment: u32,
                table: u32,
            ) -> u64 {
                // SAFETY: the verifier has seen that every caller gives a flow.
                let Some(flow) = (unsafe { flow.as_ref() }) else { return 0 };
                let (segment, table) = (Segment::from_number(segment), Table::from_number(table));
                forward::find(flow, segment, table, &BpfMaps::without_packet())
            }
        }
    };
}

family! {
    /// For IPv4.
    v4, [u8; 4], lvs_long_way, lvs_choose, lvs_settle, lvs_find,
    lvs_make_room, lvs_unrecorded
}
family! {
    /// For IPv6.
    v6, [u8; 16], lvs_long_way_v6, lvs_choose_v6, lvs_settle_v6, lvs_find_v6,
    lvs_make_room_v6, lvs_unrecorded_v6
}

/// [`schedule::least`].
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn lvs_least(first: u32, n: u32, scheduler: u32) -> u32 {
    schedule::least(Slots { first, n, scheduler }, &MapLoads)
}

/// [`schedule::compare`].
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn lvs_compare(first: u32, n: u32, scheduler: u32, best: *mut Best) -> u32 {
    // SAFETY: the verifier has seen that every caller gives one, which nobody else has.
    let Some(best) = (unsafe { best.as_mut() }) else { return 1 };
    u32::from(schedule::compare(Slots { first, n, scheduler }, best, &MapLoads))
}

/// [`schedule::is_overloaded`].
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn lvs_is_overloaded(real_server: u32) -> u32 {
    u32::from(schedule::is_overloaded(&MapLoads, real_server))
}

/// [`schedule::compare`] of a [`Peek`].
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn lvs_peek_compare(
    first: u32,
    n: u32,
    scheduler: u32,
    best: *mut Best,
) -> u32 {
    // SAFETY: the verifier has seen that every caller gives one, which nobody else has.
    let Some(best) = (unsafe { best.as_mut() }) else { return 1 };
    let maps = BpfMaps::without_packet();
    u32::from(schedule::compare(Slots { first, n, scheduler }, best, &Peek::new(&maps)))
}

/// [`schedule::least`] of a [`Peek`].
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn lvs_peek_least(first: u32, n: u32, scheduler: u32) -> u32 {
    let maps = BpfMaps::without_packet();
    schedule::least(Slots { first, n, scheduler }, &Peek::new(&maps))
}

/// [`schedule::is_overloaded`] of a [`Peek`].
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn lvs_peek_overloaded(real_server: u32) -> u32 {
    let maps = BpfMaps::without_packet();
    u32::from(schedule::is_overloaded(&Peek::new(&maps), real_server))
}

/// Takes the lock of a bucket; 0 if that took too long.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn lvs_lock(guard: *mut u32) -> u32 {
    if guard.is_null() {
        return 0;
    }
    for _ in 0..SPINS {
        // SAFETY: the verifier has seen that every caller gives an aligned word of a map.
        unsafe {
            let old = ptr::read_volatile(guard);
            if old & LOCKED == 0 && compare_and_swap(guard, old, old | LOCKED) {
                return 1;
            }
        }
    }
    0
}

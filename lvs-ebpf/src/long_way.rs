//! What is not needed for most packets, as functions of their own.
//!
//! The verifier checks a function that can be seen from outside by itself, and once (kernel
//! documentation, "Global functions"); anything else it goes through anew for every way that leads
//! there, which for this program would be a million instructions. Such a function gets numbers and
//! pointers to plain memory, which it must be ready to find null.

use core::ptr;

use lvs_common::{
    abi::{Bucket, ConnectionKey},
    connections::{self, Entry, Inserted},
    flow::Flow,
    forward,
    packet::transport::Segment,
    schedule::{self, Slots},
};

use crate::{
    buckets::{LOCKED, SharedBucket, compare_and_swap},
    maps::{BpfMaps, MapLoads},
};

/// So often a lock is tried. Who holds it needs some hundred instructions, and can't be interrupted
/// by another packet.
const SPINS: u32 = 128;

/// [`forward::long_way`].
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn lvs_long_way(
    flow: *const Flow<[u8; 4]>,
    segment: u32,
    chosen: u32,
) -> u64 {
    // SAFETY: the verifier has seen that every caller gives a flow.
    let Some(flow) = (unsafe { flow.as_ref() }) else { return 0 };
    forward::long_way(flow, Segment::from_number(segment), chosen, &BpfMaps::without_packet())
}

/// [`forward::holder`].
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn lvs_holder(flow: *const Flow<[u8; 4]>, segment: u32) -> u32 {
    // SAFETY: the verifier has seen that every caller gives a flow.
    let Some(flow) = (unsafe { flow.as_ref() }) else { return 0 };
    forward::holder(flow, Segment::from_number(segment), &BpfMaps::without_packet())
}

/// [`forward::choose`].
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn lvs_choose(flow: *const Flow<[u8; 4]>) -> u32 {
    // SAFETY: the verifier has seen that every caller gives a flow.
    let Some(flow) = (unsafe { flow.as_ref() }) else { return 0 };
    forward::choose(flow, &BpfMaps::without_packet())
}

/// [`connections::insert`].
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn lvs_insert(
    first: *mut Bucket,
    second: *mut Bucket,
    key: *const ConnectionKey,
    entry: u64,
) -> u64 {
    if first.is_null() || second.is_null() || key.is_null() {
        return Inserted::Busy.to_word();
    }
    // SAFETY: the verifier has seen that every caller gives two buckets of a map and the words of a
    // key, which lie as the key does.
    let (first, second, words) =
        unsafe { (SharedBucket::at(first), SharedBucket::at(second), &*key.cast()) };
    connections::insert(first, second, words, Entry::from_word(entry)).to_word()
}

/// [`schedule::least`].
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn lvs_least(first: u32, n: u32, scheduler: u32) -> u32 {
    schedule::least(Slots { first, n, scheduler }, &MapLoads)
}

/// [`schedule::is_overloaded`].
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn lvs_is_overloaded(real_server: u32) -> u32 {
    u32::from(schedule::is_overloaded(&MapLoads, real_server))
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

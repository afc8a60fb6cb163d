//! The slots of the schedulers, and how busy their real servers are: maps that need no packet.

use core::{
    intrinsics::{AtomicOrdering, atomic_xadd},
    ptr,
};

use aya_ebpf::{bindings::BPF_F_MMAPABLE, btf_maps::Array, macros::btf_map};
use lvs_common::{
    abi::Load,
    forward::Loads,
    limits,
    schedule::{Best, Slots},
};

use crate::long_way;

// lvsd maps it into its own memory.
#[btf_map]
static LOADS: Array<Load, { limits::REAL_SERVERS }, { BPF_F_MMAPABLE as usize }> = Array::new();
#[btf_map]
static SLOTS: Array<u32, { limits::SLOTS }> = Array::new();

/// These maps.
pub(crate) struct MapLoads;

impl Loads for MapLoads {
    #[inline(always)]
    fn slot(&self, index: u32) -> Option<u32> {
        SLOTS.get(index).copied()
    }

    #[inline(always)]
    fn load(&self, real_server: u32) -> Option<Load> {
        // Read field by field while others write: each is one word, and none depends on another.
        LOADS.get(real_server).copied()
    }

    #[inline(always)]
    fn is_overloaded(&self, real_server: u32) -> bool {
        long_way::lvs_is_overloaded(real_server) != 0
    }

    #[inline(always)]
    fn compare(&self, slots: Slots, best: &mut Best) -> bool {
        long_way::lvs_compare(slots.first, slots.n, slots.scheduler, best) != 0
    }

    #[inline(always)]
    fn set_overloaded(&self, real_server: u32, overloaded: bool) {
        if let Some(load) = LOADS.get_ptr_mut(real_server) {
            // SAFETY: an aligned word of the map.
            unsafe { ptr::write_volatile(&raw mut (*load).overloaded, u32::from(overloaded)) };
        }
    }
}

/// Adds to a real server's connections.
#[inline(always)]
pub(crate) fn add_connections(real_server: u32, active: i32, inactive: i32) {
    let Some(load) = LOADS.get_ptr_mut(real_server) else { return };
    // SAFETY: aligned words of the map; everybody only adds to them, atomically.
    unsafe {
        if active != 0 {
            let place = &raw mut (*load).active;
            atomic_xadd::<u32, u32, { AtomicOrdering::SeqCst }>(place, active as u32);
        }
        if inactive != 0 {
            let place = &raw mut (*load).inactive;
            atomic_xadd::<u32, u32, { AtomicOrdering::SeqCst }>(place, inactive as u32);
        }
    }
}

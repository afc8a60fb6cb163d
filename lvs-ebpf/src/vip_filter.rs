//! The filter of VIPs. It is the program's own data, because a look-up in a map takes each packet ten instructions more.

use core::{cell::UnsafeCell, ptr};

use lvs_common::{
    limits,
    vip_filter::{self, Marks},
};

#[repr(transparent)]
struct Words(UnsafeCell<[u64; limits::VIP_FILTER]>);

// SAFETY: words that the program only reads, each at once; lvsd writes them.
unsafe impl Sync for Words {}

// Of a section of its own (`names::VIP_FILTER`), so that the loader makes a map of just these.
#[unsafe(link_section = ".data.vip_filter")]
static VIP_FILTER: Words = Words(UnsafeCell::new([0; limits::VIP_FILTER]));

/// What it says of an address, by its fold.
#[inline(always)]
pub(crate) fn marks(fold: u32) -> Marks {
    let (word, bit) = vip_filter::place(fold);
    let word = word as usize;
    if word >= limits::VIP_FILTER {
        return Marks::default();
    }
    // SAFETY: one of the words.
    let word = unsafe { ptr::read_volatile(VIP_FILTER.0.get().cast::<u64>().add(word)) };
    Marks::new((word >> bit) as u32)
}

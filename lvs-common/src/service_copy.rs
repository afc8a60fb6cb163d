//! Where a copy of a virtual service is that is found without a call.
//!
//! A look-up in a hash map takes 40 ns where returns are guarded, most of it for the call. So lvsd keeps
//! copies of the services in an array, each at the one place that its name says. Of services that share a place
//! only one has a copy, and one that has just changed has none: they are in `SERVICES` alone. Where there is
//! none such, the place says so, and what is not there is not anywhere.

use crate::{abi::ServiceKey, limits};

/// The place of a service's copy.
#[inline(always)]
#[must_use]
pub fn place(key: &ServiceKey) -> u32 {
    let [a, b, c, d, rest] = key.words();
    let fold = a ^ b.rotate_left(7) ^ c.rotate_left(14) ^ d.rotate_left(21) ^ rest.rotate_left(28);
    // 2^32 divided by the golden ratio: neighbours are far from each other.
    fold.wrapping_mul(0x9e37_79b9) >> (32 - limits::SERVICE_COPIES.ilog2())
}

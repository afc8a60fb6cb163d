//! A filter that says of most addresses that they are no VIPs, by one bit, without asking a hash map.
//!
//! A director's own traffic, and all that a switch floods to it, is for no VIP; it is told so for a
//! tenth of what the look-up in `VIPS` costs. An address whose bit is set may be a VIP, or share its
//! bit with one.
//!
//! A second one says of most VIPs that they have no services that remember nothing: packets for them are
//! looked up among the connections first, and among the services only if they are of none.

use crate::limits;

/// The word of the second filter that stands for the first of the first.
pub const STATELESS: u32 = limits::VIP_FILTER as u32;

/// An address in one word.
#[inline(always)]
pub(crate) fn fold<const N: usize>(words: [u32; N]) -> u32 {
    let mut fold = 0u32;
    for word in words {
        fold = fold.rotate_left(7) ^ word;
    }
    fold
}

/// An address in one word, which others may share; IPv4 as `::ffff:a.b.c.d`.
#[must_use]
pub fn fold_of(address: [u8; 16]) -> u32 {
    let words: [u32; 4] = bytemuck::cast(address);
    match address {
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ..] => fold([words[3]]),
        _ => fold(words),
    }
}

/// Where the bit of a fold is: in which word, and which of its bits.
#[inline(always)]
#[must_use]
pub fn place(fold: u32) -> (u32, u32) {
    // 2^32 divided by the golden ratio: neighbours are far from each other.
    let bit = fold.wrapping_mul(0x9e37_79b9) >> (32 - BITS);
    (bit >> 6, bit & 63)
}

const BITS: u32 = (64 * limits::VIP_FILTER).ilog2();

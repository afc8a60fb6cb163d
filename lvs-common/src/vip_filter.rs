//! A filter that says of most addresses that they are no VIPs, by two bits, without asking a hash map.
//!
//! A director's own traffic, and all that a switch floods to it, is for no VIP; it is told so for a
//! tenth of what the look-up in `VIPS` costs. An address whose bit is set may be a VIP, or share its
//! bit with one.
//!
//! The second bit says of most VIPs that they have no services that remember nothing: packets for them are
//! looked up among the connections first, and among the services only if they are of none.

use crate::limits;

/// What the filter says of an address.
#[derive(Clone, Copy, Debug, Default)]
pub struct Marks(u32);

impl Marks {
    /// The bit of addresses that may be VIPs.
    pub const VIP: u32 = 1;
    /// The bit of those that may have services that remember nothing.
    pub const STATELESS: u32 = 2;

    /// These bits, whatever is above them.
    #[inline(always)]
    #[must_use]
    pub const fn new(bits: u32) -> Self {
        Self(bits)
    }

    /// Whether it may be a VIP: if not, it is none.
    #[inline(always)]
    #[must_use]
    pub const fn may_be_vip(self) -> bool {
        self.0 & Self::VIP != 0
    }

    /// Whether it may be a VIP that has services that remember nothing, alike.
    #[inline(always)]
    #[must_use]
    pub const fn may_be_stateless(self) -> bool {
        self.0 & Self::STATELESS != 0
    }
}

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

/// Where the [`Marks`] of a fold are: in which word, and how far up in it.
#[inline(always)]
#[must_use]
pub fn place(fold: u32) -> (u32, u32) {
    // 2^32 divided by the golden ratio: neighbours are far from each other.
    let bit = fold.wrapping_mul(0x9e37_79b9) >> (32 - BITS) & !1;
    (bit >> 6, bit & 63)
}

const BITS: u32 = (64 * limits::VIP_FILTER).ilog2();

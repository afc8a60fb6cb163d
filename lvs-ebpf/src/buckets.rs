//! The memory of the connection tables' buckets, and the atomic instructions on it.

use core::{
    cell::UnsafeCell,
    intrinsics::{AtomicOrdering, atomic_cxchg, atomic_xadd},
    ptr,
};

use lvs_common::{
    abi,
    connections::{self, Entry},
};

use crate::long_way;

pub(crate) const LOCKED: u32 = 1;
const OVERFLOWED: u32 = 2;

/// The layouts of buckets.
trait Layout {
    const WAYS: usize;

    /// Where an entry is.
    fn entry(this: *mut Self, way: usize) -> *mut u64;
    /// Where the first word of a key is.
    fn key(this: *mut Self, way: usize) -> *mut u32;
    /// Where the guard is.
    fn guard(this: *mut Self) -> *mut u32;
}

impl Layout for abi::Bucket {
    const WAYS: usize = 3;

    #[inline(always)]
    fn entry(this: *mut Self, way: usize) -> *mut u64 {
        // SAFETY: within the bucket for every way.
        unsafe { (&raw mut (*this).entries).cast::<u64>().add(way) }
    }

    #[inline(always)]
    fn key(this: *mut Self, way: usize) -> *mut u32 {
        // SAFETY: within the bucket for every way.
        unsafe { (&raw mut (*this).keys).cast::<abi::ConnectionKey>().add(way).cast() }
    }

    #[inline(always)]
    fn guard(this: *mut Self) -> *mut u32 {
        // SAFETY: a field of the bucket.
        unsafe { &raw mut (*this).guard }
    }
}

/// A bucket in a map, which other CPUs and lvsd use at the same time.
#[repr(transparent)]
pub(crate) struct SharedBucket<L>(UnsafeCell<L>);

impl<L> SharedBucket<L> {
    /// The bucket at a place of a map.
    ///
    /// # Safety
    /// The place is of a map, so that it stays for as long as the program runs, and is aligned to
    /// eight bytes.
    #[inline(always)]
    pub(crate) unsafe fn at<'a>(place: *mut L) -> &'a Self {
        // SAFETY: transparent over the layout; the cell allows that others write.
        unsafe { &*place.cast::<Self>() }
    }

    /// Its place.
    #[inline(always)]
    pub(crate) fn place(&self) -> *mut L {
        self.0.get()
    }
}

// SAFETY of all that follows: it reads and writes memory of a map through pointers that `Layout` has made: it
// is inside the bucket and aligned, entries to eight bytes and words to four. Accesses are single
// instructions (volatile or atomic), so that none is seen half done.
macro_rules! bucket {
    ($layout:ty, $words:literal) => {
        impl connections::Bucket for SharedBucket<$layout> {
            type Key = [u32; $words];
            const WAYS: usize = <$layout as Layout>::WAYS;

            #[inline(always)]
            fn entry(&self, way: usize) -> Entry {
                // SAFETY: see above.
                Entry::from_word(unsafe { ptr::read_volatile(<$layout>::entry(self.0.get(), way)) })
            }

            #[inline(always)]
            fn swap(&self, way: usize, old: Entry, new: Entry) -> bool {
                let place = <$layout>::entry(self.0.get(), way);
                // SAFETY: see above.
                unsafe { compare_and_swap(place, old.to_word(), new.to_word()) }
            }

            #[inline(always)]
            fn has_key(&self, way: usize, key: &Self::Key) -> bool {
                let place = <$layout>::key(self.0.get(), way);
                let mut at = 0;
                while at < $words {
                    // SAFETY: see above.
                    if unsafe { ptr::read_volatile(place.add(at)) } != key[at] {
                        return false;
                    }
                    at += 1;
                }
                true
            }

            #[inline(always)]
            fn set_key(&self, way: usize, key: &Self::Key) {
                let place = <$layout>::key(self.0.get(), way);
                let mut at = 0;
                while at < $words {
                    // SAFETY: see above.
                    unsafe { ptr::write_volatile(place.add(at), key[at]) };
                    at += 1;
                }
            }

            #[inline(always)]
            fn lock(&self) -> bool {
                long_way::lvs_lock(<$layout>::guard(self.0.get())) != 0
            }

            #[inline(always)]
            fn unlock(&self) {
                let guard = <$layout>::guard(self.0.get());
                // SAFETY: see above; the lowest bit is set, so that one less clears it.
                unsafe {
                    atomic_xadd::<u32, u32, { AtomicOrdering::SeqCst }>(
                        guard,
                        LOCKED.wrapping_neg(),
                    )
                };
            }

            #[inline(always)]
            fn has_overflowed(&self) -> bool {
                // SAFETY: see above.
                unsafe { ptr::read_volatile(<$layout>::guard(self.0.get())) & OVERFLOWED != 0 }
            }

            #[inline(always)]
            fn set_overflowed(&self) {
                let guard = <$layout>::guard(self.0.get());
                // SAFETY: see above; while the lock is held, nobody else writes the guard.
                unsafe { ptr::write_volatile(guard, ptr::read_volatile(guard) | OVERFLOWED) };
            }
        }
    };
}

bucket!(abi::Bucket, 3);

/// Replaces `old` by `new`; says whether it was there.
///
/// # Safety
/// `place` is aligned memory of a map.
#[inline(always)]
pub(crate) unsafe fn compare_and_swap<T: Copy + PartialEq>(place: *mut T, old: T, new: T) -> bool {
    // SAFETY: as the caller says.
    let (_, swapped) = unsafe {
        atomic_cxchg::<T, { AtomicOrdering::SeqCst }, { AtomicOrdering::SeqCst }>(place, old, new)
    };
    swapped
}

//! The memory of the connection tables' buckets, and the atomic instructions on it.

use core::{
    cell::UnsafeCell,
    intrinsics::{AtomicOrdering, atomic_cxchg, atomic_or, atomic_xadd},
    mem::{MaybeUninit, offset_of},
    ptr,
};

use lvs_common::{
    abi::{Bucket, BucketV6, ConnectionKey, ConnectionKeyV6},
    connections::{self, Entry},
};

use crate::{frame::opaque, long_way};

pub(crate) const LOCKED: u32 = 1;
const OVERFLOWED: u32 = 2;

/// A layout of buckets.
///
/// # Safety
/// The places are inside the bucket for every way, and aligned: entries to eight bytes, the others
/// to four. A key is words, of which any are one, and nothing between them.
pub(crate) unsafe trait Layout {
    /// Names a connection.
    type Key: Copy + PartialEq;

    /// Where an entry is.
    fn entry(this: *mut Self, way: usize) -> *mut u64;
    /// Where a key is.
    fn key(this: *mut Self, way: usize) -> *mut Self::Key;
    /// Where the guard is.
    fn guard(this: *mut Self) -> *mut u32;
    /// Where its second cache line is, if the second name is there.
    fn second_line(this: *mut Self) -> Option<*mut u32>;
}

// SAFETY: fields of the bucket.
unsafe impl Layout for Bucket {
    type Key = ConnectionKey;

    #[inline(always)]
    fn entry(this: *mut Self, way: usize) -> *mut u64 {
        // SAFETY: within the bucket for every way.
        unsafe { (&raw mut (*this).entries).cast::<u64>().add(way) }
    }

    #[inline(always)]
    fn key(this: *mut Self, way: usize) -> *mut ConnectionKey {
        // SAFETY: within the bucket for every way.
        unsafe { (&raw mut (*this).keys).cast::<ConnectionKey>().add(way) }
    }

    #[inline(always)]
    fn guard(this: *mut Self) -> *mut u32 {
        // SAFETY: a field of the bucket.
        unsafe { &raw mut (*this).guard }
    }

    #[inline(always)]
    fn second_line(_this: *mut Self) -> Option<*mut u32> {
        None
    }
}

// SAFETY: fields of the bucket.
unsafe impl Layout for BucketV6 {
    type Key = ConnectionKeyV6;

    #[inline(always)]
    fn entry(this: *mut Self, way: usize) -> *mut u64 {
        // SAFETY: within the bucket for every way.
        unsafe { (&raw mut (*this).entries).cast::<u64>().add(way) }
    }

    #[inline(always)]
    fn key(this: *mut Self, way: usize) -> *mut ConnectionKeyV6 {
        const LINE: usize = offset_of!(BucketV6, second) - offset_of!(BucketV6, first);
        const { assert!(offset_of!(BucketV6, third) - offset_of!(BucketV6, second) == LINE) };
        // SAFETY: fields of the bucket.
        unsafe { (&raw mut (*this).first).byte_add(LINE * way) }
    }

    #[inline(always)]
    fn guard(this: *mut Self) -> *mut u32 {
        // SAFETY: a field of the bucket.
        unsafe { &raw mut (*this).guard }
    }

    #[inline(always)]
    fn second_line(this: *mut Self) -> Option<*mut u32> {
        Some(Self::key(this, 1).cast())
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
}

// SAFETY of all that follows: it reads and writes memory of a map through pointers that `Layout` has
// made. Accesses are single instructions (volatile or atomic), so that none is seen half done.
impl<L: Layout> connections::Bucket for SharedBucket<L> {
    type Key = L::Key;

    #[inline(always)]
    fn entry(&self, way: usize) -> Entry {
        // SAFETY: see above.
        Entry::from_word(unsafe { ptr::read_volatile(L::entry(self.0.get(), way)) })
    }

    #[inline(always)]
    fn swap(&self, way: usize, old: Entry, new: Entry) -> bool {
        let place = L::entry(self.0.get(), way);
        // SAFETY: see above.
        unsafe { compare_and_swap(place, old.to_word(), new.to_word()) }
    }

    #[inline(always)]
    fn likely_way(&self, tag: u8) -> usize {
        const { assert!(connections::WAYS == 3 && offset_of!(Entry, tag) == 7) };
        // Arithmetic, because BPF has branches where others have conditional moves. A branch that is guessed wrong
        // has the packets after this one wait for its cache line, too.
        let differs = |way| {
            let word = self.entry(way).to_word() ^ u64::from(tag) << 56;
            opaque((word >> 56) as usize).wrapping_neg() >> 63
        };
        let (first, second) = (differs(0), differs(1));
        first + (first & second)
    }

    #[inline(always)]
    fn has_key(&self, way: usize, key: &L::Key) -> bool {
        let ours = L::key(self.0.get(), way).cast::<u32>();
        let mut theirs = ptr::from_ref(key).cast::<u32>();
        if size_of::<L::Key>() > size_of::<ConnectionKey>() {
            // Read anew: the compiler would keep the words of the last look at it on the stack, where there is no room
            // for those of IPv6.
            theirs = opaque(theirs as usize) as *const u32;
        }
        let mut at = 0;
        while at < size_of::<L::Key>() / 4 {
            // SAFETY: see above; the other key is words, too.
            if unsafe { ptr::read_volatile(ours.add(at)) != theirs.add(at).read() } {
                return false;
            }
            at += 1;
        }
        true
    }

    #[inline(always)]
    fn key(&self, way: usize) -> L::Key {
        let mut key = MaybeUninit::<L::Key>::uninit();
        let ours = L::key(self.0.get(), way).cast::<u32>();
        let mut at = 0;
        while at < size_of::<L::Key>() / 4 {
            // SAFETY: see above; there is room for as many words in the copy.
            unsafe {
                key.as_mut_ptr().cast::<u32>().add(at).write(ptr::read_volatile(ours.add(at)))
            };
            at += 1;
        }
        // SAFETY: all of its words have been written, and any bytes are a key.
        unsafe { key.assume_init() }
    }

    #[inline(always)]
    fn set_key(&self, way: usize, key: &L::Key) {
        let ours = L::key(self.0.get(), way).cast::<u32>();
        let theirs = ptr::from_ref(key).cast::<u32>();
        let mut at = 0;
        while at < size_of::<L::Key>() / 4 {
            // SAFETY: see above; the other key is words, too.
            unsafe { ptr::write_volatile(ours.add(at), theirs.add(at).read()) };
            at += 1;
        }
    }

    #[inline(always)]
    fn fetch(&self) {
        // BPF has no instruction for it; a read that nobody waits for does as well.
        // SAFETY: see above.
        unsafe { ptr::read_volatile(L::guard(self.0.get())) };
    }

    #[inline(always)]
    fn fetch_names(&self) {
        if let Some(place) = L::second_line(self.0.get()) {
            // SAFETY: see above.
            unsafe { ptr::read_volatile(place) };
        }
    }

    #[inline(always)]
    fn lock(&self) -> bool {
        let guard = L::guard(self.0.get());
        // SAFETY: see above.
        unsafe {
            let old = ptr::read_volatile(guard);
            if old & LOCKED == 0 && compare_and_swap(guard, old, old | LOCKED) {
                return true;
            }
        }
        long_way::lvs_lock(guard) != 0
    }

    #[inline(always)]
    fn unlock(&self) {
        let guard = L::guard(self.0.get());
        // SAFETY: see above; the lowest bit is set, so that one less clears it.
        unsafe {
            atomic_xadd::<u32, u32, { AtomicOrdering::SeqCst }>(guard, LOCKED.wrapping_neg())
        };
    }

    #[inline(always)]
    fn has_overflowed(&self) -> bool {
        // SAFETY: see above.
        unsafe { ptr::read_volatile(L::guard(self.0.get())) & OVERFLOWED != 0 }
    }

    #[inline(always)]
    fn set_overflowed(&self) {
        let guard = L::guard(self.0.get());
        // SAFETY: see above.
        unsafe { atomic_or::<u32, u32, { AtomicOrdering::SeqCst }>(guard, OVERFLOWED) };
    }
}

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

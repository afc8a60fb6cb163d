//! Room in full buckets: a connection moves from its first bucket on to its second.
//!
//! Without that, a table of such buckets loses 1 connection in 100 when half of its places are
//! taken; with it, 3 in a million (simulated with 3 million places).

use super::{
    Bucket, Entry,
    bucket::{TRIES, WAYS},
};

/// Empties a place of a bucket by moving its connection to the other bucket that it may be in.
/// `second_of` gives that, if this bucket is the first of a connection with this name. The place is
/// [`BUSY`](super::state::BUSY) then, and the caller's.
///
/// A look-up meanwhile finds the connection in one bucket or the other: the copy is there, and the
/// bucket marked as overflowed, before the original goes. It is never moved back, because a look-up
/// goes the same way, and could pass it. The bucket is locked, so that no two CPUs move the same
/// connection: one of two copies would stay.
///
/// Should packets, or lvsd, have taken a copy that is not to stay for the connection, the counts of
/// connections are put right by `recount`, which is given what it was counted as last and what it
/// should have been.
#[inline(always)]
pub fn make_room<'a, B: Bucket + 'a>(
    bucket: &B,
    second_of: impl Fn(&B::Key) -> Option<&'a B>,
    recount: impl Fn(Entry, Entry),
) -> Option<usize> {
    if !bucket.lock() {
        return None;
    }
    let way = move_one(bucket, second_of, recount);
    bucket.unlock();
    way
}

#[inline(always)]
fn move_one<'a, B: Bucket + 'a>(
    bucket: &B,
    second_of: impl Fn(&B::Key) -> Option<&'a B>,
    recount: impl Fn(Entry, Entry),
) -> Option<usize> {
    for way in 0..WAYS {
        let entry = bucket.entry(way);
        if !entry.is_live() {
            continue;
        }
        let key = bucket.key(way);
        // If it is still the same, the key was its.
        if bucket.entry(way) != entry {
            continue;
        }
        if let Some(second) = second_of(&key)
            && let Some(copy) = put(second, &key, entry)
        {
            bucket.set_overflowed();
            if bucket.swap(way, entry, Entry::BUSY) {
                return Some(way);
            }
            // A packet has changed the original, or it has expired: let it be.
            recount(take_back(second, copy, entry), entry);
        }
    }
    None
}

/// Removes a copy, and says what it was by then: free, if it is gone already.
#[inline(always)]
fn take_back<B: Bucket>(bucket: &B, way: usize, entry: Entry) -> Entry {
    let mut copy = entry;
    for _ in 0..TRIES {
        if bucket.swap(way, copy, Entry::FREE) {
            return copy;
        }
        let now = bucket.entry(way);
        if !now.is_live() || now.tag != entry.tag {
            return Entry::FREE;
        }
        copy = now;
    }
    // It is in use, and stays, which does no harm: both say the same, one more is counted, and expires.
    Entry::FREE
}

/// Copies a connection to a free place, and says to which.
#[inline(always)]
fn put<B: Bucket>(bucket: &B, key: &B::Key, entry: Entry) -> Option<usize> {
    for way in 0..WAYS {
        if bucket.entry(way) == Entry::FREE && bucket.swap(way, Entry::FREE, Entry::BUSY) {
            bucket.set_key(way, key);
            // Nobody else touches a busy entry, so this can't fail.
            bucket.swap(way, Entry::BUSY, entry);
            return Some(way);
        }
    }
    None
}

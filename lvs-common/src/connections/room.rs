//! Room in full buckets: a connection moves from its first bucket on to its second.
//!
//! Without that, a table of such buckets loses 1 connection in 100 when half of its places are
//! taken; with it, 3 in a million (simulated with 3 million places).

use super::{Bucket, Entry, bucket::WAYS};

/// Empties a place of a bucket by moving its connection to the other bucket that it may be in.
/// `second_of` gives that, if this bucket is the first of a connection with this name. The place is
/// [`BUSY`](super::state::BUSY) then, and the caller's.
///
/// A look-up meanwhile finds the connection in one bucket or the other: the copy is there, and the
/// bucket marked as overflowed, before the original goes. It is never moved back, because a look-up
/// goes the same way, and could pass it.
#[inline(always)]
pub fn make_room<'a, B: Bucket + 'a>(
    bucket: &B,
    second_of: impl Fn(&B::Key) -> Option<&'a B>,
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
            // A packet has changed the original: let it be. Should one have changed the copy by now,
            // both stay, which does no harm: they say the same, and one of them expires.
            second.swap(copy, entry, Entry::FREE);
        }
    }
    None
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

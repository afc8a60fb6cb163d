//! Recording connections.

use super::{
    bucket::{Bucket, TRIES, WAYS, find_either},
    entry::Entry,
    state,
};

/// What became of an insertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It is there now. Another that had its place is gone.
    Recorded {
        /// The other; [`Entry::FREE`] if the place was.
        evicted: Entry,
    },
    /// Another CPU was faster: this is what it has recorded.
    Present(Entry),
    /// Both buckets are full of connections in use: [`make_room`](super::make_room), then insert it
    /// again.
    Full,
    /// The bucket could not be had. The packet is forwarded all the same; the next one tries again.
    Busy,
}

/// What is known of room for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Nothing yet.
    Unknown,
    /// There is none: a connection must be forgotten.
    None,
    /// Here; the entry is [`BUSY`](state::BUSY), and the caller's.
    At(Place),
}

/// A place in one of a flow's buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its number in the bucket.
    pub way: usize,
    /// In the flow's second bucket.
    pub in_second: bool,
}

impl Room {
    /// As a number below 16, because it is a part of what a BPF function returns.
    #[inline(always)]
    #[must_use]
    pub fn to_number(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::None => 1,
            Self::At(Place { way, in_second }) => 8 | way as u8 | u8::from(in_second) << 2,
        }
    }

    /// What a number says.
    #[inline(always)]
    #[must_use]
    pub fn from_number(number: u8) -> Self {
        let way = usize::from(number & 3);
        match number {
            0 => Self::Unknown,
            // The verifier does not know that there are no other ways.
            8..16 if way < WAYS => Self::At(Place { way, in_second: number & 4 != 0 }),
            _ => Self::None,
        }
    }
}

/// Records a connection that was not found, and is seen now.
#[inline(always)]
pub fn insert<B: Bucket>(
    first: &B,
    second: &B,
    key: &B::Key,
    entry: Entry,
    room: Room,
) -> Inserted {
    if !first.lock() {
        give_back(first, second, room);
        return Inserted::Busy;
    }
    let inserted = insert_locked(first, second, key, entry, room);
    first.unlock();
    inserted
}

#[inline(always)]
fn insert_locked<B: Bucket>(
    first: &B,
    second: &B,
    key: &B::Key,
    entry: Entry,
    room: Room,
) -> Inserted {
    if let Some(found) = find_either(first, || Some(second), key, entry) {
        give_back(first, second, room);
        return Inserted::Present(found.entry);
    }
    if let Room::At(place) = room {
        put(first, second, key, entry, place);
        return Inserted::Recorded { evicted: Entry::FREE };
    }
    for _ in 0..TRIES {
        let (place, old) = least_worthy_of_both(first, second, entry.seen);
        if old.is_in_use() && room == Room::Unknown {
            return Inserted::Full;
        }
        let bucket = if place.in_second { second } else { first };
        if old.state != state::BUSY && bucket.swap(place.way, old, Entry::BUSY) {
            put(first, second, key, entry, place);
            return Inserted::Recorded { evicted: old };
        }
    }
    Inserted::Busy
}

/// Writes a connection to a place that is busy, and ours.
#[inline(always)]
fn put<B: Bucket>(first: &B, second: &B, key: &B::Key, entry: Entry, place: Place) {
    if place.in_second {
        first.set_overflowed();
    }
    let bucket = if place.in_second { second } else { first };
    bucket.set_key(place.way, key);
    // Nobody else touches a busy entry, so this can't fail.
    bucket.swap(place.way, Entry::BUSY, entry);
}

/// Frees a place that was made and is not needed.
#[inline(always)]
fn give_back<B: Bucket>(first: &B, second: &B, room: Room) {
    if let Room::At(place) = room {
        let bucket = if place.in_second { second } else { first };
        bucket.swap(place.way, Entry::BUSY, Entry::FREE);
    }
}

/// The place that is given away first; if it is free, one in the first bucket.
#[inline(always)]
fn least_worthy_of_both<B: Bucket>(first: &B, second: &B, now: u16) -> (Place, Entry) {
    let (way, entry) = least_worthy(first, now);
    if entry.state != state::FREE {
        let (other_way, other) = least_worthy(second, now);
        if other.worth(now) < entry.worth(now) {
            return (Place { way: other_way, in_second: true }, other);
        }
    }
    (Place { way, in_second: false }, entry)
}

#[inline(always)]
fn least_worthy<B: Bucket>(bucket: &B, now: u16) -> (usize, Entry) {
    let mut least = (0, bucket.entry(0));
    for way in 1..WAYS {
        let entry = bucket.entry(way);
        if entry.worth(now) < least.1.worth(now) {
            least = (way, entry);
        }
    }
    least
}

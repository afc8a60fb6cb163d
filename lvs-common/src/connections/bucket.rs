//! The operations on buckets.

use super::{entry::Entry, state};

/// How often an operation that another CPU got in the way of is tried again.
const TRIES: usize = 3;

/// The memory of one bucket. Every access is atomic; no two of them are together.
pub trait Bucket {
    /// What names a connection.
    type Key: Copy + PartialEq;
    /// How many connections there is room for.
    const WAYS: usize;

    /// Reads an entry.
    fn entry(&self, way: usize) -> Entry;
    /// Replaces an entry, if it is still `old`; says whether it did.
    fn swap(&self, way: usize, old: Entry, new: Entry) -> bool;
    /// Compares a key.
    fn has_key(&self, way: usize, key: &Self::Key) -> bool;
    /// Writes a key; the entry is [`state::BUSY`], and the caller has made it so.
    fn set_key(&self, way: usize, key: &Self::Key);
    /// Takes the lock; gives up after a while.
    fn lock(&self) -> bool;
    /// Gives the lock back.
    fn unlock(&self);
    /// Whether a flow of this bucket has been sent to its second.
    fn has_overflowed(&self) -> bool;
    /// Notes that one was. The lock is held.
    fn set_overflowed(&self);
}

/// A connection, and where it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its place in the bucket.
    pub way: usize,
    /// In the flow's second bucket.
    pub in_second: bool,
    /// What is remembered of it.
    pub entry: Entry,
}

impl Found {
    const WAY_SHIFT: u32 = 3;
    const IN_SECOND: u8 = 1 << 6;

    /// As a word, because that is what a BPF function returns: the entry, with the place in those bits
    /// of its state that a live one does not need. Zero for none.
    #[inline(always)]
    #[must_use]
    pub fn to_word(found: Option<Self>) -> u64 {
        let Some(Self { way, in_second, entry }) = found else { return 0 };
        let in_second = if in_second { Self::IN_SECOND } else { 0 };
        let state = entry.state | (way as u8) << Self::WAY_SHIFT | in_second;
        Entry { state, ..entry }.to_word()
    }

    /// What a word says.
    #[inline(always)]
    #[must_use]
    pub fn from_word(word: u64) -> Option<Self> {
        let entry = Entry::from_word(word);
        let state = entry.state & ((1 << Self::WAY_SHIFT) - 1);
        (state != state::FREE).then_some(Self {
            way: usize::from(entry.state >> Self::WAY_SHIFT & 3),
            in_second: entry.state & Self::IN_SECOND != 0,
            entry: Entry { state, ..entry },
        })
    }
}

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
    /// The bucket could not be had. The packet is forwarded all the same; the next one tries again.
    Busy,
}

/// Finds a connection in one bucket. `template` has its tag, and any state of its protocol.
#[inline(always)]
pub fn find<B: Bucket>(bucket: &B, key: &B::Key, template: Entry) -> Option<(usize, Entry)> {
    for way in 0..B::WAYS {
        if bucket.has_key(way, key) {
            let entry = bucket.entry(way);
            let same = entry.tag == template.tag
                && state::is_udp(entry.state) == state::is_udp(template.state);
            if same && entry.is_live() {
                return Some((way, entry));
            }
        }
    }
    None
}

/// Finds a connection in its first bucket, or else in its second.
#[inline(always)]
pub fn find_either<'a, B: Bucket + 'a>(
    first: &B,
    second: impl FnOnce() -> Option<&'a B>,
    key: &B::Key,
    template: Entry,
) -> Option<Found> {
    if let Some((way, entry)) = find(first, key, template) {
        return Some(Found { way, in_second: false, entry });
    }
    if !first.has_overflowed() {
        return None;
    }
    let (way, entry) = find(second()?, key, template)?;
    Some(Found { way, in_second: true, entry })
}

/// Notes a new state and time, or a new real server, in an entry that was found. `change` gives
/// what it should be. The result is what was replaced and by what; `None` if the connection went
/// away meanwhile.
#[inline(always)]
pub fn update<B: Bucket>(
    bucket: &B,
    way: usize,
    found: Entry,
    change: impl Fn(Entry) -> Entry,
) -> Option<(Entry, Entry)> {
    let mut old = found;
    for _ in 0..TRIES {
        let new = change(old);
        if new == old || bucket.swap(way, old, new) {
            return Some((old, new));
        }
        let now = bucket.entry(way);
        if !now.is_live() || now.tag != old.tag {
            return None;
        }
        old = now;
    }
    None
}

impl Inserted {
    const PRESENT: u8 = 0x80;

    /// As a word, because that is what a BPF function returns: an entry, of which the state tells
    /// which of the three it is.
    #[inline(always)]
    #[must_use]
    pub fn to_word(self) -> u64 {
        match self {
            Self::Recorded { evicted } => evicted.to_word(),
            Self::Present(entry) => Entry { state: entry.state | Self::PRESENT, ..entry }.to_word(),
            Self::Busy => Entry::BUSY.to_word(),
        }
    }

    /// What a word says.
    #[inline(always)]
    #[must_use]
    pub fn from_word(word: u64) -> Self {
        let entry = Entry::from_word(word);
        if entry.state == state::BUSY {
            Self::Busy
        } else if entry.state & Self::PRESENT != 0 {
            Self::Present(Entry { state: entry.state & !Self::PRESENT, ..entry })
        } else {
            Self::Recorded { evicted: entry }
        }
    }
}

/// Records a connection that was not found, and is seen now.
#[inline(always)]
pub fn insert<B: Bucket>(first: &B, second: &B, key: &B::Key, entry: Entry) -> Inserted {
    if !first.lock() {
        return Inserted::Busy;
    }
    let inserted = insert_locked(first, second, key, entry);
    first.unlock();
    inserted
}

#[inline(always)]
fn insert_locked<B: Bucket>(first: &B, second: &B, key: &B::Key, entry: Entry) -> Inserted {
    let now = entry.seen;
    if let Some(found) = find_either(first, || Some(second), key, entry) {
        return Inserted::Present(found.entry);
    }
    for _ in 0..TRIES {
        let (way, old) = least_worthy(first, now);
        let (in_second, way, old) = if old.state == state::FREE {
            (false, way, old)
        } else {
            let (other_way, other) = least_worthy(second, now);
            if other.worth(now) < old.worth(now) {
                (true, other_way, other)
            } else {
                (false, way, old)
            }
        };
        let bucket = if in_second { second } else { first };
        if old.state != state::BUSY && bucket.swap(way, old, Entry::BUSY) {
            if in_second {
                first.set_overflowed();
            }
            bucket.set_key(way, key);
            // Nobody else touches a busy entry, so this can't fail.
            bucket.swap(way, Entry::BUSY, entry);
            return Inserted::Recorded { evicted: old };
        }
    }
    Inserted::Busy
}

#[inline(always)]
fn least_worthy<B: Bucket>(bucket: &B, now: u16) -> (usize, Entry) {
    let mut least = (0, bucket.entry(0));
    for way in 1..B::WAYS {
        let entry = bucket.entry(way);
        if entry.worth(now) < least.1.worth(now) {
            least = (way, entry);
        }
    }
    least
}

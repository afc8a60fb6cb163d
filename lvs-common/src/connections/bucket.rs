//! The operations on buckets.

use super::{entry::Entry, state};

/// Connections in a bucket.
pub const WAYS: usize = 3;

/// How often an operation that another CPU got in the way of is tried again.
pub(super) const TRIES: usize = 3;

/// The memory of one bucket. Every access is atomic; no two of them are together.
pub trait Bucket {
    /// What names a connection.
    type Key: Copy + PartialEq;

    /// Reads an entry.
    fn entry(&self, way: usize) -> Entry;
    /// Replaces an entry, if it is still `old`; says whether it did.
    fn swap(&self, way: usize, old: Entry, new: Entry) -> bool;
    /// The first place with this tag, the last if there is none: a guess, right as long as nobody changes anything.
    #[inline(always)]
    fn likely_way(&self, tag: u8) -> usize {
        (0..WAYS - 1).find(|&way| self.entry(way).tag == tag).unwrap_or(WAYS - 1)
    }
    /// Compares a key.
    fn has_key(&self, way: usize, key: &Self::Key) -> bool;
    /// Reads a key.
    fn key(&self, way: usize) -> Self::Key;
    /// Writes a key; the entry is [`state::BUSY`], and the caller has made it so.
    fn set_key(&self, way: usize, key: &Self::Key);
    /// Has its memory brought near, because it will be read soon.
    fn fetch(&self) {}
    /// Has the second name brought near, if it is not beside the entries: most that are not in the first place
    /// are there, and so both lines are waited for at the same time.
    fn fetch_names(&self) {}
    /// Takes the lock; gives up after a while.
    fn lock(&self) -> bool;
    /// Gives the lock back.
    fn unlock(&self);
    /// Whether a flow of this bucket has been sent to its second.
    fn has_overflowed(&self) -> bool;
    /// Notes that one was.
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
        let way = usize::from(entry.state >> Self::WAY_SHIFT & 3);
        (state != state::FREE && way < WAYS).then_some(Self {
            way,
            in_second: entry.state & Self::IN_SECOND != 0,
            entry: Entry { state, ..entry },
        })
    }
}

/// Finds a connection in its first bucket, or else in its second. `template` has its tag, and any state of
/// its protocol.
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

#[inline(always)]
fn find<B: Bucket>(bucket: &B, key: &B::Key, template: Entry) -> Option<(usize, Entry)> {
    let states = state::of_same_protocol(template.state);
    for way in 0..WAYS {
        // The tag first: of IPv6, keys are in other cache lines. What it was then says nothing yet.
        if bucket.entry(way).tag == template.tag
            && let Some(entry) = entry_in_state(bucket, way, key, template.tag, states)
        {
            return Some((way, entry));
        }
    }
    None
}

/// The connection in this place, if it is the one that is looked for, and in one of these states; a bit each.
#[inline(always)]
pub fn entry_in_state<B: Bucket>(
    bucket: &B,
    way: usize,
    key: &B::Key,
    tag: u8,
    states: u32,
) -> Option<Entry> {
    if !bucket.has_key(way, key) {
        return None;
    }
    let entry = bucket.entry(way);
    (entry.tag == tag && entry.is_in(states)).then_some(entry)
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

//! Buckets of the connection tables, in ordinary memory of one thread.

use std::cell::Cell;

use lvs_common::connections::{Bucket, Entry, WAYS};

/// Connections whose names are `K`.
#[derive(Clone, PartialEq)]
pub struct HostBucket<K: Copy> {
    entries: [Cell<Entry>; WAYS],
    keys: [Cell<Option<K>>; WAYS],
    overflowed: Cell<bool>,
}

impl<K: Copy> Default for HostBucket<K> {
    fn default() -> Self {
        Self {
            entries: std::array::from_fn(|_| Cell::new(Entry::FREE)),
            keys: std::array::from_fn(|_| Cell::new(None)),
            overflowed: Cell::new(false),
        }
    }
}

impl<K: Copy + PartialEq> Bucket for HostBucket<K> {
    type Key = K;

    fn entry(&self, way: usize) -> Entry {
        self.entries[way].get()
    }

    fn swap(&self, way: usize, old: Entry, new: Entry) -> bool {
        let same = self.entries[way].get() == old;
        if same {
            self.entries[way].set(new);
        }
        same
    }

    fn has_key(&self, way: usize, key: &Self::Key) -> bool {
        self.keys[way].get() == Some(*key)
    }

    fn key(&self, way: usize) -> K {
        self.keys[way].get().expect("a key that was written")
    }

    fn set_key(&self, way: usize, key: &Self::Key) {
        self.keys[way].set(Some(*key));
    }

    fn lock(&self) -> bool {
        true
    }

    fn unlock(&self) {}

    fn has_overflowed(&self) -> bool {
        self.overflowed.get()
    }

    fn set_overflowed(&self) {
        self.overflowed.set(true);
    }
}

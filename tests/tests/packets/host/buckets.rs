//! Buckets of the connection tables, in ordinary memory of one thread.

use std::cell::Cell;

use lvs_common::connections::{Bucket, Entry};

/// Three connections whose keys have `N` words.
pub struct HostBucket<const N: usize> {
    entries: [Cell<Entry>; 3],
    keys: [Cell<[u32; N]>; 3],
    overflowed: Cell<bool>,
}

impl<const N: usize> Default for HostBucket<N> {
    fn default() -> Self {
        Self {
            entries: std::array::from_fn(|_| Cell::new(Entry::FREE)),
            keys: std::array::from_fn(|_| Cell::new([0; N])),
            overflowed: Cell::new(false),
        }
    }
}

impl<const N: usize> Bucket for HostBucket<N> {
    type Key = [u32; N];
    const WAYS: usize = 3;

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
        self.keys[way].get() == *key
    }

    fn set_key(&self, way: usize, key: &Self::Key) {
        self.keys[way].set(*key);
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

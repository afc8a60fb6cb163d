//! Buckets of the connection tables in shared memory, as the policy of `lvs-common` sees them.

use std::sync::atomic::{AtomicU32, Ordering};

use lvs_common::{
    abi,
    connections::{Bucket, Entry},
};

use super::{SharedBucket, SharedBucketV6, words};

/// The guard's bit that says that a flow of the bucket was sent to its second.
const OVERFLOWED: u32 = 2;

macro_rules! bucket {
    ($bucket:ty, $key:ty, $keys:ident) => {
        impl Bucket for $bucket {
            type Key = $key;

            fn entry(&self, way: usize) -> Entry {
                let word = self.entries.get(way).map(|it| it.load(Ordering::Acquire));
                word.map_or(Entry::FREE, Entry::from_word)
            }

            fn swap(&self, way: usize, old: Entry, new: Entry) -> bool {
                let (old, new) = (old.to_word(), new.to_word());
                self.entries.get(way).is_some_and(|it| {
                    it.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire).is_ok()
                })
            }

            fn has_key(&self, way: usize, key: &$key) -> bool {
                self.key(way) == *key
            }

            fn key(&self, way: usize) -> $key {
                bytemuck::cast(words(self.$keys(way)))
            }

            fn set_key(&self, way: usize, key: &$key) {
                let key: [u32; size_of::<$key>() / 4] = bytemuck::cast(*key);
                for (word, value) in self.$keys(way).iter().zip(key) {
                    word.store(value, Ordering::Release);
                }
            }

            /// It is not locked: an lvsd that is killed would leave it so. The lock only keeps two CPUs
            /// from recording one flow twice; then both stay, and one of them expires.
            fn lock(&self) -> bool {
                true
            }

            fn unlock(&self) {}

            fn has_overflowed(&self) -> bool {
                self.guard.load(Ordering::Acquire) & OVERFLOWED != 0
            }

            fn set_overflowed(&self) {
                self.guard.fetch_or(OVERFLOWED, Ordering::AcqRel);
            }
        }
    };
}

bucket!(SharedBucket, abi::ConnectionKey, key_words);
bucket!(SharedBucketV6, abi::ConnectionKeyV6, key_words);

impl SharedBucket {
    fn key_words(&self, way: usize) -> &[AtomicU32; 3] {
        let [first, second, third] = &self.keys;
        match way {
            0 => first,
            1 => second,
            _ => third,
        }
    }
}

impl SharedBucketV6 {
    fn key_words(&self, way: usize) -> &[AtomicU32; 9] {
        match way {
            0 => &self.first,
            1 => &self.second,
            _ => &self.third,
        }
    }
}

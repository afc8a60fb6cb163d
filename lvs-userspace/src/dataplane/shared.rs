//! Maps that are memory of lvsd, too: the connection tables, the loads, the copies of services and the settings.

mod buckets;

use std::{
    io,
    marker::PhantomData,
    mem::offset_of,
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    os::fd::AsFd,
    ptr::NonNull,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

use lvs_common::{
    abi::{self, service_place},
    connections::{self, Entry, Secrets},
};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

/// The values of an array map, side by side in memory that the program changes at the same time.
#[derive(Debug)]
pub(super) struct SharedArray<T> {
    start: NonNull<core::ffi::c_void>,
    bytes: NonZeroUsize,
    length: usize,
    values: PhantomData<T>,
}

// SAFETY: the memory belongs to the map and not to a thread; all access to it is atomic.
unsafe impl<T> Send for SharedArray<T> {}
// SAFETY: the same.
unsafe impl<T> Sync for SharedArray<T> {}

impl<T: Shared> SharedArray<T> {
    /// Maps an array map with `length` values of `T`.
    pub(super) fn map(fd: impl AsFd, length: usize) -> io::Result<Self> {
        // kernel/bpf/arraymap.c keeps values 8 bytes apart at least.
        const { assert!(size_of::<T>().is_multiple_of(8)) };
        let bytes = NonZeroUsize::new(length * size_of::<T>())
            .ok_or_else(|| io::Error::other("a map without values"))?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping, at an address that the kernel chooses.
        let start = unsafe { mmap(None, bytes, access, MapFlags::MAP_SHARED, fd, 0) }?;
        Ok(Self { start, bytes, length, values: PhantomData })
    }

    pub(super) fn get(&self, index: usize) -> Option<&T> {
        // SAFETY: inside the mapping, which lives as long as this; `T` is atomics alone.
        (index < self.length).then(|| unsafe { self.start.cast::<T>().add(index).as_ref() })
    }

    /// How many values there are.
    pub(super) const fn length(&self) -> usize {
        self.length
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        (0..self.length).filter_map(|index| self.get(index))
    }
}

impl<T> Drop for SharedArray<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and nothing refers to it any more.
        if let Err(error) = unsafe { munmap(self.start, self.bytes.get()) } {
            tracing::warn!(%error, "can't unmap a map");
        }
    }
}

/// A type that is nothing but atomics, laid out as the value of a map.
///
/// # Safety
/// Every bit pattern is valid, and nothing is ever accessed but atomically.
pub(super) unsafe trait Shared {}

/// [`abi::Load`].
#[repr(C)]
#[derive(Debug)]
pub(super) struct SharedLoad {
    pub(super) active: AtomicU32,
    pub(super) inactive: AtomicU32,
    pub(super) weight: AtomicU32,
    pub(super) upper_threshold: AtomicU32,
    pub(super) lower_threshold: AtomicU32,
    pub(super) overloaded: AtomicU32,
}

/// [`abi::ServiceCopy`].
#[repr(C)]
#[derive(Debug)]
pub(super) struct SharedServiceCopy([AtomicU32; size_of::<abi::ServiceCopy>() / 4]);

impl SharedServiceCopy {
    /// What it holds.
    pub(super) fn read(&self) -> abi::ServiceCopy {
        bytemuck::must_cast(self.0.each_ref().map(|it| it.load(Ordering::Acquire)))
    }

    /// Makes it a copy. It must have been none for as long as a packet may have looked at the one before.
    pub(super) fn write(&self, key: abi::ServiceKey, service: abi::Service) {
        let copy =
            abi::ServiceCopy { place: service_place::IS_COPY, key, service, reserved: [0; 3] };
        let words: [u32; size_of::<abi::ServiceCopy>() / 4] = bytemuck::must_cast(copy);
        // Last of all the word that says that there is one.
        for (word, value) in self.0.iter().zip(words).rev() {
            word.store(value, Ordering::SeqCst);
        }
    }

    /// Makes it none, of a place that may have others.
    pub(super) fn withdraw(&self) {
        let [place, ..] = &self.0;
        place.store(0, Ordering::SeqCst);
    }

    /// Says whether others are to be looked for in `SERVICES`.
    pub(super) fn set_no_other(&self, there_is_none: bool) {
        let [place, ..] = &self.0;
        if (place.load(Ordering::Acquire) & service_place::NO_OTHER != 0) == there_is_none {
            // To write it anyway would take the line from all other CPUs.
            return;
        }
        if there_is_none {
            place.fetch_or(service_place::NO_OTHER, Ordering::SeqCst);
        } else {
            place.fetch_and(!service_place::NO_OTHER, Ordering::SeqCst);
        }
    }
}

/// [`abi::Settings`].
#[repr(C)]
#[derive(Debug)]
pub(super) struct SharedSettings {
    head: [AtomicU32; 2],
    secrets: [AtomicU64; size_of::<Secrets>() / 8],
    pub(super) active_until: AtomicU64,
    pub(super) answers_until: AtomicU64,
    pub(super) scheduled_until: AtomicU64,
    pub(super) strays_until: AtomicU64,
    pub(super) tells: AtomicU32,
    pub(super) cpus: AtomicU32,
    buckets: [AtomicU32; 4],
}

/// [`abi::Bucket`].
#[repr(C)]
#[derive(Debug)]
pub(super) struct SharedBucket {
    entries: [AtomicU64; 3],
    keys: [[AtomicU32; 3]; 3],
    guard: AtomicU32,
}

/// [`abi::BucketV6`].
#[repr(C)]
#[derive(Debug)]
pub(super) struct SharedBucketV6 {
    entries: [AtomicU64; 3],
    guard: AtomicU32,
    first: [AtomicU32; 9],
    reserved: [u32; 7],
    second: [AtomicU32; 9],
    reserved_too: [u32; 7],
    third: [AtomicU32; 9],
}

const _: () = {
    assert!(size_of::<SharedBucketV6>() == size_of::<abi::BucketV6>());
    assert!(
        offset_of!(SharedBucketV6, guard) == offset_of!(abi::BucketV6, guard)
            && offset_of!(SharedBucketV6, first) == offset_of!(abi::BucketV6, first)
            && offset_of!(SharedBucketV6, second) == offset_of!(abi::BucketV6, second)
            && offset_of!(SharedBucketV6, third) == offset_of!(abi::BucketV6, third)
    );
    assert!(size_of::<SharedSettings>() == size_of::<abi::Settings>());
    assert!(
        offset_of!(SharedSettings, active_until) == offset_of!(abi::Settings, active_until)
            && offset_of!(SharedSettings, answers_until)
                == offset_of!(abi::Settings, answers_until)
            && offset_of!(SharedSettings, scheduled_until)
                == offset_of!(abi::Settings, scheduled_until)
            && offset_of!(SharedSettings, strays_until) == offset_of!(abi::Settings, strays_until)
            && offset_of!(SharedSettings, tells) == offset_of!(abi::Settings, tells)
            && offset_of!(SharedSettings, cpus) == offset_of!(abi::Settings, cpus)
    );
    assert!(offset_of!(abi::ServiceCopy, place) == 0);
    assert!(size_of::<SharedLoad>() == size_of::<abi::Load>());
    assert!(
        size_of::<SharedBucket>() == size_of::<abi::Bucket>()
            && offset_of!(SharedBucket, keys) == offset_of!(abi::Bucket, keys)
            && offset_of!(SharedBucket, guard) == offset_of!(abi::Bucket, guard)
    );
};

// SAFETY: atomics alone.
unsafe impl Shared for SharedLoad {}
// SAFETY: atomics alone.
unsafe impl Shared for SharedServiceCopy {}
// SAFETY: atomics alone.
unsafe impl Shared for SharedSettings {}
// SAFETY: atomics alone.
unsafe impl Shared for SharedBucket {}
// SAFETY: atomics alone.
unsafe impl Shared for SharedBucketV6 {}

/// The two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) client: SocketAddr,
    pub(super) virtual_address: SocketAddr,
}

impl From<abi::ConnectionKey> for Ends {
    fn from(key: abi::ConnectionKey) -> Self {
        Self::new(key.client, key.client_port, key.vip, key.port)
    }
}

impl From<abi::ConnectionKeyV6> for Ends {
    fn from(key: abi::ConnectionKeyV6) -> Self {
        Self::new(key.client, key.client_port, key.vip, key.port)
    }
}

impl Ends {
    fn new<A: Into<IpAddr>>(client: A, client_port: [u8; 2], vip: A, port: [u8; 2]) -> Self {
        Self {
            client: SocketAddr::new(client.into(), u16::from_be_bytes(client_port)),
            virtual_address: SocketAddr::new(vip.into(), u16::from_be_bytes(port)),
        }
    }
}

/// A bucket, as lvsd needs it: to look at connections and to forget them.
pub(super) trait Connections {
    /// Every connection, and what it joins.
    fn each(&self, visit: impl FnMut(usize, Entry, Ends));
    /// Forgets a connection, if it is still as it was read.
    fn forget(&self, way: usize, entry: Entry) -> bool;
}

impl Connections for SharedBucket {
    fn each(&self, mut visit: impl FnMut(usize, Entry, Ends)) {
        for (way, (entry, key)) in self.entries.iter().zip(&self.keys).enumerate() {
            if let Some(entry) = live(entry) {
                let key: abi::ConnectionKey = bytemuck::cast(words(key));
                visit(way, entry, key.into());
            }
        }
    }

    fn forget(&self, way: usize, entry: Entry) -> bool {
        forget(&self.entries[way], entry)
    }
}

impl Connections for SharedBucketV6 {
    fn each(&self, mut visit: impl FnMut(usize, Entry, Ends)) {
        let keys = [&self.first, &self.second, &self.third];
        for (way, (entry, key)) in self.entries.iter().zip(keys).enumerate() {
            if let Some(entry) = live(entry) {
                let key: abi::ConnectionKeyV6 = bytemuck::cast(words(key));
                visit(way, entry, key.into());
            }
        }
    }

    fn forget(&self, way: usize, entry: Entry) -> bool {
        forget(&self.entries[way], entry)
    }
}

fn live(entry: &AtomicU64) -> Option<Entry> {
    Some(Entry::from_word(entry.load(Ordering::Acquire))).filter(|entry| entry.is_live())
}

fn words<const N: usize>(key: &[AtomicU32; N]) -> [u32; N] {
    std::array::from_fn(|at| key[at].load(Ordering::Relaxed))
}

fn forget(place: &AtomicU64, entry: Entry) -> bool {
    let free = connections::Entry::FREE.to_word();
    place.compare_exchange(entry.to_word(), free, Ordering::AcqRel, Ordering::Relaxed).is_ok()
}

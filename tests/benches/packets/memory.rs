//! The memory of a connection table, as it was before the first packet.

use std::{os::fd::AsFd as _, path::Path, ptr::NonNull};

use anyhow::Result;
use aya::maps::{MapData, MapInfo};
use nix::{
    libc::c_void,
    sys::mman::{MapFlags, ProtFlags, mmap, munmap},
};

/// A map that can be mapped.
pub(crate) struct Memory {
    start: NonNull<c_void>,
    bytes: usize,
}

impl Memory {
    /// That of an array that is pinned there.
    pub(crate) fn of(pin: &Path) -> Result<Self> {
        let info = MapInfo::from_pin(pin)?;
        let bytes = info.max_entries() as usize * info.value_size() as usize;
        let map = MapData::from_pin(pin)?;
        let (protection, flags) =
            (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED);
        let length = bytes.try_into()?;
        // SAFETY: a mapping of its own, which nothing else in this process knows of.
        let start = unsafe { mmap(None, length, protection, flags, map.fd().as_fd(), 0) }?;
        Ok(Self { start, bytes })
    }

    /// Forgets all that is in it, marks of buckets that have been full, too.
    pub(crate) fn clear(&self) {
        // SAFETY: so many bytes are mapped there; no program runs meanwhile.
        unsafe { self.start.as_ptr().cast::<u8>().write_bytes(0, self.bytes) };
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: as it was mapped; nobody has a reference to it.
        unsafe { munmap(self.start, self.bytes) }.expect("it is mapped");
    }
}

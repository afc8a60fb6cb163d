//! What the web servers have for a long download: `/long`, a few bytes at a time, each of them known.

use std::{fs::File, io::Write as _, path::Path};

use anyhow::{Context, Result};

/// Bytes until it repeats itself: a prime, so that a part that is missing, or comes twice, shows.
const PERIOD: usize = 1_048_573;
/// So often.
const TIMES: usize = 16;

/// The byte at a place.
#[must_use]
pub const fn byte(at: usize) -> u8 {
    let hash = ((at % PERIOD) as u32).wrapping_mul(0x9e37_79b1);
    (hash >> 24) as u8
}

/// Writes all of it.
pub(super) fn write(path: &Path) -> Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    let period: Vec<u8> = (0..PERIOD).map(byte).collect();
    let mut file = File::create(path).with_context(cannot)?;
    (0..TIMES).try_for_each(|_| file.write_all(&period)).with_context(cannot)
}

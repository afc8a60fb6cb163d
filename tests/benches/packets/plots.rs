//! The results as pictures, in SVG.

mod bars;
mod lines;
mod svg;

use std::{fs, path::Path};

use anyhow::Result;

use crate::results::Results;

/// Draws all of them into a directory.
pub(crate) fn write(results: &Results, directory: &Path) -> Result<()> {
    fs::create_dir_all(directory)?;
    fs::write(directory.join("packets-by-flows.svg"), lines::draw(&results.rows))?;
    fs::write(directory.join("packets.svg"), bars::draw(&results.rows))?;
    Ok(())
}

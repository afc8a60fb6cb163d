//! Hands the BPF program to the library, as `lvs-xdp.o` in `OUT_DIR`.
//!
//! `cargo xtask build` makes the program first. Without it the file is empty: all that needs no
//! kernel can be built and tested where there are no BPF tools.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=LVS_BPF_OBJECT");

    let object = env::var_os("LVS_BPF_OBJECT").map(PathBuf::from);
    let program = object.as_deref().map(watch_and_read).transpose()?.unwrap_or_default();
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    fs::write(out_dir.join("lvs-xdp.o"), program)
}

/// The object's bytes, or none where it has not been built.
///
/// Its directory is watched, and made where there is none: a path that is not there would have
/// cargo run this, and compile the library again, at every build.
fn watch_and_read(object: &Path) -> io::Result<Vec<u8>> {
    if let Some(dir) = object.parent() {
        fs::create_dir_all(dir)?;
        println!("cargo::rerun-if-changed={}", dir.display());
    }
    match fs::read(object) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read,
    }
}

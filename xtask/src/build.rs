//! `cargo xtask build`: the BPF program, then the programs that carry it.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{bpf, privilege, setup, sh};

/// What to build.
#[derive(clap::Args, Default)]
pub(crate) struct Options {
    /// Build lvsd and lvsctl optimised (the BPF program always is)
    #[arg(long)]
    pub(crate) release: bool,
}

/// Sets up, builds, and gives the directory in which lvsd and lvsctl then are.
pub(crate) fn run(options: &Options) -> Result<PathBuf> {
    let programs = target_dir()?.join(if options.release { "release" } else { "debug" });
    // Already done, by the one who has called sudo.
    if !privilege::is_elevated() {
        let toolchain = setup::run()?;
        let objects = bpf::build(toolchain)?;
        install(&objects.program, &sh::root().join("target/bpf/lvs-xdp.o"))?;
        // Not beside it: lvs-userspace watches that directory.
        install(&objects.bench, &sh::root().join("target/bpf-bench/lvs-bench.o"))?;
        let mut userspace = sh::cargo(["build", "--package", "lvs-userspace"]);
        sh::run(userspace.args(options.release.then_some("--release")))?;
    }
    Ok(programs)
}

/// Where cargo builds: xtask itself lies in a profile's directory there.
fn target_dir() -> Result<PathBuf> {
    let xtask = env::current_exe().context("cannot tell where xtask is")?;
    let target = xtask.ancestors().nth(2).context("xtask is not in cargo's target directory")?;
    Ok(target.to_owned())
}

/// Copies `built` to `object`, unless that holds the same already: what is built from it is then
/// not built again.
fn install(built: &Path, object: &Path) -> Result<()> {
    let bytes = fs::read(built).with_context(|| format!("cannot read {}", built.display()))?;
    replace(object, &bytes).with_context(|| format!("cannot write {}", object.display()))
}

fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::read(file).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    if let Some(dir) = file.parent() {
        fs::create_dir_all(dir)?;
    }
    // By renaming, so that no one ever reads half of it.
    let new = file.with_extension("new");
    fs::write(&new, bytes)?;
    fs::rename(&new, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_only_when_it_would_change() {
        let dir = env::temp_dir().join(format!("lvs-xtask-{}", std::process::id()));
        let file = dir.join("bpf/object");
        let modified =
            || fs::metadata(&file).and_then(|file| file.modified()).expect("it is there");

        replace(&file, b"one").expect("it can be written");
        let first = modified();
        replace(&file, b"one").expect("there is nothing to do");
        assert_eq!(modified(), first);
        replace(&file, b"two").expect("it can be written");
        assert_eq!(fs::read(&file).expect("it is there"), b"two");
        let left: Vec<_> = fs::read_dir(dir.join("bpf")).expect("it is there").collect();
        assert_eq!(left.len(), 1, "{left:?}");

        fs::remove_dir_all(&dir).expect("it is ours");
    }
}

//! `cargo xtask vm`: a command on another kernel, in QEMU.
//!
//! The processor is emulated, so that it works on any machine, and slowly. The guest has this
//! machine's own root file system (through virtiofs), so that every program and what was built is
//! there; its devices, processes, network, `/run` and `/tmp` are its own.

mod emulator;
mod guest;
mod initramfs;
mod kernel;
mod machine;
mod packages;

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};

use self::machine::Machine;
pub(crate) use self::{emulator::Emulator, kernel::Kernel};
use crate::{privilege, setup, sh, test};

/// What to run, and on what.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Which kernel
    #[arg(value_enum, default_value_t)]
    kernel: Kernel,
    /// End it after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1800)]
    time_limit: u64,
    /// Have its clock go by what its processor does: slower, but nothing in there is late because this
    /// machine has other things to do
    #[arg(long)]
    steady: bool,
    /// The command; the tests of the BPF program if left out
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Sets up and runs it; gives the command's exit status.
pub(crate) fn run(options: &Options) -> Result<u8> {
    let Options { kernel, time_limit, steady, command } = options;
    set_up(*kernel)?;
    if command.is_empty() {
        test::kernel_by(&runner(*kernel, *time_limit, *steady)?)?;
        return Ok(0);
    }
    privilege::elevate()?;
    let directory = Directory::new()?;
    let script = guest::script(&guest::Order {
        command,
        directory: &env::current_dir()?,
        variables: &env::vars_os().filter(|(name, _)| guest::keeps(name)).collect::<Vec<_>>(),
        modules: &kernel.modules(),
        answer: directory.path(),
    });
    fs::write(directory.path().join(guest::SCRIPT), script)?;
    let initramfs = initramfs::make(*kernel, directory.path())?;
    let machine = Machine::start(*kernel, &initramfs, directory.path(), *steady)?;
    machine.follow(Duration::from_secs(*time_limit))
}

/// What runs a program that was built here in there: this verb, with its first arguments.
pub(crate) fn runner(kernel: Kernel, time_limit: u64, steady: bool) -> Result<Vec<String>> {
    let xtask = env::current_exe().context("cannot tell where xtask is")?;
    let limit = time_limit.to_string();
    let mut words = vec!["vm", kernel.name(), "--time-limit", &limit];
    words.extend(steady.then_some("--steady"));
    words.push("--");
    let words = words.into_iter().map(str::to_owned);
    Ok([xtask.display().to_string()].into_iter().chain(words).collect())
}

/// Installs and downloads what is missing.
pub(crate) fn set_up(kernel: Kernel) -> Result<()> {
    // Already done, by the one who has called sudo.
    if privilege::is_elevated() { Ok(()) } else { setup::vm(kernel) }
}

/// Where kernels are kept, and what machines leave while they run.
pub(crate) fn place() -> PathBuf {
    sh::root().join("target/vm")
}

/// A directory that host and guest share, for one run.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Result<Self> {
        remove_leftovers(&place());
        let path = place().join(format!("run-{}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // If it stays, the next run removes it.
        fs::remove_dir_all(&self.0).ok();
    }
}

/// Removes the directories of runs that were killed.
fn remove_leftovers(place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix("run-"));
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_killed_runs_have_left_is_removed() {
        let place = env::temp_dir().join(format!("lvs-xtask-vm-{}", std::process::id()));
        let running = format!("run-{}", std::process::id());
        for name in ["6.12", "run-999999999", &running] {
            fs::create_dir_all(place.join(name)).expect("a directory");
        }
        remove_leftovers(&place);
        for (name, stays) in [("6.12", true), ("run-999999999", false), (&running, true)] {
            assert_eq!(place.join(name).exists(), stays, "{name}");
        }
        fs::remove_dir_all(&place).expect("it is ours");
    }
}

//! `cargo xtask test`: on the host, in the kernel, and over the lab's wires.

use std::process::Command;

use anyhow::Result;
use clap::ValueEnum;

use crate::{build, privilege, sh, vm};

/// Which tests to run.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Which tests; all of them when left out
    suite: Option<Suite>,
}

/// A kind of tests, by what they need.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Suite {
    /// Plain `cargo test`: needs no rights and no BPF tools
    Host,
    /// The BPF program, fed with packets by the kernel
    Kernel,
    /// All of it end to end, in network namespaces
    Lab,
    /// Beside the real ipvsadm, which needs a kernel with IPVS: in QEMU
    Vm,
}

/// Runs the suites asked for, and stops at the first that fails.
pub(crate) fn run(options: &Options) -> Result<()> {
    let suites = options.suite.as_ref().map_or(Suite::value_variants(), std::slice::from_ref);
    suites.iter().copied().try_for_each(suite)
}

/// Runs one suite, and builds first what it needs.
pub(crate) fn suite(suite: Suite) -> Result<()> {
    match suite {
        Suite::Host => sh::run(&mut sh::cargo(["test"])),
        Suite::Kernel => privileged("packets"),
        Suite::Lab => privileged("lab_*"),
        Suite::Vm => {
            vm::set_up(vm::Kernel::default())?;
            privileged("vm_*")
        }
    }
}

/// The test targets of lvs-tests that match `targets`. They are built by whoever calls, and run
/// by root.
fn privileged(targets: &str) -> Result<()> {
    let mut cargo = built(targets)?;
    privilege::run_by_root(&mut cargo);
    one_at_a_time(&mut cargo)
}

/// The tests of the BPF program, built here and run by another program: its name and its first
/// arguments.
pub(crate) fn kernel_by(runner: &[String]) -> Result<()> {
    let mut cargo = built("packets")?;
    privilege::run_by(&mut cargo, runner);
    one_at_a_time(&mut cargo)
}

fn built(targets: &str) -> Result<Command> {
    build::run(&build::Options::default())?;
    let mut cargo = sh::cargo(["test", "--package", "lvs-tests", "--features", "privileged"]);
    cargo.args(["--test", targets]);
    Ok(cargo)
}

/// They share the kernel's tables and the lab.
fn one_at_a_time(cargo: &mut Command) -> Result<()> {
    sh::run(cargo.args(["--", "--test-threads=1"]))
}

//! `cargo xtask test`: on the host, in the kernel, and over the lab's wires.

use anyhow::Result;
use clap::ValueEnum;

use crate::{build, privilege, sh};

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
    }
}

/// The test targets of lvs-tests that match `targets`. They are built by whoever calls, and run
/// by root.
fn privileged(targets: &str) -> Result<()> {
    build::run(&build::Options::default())?;
    let mut cargo = sh::cargo(["test", "--package", "lvs-tests", "--features", "privileged"]);
    cargo.args(["--test", targets]);
    privilege::run_by_root(&mut cargo);
    // One at a time: they share the kernel's tables and the lab.
    sh::run(cargo.args(["--", "--test-threads=1"]))
}

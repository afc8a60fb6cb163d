//! `cargo xtask ci`: what has to hold before a change lands.

use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::{
    bpf, build, setup, sh,
    test::{self, Suite},
};

/// A part of CI, by its name.
type Step = (&'static str, fn() -> Result<()>);

/// What is told soonest comes first.
const STEPS: [Step; 10] = [
    ("format", format),
    ("setup", || setup::run().map(|_| ())),
    ("lint", lint),
    ("lint the BPF program", || bpf::clippy(setup::run()?)),
    ("documentation", documentation),
    ("build", || build::run(&build::Options::default()).map(|_| ())),
    ("tests on the host", || test::suite(Suite::Host)),
    ("tests in the kernel", || test::suite(Suite::Kernel)),
    ("tests in the lab", || test::suite(Suite::Lab)),
    ("tests in a virtual machine", || test::suite(Suite::Vm)),
];

/// Runs one step after the other, and stops at the first that fails.
pub(crate) fn run() -> Result<()> {
    let start = Instant::now();
    for (name, step) in STEPS {
        eprintln!("ci: {name} ...");
        let start = Instant::now();
        step().with_context(|| format!("ci stopped at `{name}`"))?;
        eprintln!("ci: {name}: passed in {:.1} s", start.elapsed().as_secs_f32());
    }
    eprintln!("ci: all passed in {:.1} s", start.elapsed().as_secs_f32());
    Ok(())
}

fn format() -> Result<()> {
    sh::run(&mut sh::cargo(["fmt", "--all", "--check"]))
}

/// With all features: those turn on the tests that only root can run.
fn lint() -> Result<()> {
    sh::run(&mut sh::cargo(["clippy", "--all-targets", "--all-features", "--", "-Dwarnings"]))
}

fn documentation() -> Result<()> {
    let mut doc = sh::cargo(["doc", "--no-deps", "--document-private-items"]);
    sh::run(doc.env("RUSTDOCFLAGS", "-Dwarnings"))
}

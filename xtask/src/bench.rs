//! `cargo xtask bench`: what a packet costs, what checks do, and what a failover costs.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};

use crate::{build, privilege, sh, vm};

/// A virtual machine that measures failovers is ended after so long, and so much more for each run: several
/// times what it takes on two cores that have nothing else to do.
const TIME_LIMIT: u64 = 900;
const TIME_LIMIT_PER_RUN: u64 = 900;

/// What to measure, and where to write it.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// What to measure
    #[arg(value_enum, default_value = "packets")]
    what: What,
    /// Write the results to this file as JSON, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// How often each event of a failover happens; 3 if left out
    #[arg(long, value_name = "N")]
    runs: Option<u64>,
    /// Measure failovers of lvsd alone, on this machine itself and not in QEMU
    #[arg(long)]
    here: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// What a packet costs in the kernel
    Packets,
    /// How many checks the agent makes in a second, and how late they are
    Checks,
    /// What it costs clients when a director is lost, beside keepalived with the kernel's IPVS: in QEMU
    Failover,
}

/// Builds the program and the benchmark, and runs it.
pub(crate) fn run(options: &Options) -> Result<()> {
    ensure!(
        options.what == What::Failover || (options.runs.is_none() && !options.here),
        "--runs and --here are for failover",
    );
    let mut cargo = sh::cargo(["bench", "--package", "lvs-tests"]);
    let mut arguments = Vec::new();
    // cargo runs the benchmark in the directory of its package.
    let json = options.json.as_ref().map(|file| env::current_dir().map(|it| it.join(file)));
    let json = json.transpose()?;
    let mut written = json.clone();
    match options.what {
        What::Packets => {
            build::run(&build::Options::default())?;
            // All the time goes by in the kernel, so nothing is gained by optimising the rest.
            cargo.args(["--features", "privileged", "--profile", "dev", "--bench", "packets"]);
            privilege::run_by_root(&mut cargo);
        }
        What::Checks => {
            cargo.args(["--bench", "checks"]);
        }
        What::Failover => {
            let runs = options.runs.unwrap_or(3);
            arguments.extend(["--runs".to_owned(), runs.to_string()]);
            // Optimised, as those beside it are: under emulation it is not ready in time otherwise.
            build::run(&build::Options { release: true })?;
            cargo.args(["--features", "privileged", "--bench", "failover"]);
            if options.here {
                arguments.extend(["--only", "lvsd"].map(str::to_owned));
                privilege::run_by_root(&mut cargo);
            } else {
                let kernel = vm::Kernel::default();
                vm::set_up(kernel)?;
                let limit = TIME_LIMIT + TIME_LIMIT_PER_RUN * runs;
                privilege::run_by(&mut cargo, &vm::runner(kernel, limit, true)?);
                // The machine has a /tmp of its own.
                written = json.is_some().then(|| vm::place().join("failover.json"));
            }
        }
    }
    if let Some(file) = &written {
        arguments.extend(["--json".to_owned(), file.display().to_string()]);
    }
    if !arguments.is_empty() {
        cargo.arg("--").args(arguments);
    }
    sh::run(&mut cargo)?;
    match (written, json) {
        (Some(from), Some(to)) if from != to => bring(&from, &to),
        _ => Ok(()),
    }
}

/// Puts what a virtual machine has written where it is wanted.
fn bring(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot write {}", to.display()))?;
    // If it stays, the next run writes over it.
    fs::remove_file(from).ok();
    Ok(())
}

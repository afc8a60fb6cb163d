//! `cargo xtask bench`: what a packet costs, how many go over a wire, what checks do, what a failover costs,
//! how large a director may become, and what lvsd itself takes.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::{build, privilege, sh, vm};

/// A virtual machine that measures failovers is ended after so long, and so much more for each run: several
/// times what it takes on two cores that have nothing else to do.
const TIME_LIMIT: u64 = 900;
const TIME_LIMIT_PER_RUN: u64 = 900;
/// The same for one that compares how many packets go through.
const TIME_LIMIT_OF_IPVS: u64 = 1800;

/// What to measure, and where to write it.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// What to measure
    #[arg(value_enum, default_value = "packets")]
    what: What,
    /// Write the results to this file as JSON, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Put the table into this file, in the place of the one that is there
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Draw what packets cost, and leave the pictures there
    #[arg(long, value_name = "DIRECTORY")]
    plots: Option<PathBuf>,
    /// Fail if packets cost more than they should, or fewer go over a wire
    #[arg(long)]
    check: bool,
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
    /// How many packets a second one CPU forwards on a wire
    Live,
    /// The same beside the kernel's IPVS: in QEMU
    Ipvs,
    /// How many checks the agent makes in a second, and how late they are
    Checks,
    /// What it costs clients when a director is lost, beside keepalived with the kernel's IPVS: in QEMU
    Failover,
    /// Memory, times, and what a packet costs with 10,000 services, 100,000 real servers and 4,000,000 connections
    Scale,
    /// How much of a CPU, and how much memory, lvsd itself takes
    Agent,
}

/// Builds the program and the benchmark, and runs it.
pub(crate) fn run(options: &Options) -> Result<()> {
    ensure!(
        options.what == What::Failover || (options.runs.is_none() && !options.here),
        "--runs and --here are for failover",
    );
    ensure!(
        matches!(options.what, What::Packets | What::Live | What::Ipvs) || !options.check,
        "--check is for packets, live and ipvs",
    );
    ensure!(
        !matches!(options.what, What::Checks | What::Failover) || options.markdown.is_none(),
        "--markdown is not for checks and failover",
    );
    ensure!(options.what == What::Packets || options.plots.is_none(), "--plots is for packets");
    let mut cargo = sh::cargo(["bench", "--package", "lvs-tests"]);
    let mut arguments = Vec::new();
    // cargo runs the benchmark in the directory of its package.
    let here = env::current_dir()?;
    let json = options.json.as_ref().map(|file| here.join(file));
    let mut written = json.clone();
    match options.what {
        What::Packets => {
            build::run(&build::Options::default())?;
            // All the time goes by in the kernel, so nothing is gained by optimising the rest.
            cargo.args(["--features", "privileged", "--profile", "dev", "--bench", "packets"]);
            privilege::run_by_root(&mut cargo);
        }
        What::Live => {
            build::run(&build::Options::default())?;
            cargo.args(["--features", "privileged", "--profile", "dev", "--bench", "live"]);
            privilege::run_by_root(&mut cargo);
        }
        What::Ipvs => {
            build::run(&build::Options::default())?;
            cargo.args(["--features", "privileged", "--profile", "dev", "--bench", "ipvs"]);
            in_a_machine(&mut cargo, TIME_LIMIT_OF_IPVS)?;
            written = json.is_some().then(|| vm::place().join("ipvs.json"));
        }
        What::Scale | What::Agent => {
            // Optimised, as it is where it matters.
            build::run(&build::Options { release: true })?;
            let bench = if options.what == What::Scale { "scale" } else { "agent" };
            cargo.args(["--features", "privileged", "--bench", bench]);
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
                in_a_machine(&mut cargo, TIME_LIMIT + TIME_LIMIT_PER_RUN * runs)?;
                written = json.is_some().then(|| vm::place().join("failover.json"));
            }
        }
    }
    for (option, place) in [("--markdown", &options.markdown), ("--plots", &options.plots)] {
        let place = place.iter().map(|place| here.join(place).display().to_string());
        arguments.extend(place.flat_map(|place| [option.to_owned(), place]));
    }
    arguments.extend(options.check.then(|| "--check".to_owned()));
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

/// Has a cargo command run what it has built in a virtual machine, by a clock that does not mind what else
/// this one is doing. What is written there has to be below [`vm::place`]: the machine has a /tmp of its own.
fn in_a_machine(cargo: &mut Command, limit: u64) -> Result<()> {
    let kernel = vm::Kernel::default();
    vm::set_up(kernel)?;
    privilege::run_by(cargo, &vm::runner(kernel, limit, true)?);
    Ok(())
}

/// Puts what a virtual machine has written where it is wanted.
fn bring(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot write {}", to.display()))?;
    // If it stays, the next run writes over it.
    fs::remove_file(from).ok();
    Ok(())
}

//! `cargo xtask bench`: what a packet costs, and what checks do.

use std::{env, path::PathBuf};

use anyhow::Result;

use crate::{build, privilege, sh};

/// What to measure, and where to write it.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// What to measure
    #[arg(value_enum, default_value = "packets")]
    what: What,
    /// Write the results to this file as JSON, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum What {
    /// What a packet costs in the kernel
    Packets,
    /// How many checks the agent makes in a second, and how late they are
    Checks,
}

/// Builds the program and the benchmark, and runs it.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut cargo = sh::cargo(["bench", "--package", "lvs-tests"]);
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
    }
    if let Some(file) = &options.json {
        // cargo runs the benchmark in the directory of its package.
        cargo.arg("--").arg("--json").arg(env::current_dir()?.join(file));
    }
    sh::run(&mut cargo)
}

//! `cargo xtask bench`: what a packet costs.

use std::{env, path::PathBuf};

use anyhow::Result;

use crate::{build, privilege, sh};

/// What to measure, and where to write it.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Write the results to this file as JSON, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Builds the program and the benchmark, and runs it as root.
pub(crate) fn run(options: &Options) -> Result<()> {
    build::run(&build::Options::default())?;
    let mut cargo = sh::cargo(["bench", "--package", "lvs-tests", "--features", "privileged"]);
    // All the time goes by in the kernel, so nothing is gained by optimising the rest.
    cargo.args(["--profile", "dev", "--bench", "packets"]);
    privilege::run_by_root(&mut cargo);
    if let Some(file) = &options.json {
        // cargo runs the benchmark in the directory of its package.
        cargo.arg("--").arg("--json").arg(env::current_dir()?.join(file));
    }
    sh::run(&mut cargo)
}

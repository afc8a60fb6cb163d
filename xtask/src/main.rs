//! `cargo xtask`: everything that is done to the project, from a fresh machine to CI.
//!
//! One module per verb, each with its `Options` and `run`. What a verb needs to be done before it
//! does itself, so that one command is enough.
#![expect(clippy::print_stderr, reason = "progress is for the person at the terminal")]

mod bench;
mod bpf;
mod build;
mod ci;
mod lab;
mod machine;
mod plan;
mod privilege;
mod run;
mod setup;
mod sh;
mod test;
mod vm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own commands; each sets up and builds first what it needs
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Install what building and testing need on this machine
    Setup,
    /// Build the BPF program, then lvsd and lvsctl with it inside
    Build(build::Options),
    /// Run the load balancer, in the lab or on this machine's own interfaces
    Run(run::Options),
    /// Run the tests
    Test(test::Options),
    /// Put up the lab of network namespaces, take it down, or look at it
    Lab(lab::Options),
    /// Measure what a packet costs in the kernel, what checks do, or what a failover costs
    Bench(bench::Options),
    /// Run a command, or the tests of the BPF program, on another kernel in QEMU
    Vm(vm::Options),
    /// Run all that CI runs: format, lints, documentation, tests
    Ci,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().verb {
        Verb::Setup => setup::main(),
        Verb::Build(options) => build::run(&options).map(|_| ()),
        Verb::Run(options) => run::main(options),
        Verb::Test(options) => test::run(&options),
        Verb::Lab(options) => lab::main(options),
        Verb::Bench(options) => bench::run(&options),
        Verb::Vm(options) => match vm::run(&options) {
            // The status is the command's own.
            Ok(status) => return ExitCode::from(status),
            Err(error) => Err(error),
        },
        Verb::Ci => ci::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            // 1: what was asked for failed; 2: this machine or this input can't do it.
            ExitCode::from(if error.is::<plan::Blocked>() { 2 } else { 1 })
        }
    }
}

//! What a packet costs: the program in the kernel, by `BPF_PROG_TEST_RUN`, pinned to one CPU, beside programs
//! that do less than any load balancer has to.
//!
//! Each packet is made anew by a small program that then goes on to the one that is measured. Whatever is
//! compared is run one after the other, again and again, so that a machine with something else to do is as slow
//! for both. And each run is checked: the counters must say that all packets became what they should.

mod bench;
mod cases;
mod floors;
#[path = "../../tests/packets/frames.rs"]
#[expect(dead_code, unreachable_pub, reason = "shared with the tests")]
mod frames;
mod goal;
#[path = "../shared/machine.rs"]
mod machine;
mod measure;
mod memory;
mod ours;
#[path = "../../../lvs-ebpf/src/bench/plan.rs"]
mod plan;
mod plots;
mod results;
#[path = "../../tests/packets/services.rs"]
#[expect(dead_code, unreachable_pub, reason = "shared with the tests")]
mod services;
mod stream;
mod table;
#[path = "../../tests/packets/world.rs"]
#[expect(dead_code, unreachable_pub, reason = "shared with the tests")]
mod world;

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;

use measure::Measure;
use results::Results;

#[derive(Debug, Parser)]
struct Args {
    /// How often everything is measured; the median counts
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Measures only rows whose name has this in it
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Measures only rows of so many flows
    #[arg(long, value_name = "N")]
    flows: Option<u64>,
    /// Also writes the results to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Puts the table into this file, in the place of the one that is there
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Writes pictures of the results there
    #[arg(long, value_name = "DIRECTORY")]
    plots: Option<PathBuf>,
    /// Fails if a goal is missed
    #[arg(long)]
    check: bool,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    ensure!(args.rounds > 0, "--rounds must be at least 1");
    machine::settle()?;
    let groups = cases::groups(&args.only, args.flows);
    ensure!(!groups.is_empty(), "no such row: {:?} {:?}", args.only, args.flows);
    let samples = Measure::load()?.run(&groups, args.rounds)?;
    let results = Results::new(&groups, &samples, args.rounds)?;
    table::print(&results);
    if let Some(file) = &args.json {
        fs::write(file, serde_json::to_string_pretty(&results)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    if let Some(file) = &args.markdown {
        table::write(&results, file).with_context(|| format!("cannot write {}", file.display()))?;
    }
    if let Some(directory) = &args.plots {
        plots::write(&results, directory)
            .with_context(|| format!("cannot write to {}", directory.display()))?;
    }
    let (goals, met) = results.goals();
    ensure!(!args.check || met == goals, "{} of {goals} goals are missed", goals - met);
    Ok(())
}

//! How large a director may become: an lvsd with 10,000 services, 100,000 real servers and 4,000,000 connections.
//! What its operator waits for, what memory that takes, and what a packet costs then.
//!
//! The real servers are entries of the kernel's neighbour table that are permanent: each has an address of its
//! own, all have the MAC of one. Nothing is sent to them, packets are shown to the program alone.

mod director;
mod packets;
mod results;
mod size;

#[path = "../packets/bench.rs"]
#[expect(dead_code, reason = "shared with what measures packets")]
mod bench;
#[path = "../agent/flows.rs"]
mod flows;
#[path = "../shared/machine.rs"]
mod machine;
#[path = "../../../lvs-ebpf/src/bench/plan.rs"]
#[expect(dead_code, reason = "shared with what makes packets")]
mod plan;
#[path = "../../tests/packets/services.rs"]
#[expect(dead_code, unreachable_pub, reason = "shared with the tests")]
mod services;
#[path = "../agent/usage.rs"]
mod usage;
#[path = "../../tests/packets/world.rs"]
#[expect(dead_code, unreachable_pub, reason = "shared with the tests")]
mod world;

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};
use clap::Parser;

use results::Results;
use size::Size;

#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    size: Size,
    /// Also writes the results to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let mut figures = director::measure(&args.size)?;
    figures.extend(packets::measure(&args.size)?);
    let results = Results::new(args.size, figures)?;
    results.print();
    if let Some(file) = args.json {
        fs::write(&file, serde_json::to_string_pretty(&results)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

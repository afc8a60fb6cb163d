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
#[path = "../shared/document.rs"]
mod document;
#[path = "../shared/flows.rs"]
mod flows;
#[path = "../shared/machine.rs"]
mod machine;
#[path = "../../../lvs-ebpf/src/bench/plan.rs"]
#[expect(dead_code, reason = "shared with what makes packets")]
mod plan;
#[path = "../../tests/packets/services.rs"]
#[expect(dead_code, unreachable_pub, reason = "shared with the tests")]
mod services;
#[path = "../shared/usage.rs"]
mod usage;
#[path = "../../tests/packets/world.rs"]
#[expect(dead_code, unreachable_pub, reason = "shared with the tests")]
mod world;

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Parser;

use results::Results;
use size::Size;

#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    size: Size,
    /// Leaves out the lvsd
    #[arg(long)]
    packets_only: bool,
    /// Also writes the results to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Puts the table into this file, in the place of the one that is there
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    args.size.check()?;
    ensure!(!args.packets_only || args.markdown.is_none(), "that would be half of the table");
    let mut figures = Vec::new();
    if !args.packets_only {
        figures = director::measure(&args.size)?;
    }
    // Last: from here on, all stays on one CPU.
    figures.extend(packets::measure(&args.size)?);
    let results = Results::new(args.size, figures)?;
    results.print();
    let files = [args.json.as_deref(), args.markdown.as_deref()];
    document::write("scale", &results, &results.markdown(), files)
}

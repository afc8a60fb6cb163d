//! What lvsd itself costs, as it runs in the lab: time of a CPU and memory, of the process alone. What packets
//! cost in the kernel is another matter.

mod cases;
#[expect(dead_code, reason = "shared with what measures how large a director may become")]
mod flows;
mod results;
mod usage;

#[path = "../packets/bench.rs"]
#[expect(dead_code, reason = "shared with what measures packets")]
mod bench;
#[path = "../shared/machine.rs"]
#[expect(dead_code, reason = "shared with what measures packets")]
mod machine;
#[path = "../../../lvs-ebpf/src/bench/plan.rs"]
#[expect(dead_code, reason = "shared with what makes packets")]
mod plan;

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};
use clap::Parser;
use lvs_tests::lab::{Lab, Options};

use results::Results;

#[derive(Debug, Parser)]
struct Args {
    /// Also writes the results to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let lab = Lab::up(Options::default())?;
    let mut rows = cases::idle(&lab)?;
    rows.extend(cases::checking(&lab)?);
    rows.extend(cases::sweeping(&lab)?);
    rows.extend(cases::synchronising(&lab)?);
    drop(lab);
    let results = Results::new(rows)?;
    results.print();
    if let Some(file) = args.json {
        fs::write(&file, serde_json::to_string_pretty(&results)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

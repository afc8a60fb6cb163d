//! What lvsd itself takes, as it runs in the lab: time of a CPU and memory, of the process alone. What packets
//! cost in the kernel is another matter.

mod cases;
mod results;

#[path = "../packets/bench.rs"]
#[expect(dead_code, reason = "shared with what measures packets")]
mod bench;
#[path = "../shared/document.rs"]
mod document;
#[path = "../shared/flows.rs"]
#[expect(dead_code, reason = "shared with what measures how large a director may become")]
mod flows;
#[path = "../shared/machine.rs"]
#[expect(dead_code, reason = "nothing stays on one CPU here")]
mod machine;
#[path = "../../../lvs-ebpf/src/bench/plan.rs"]
#[expect(dead_code, reason = "shared with what makes packets")]
mod plan;
#[path = "../shared/usage.rs"]
mod usage;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Parser;
use lvs_tests::lab::{Lab, Options};

use results::{Results, Row};

/// Gives the rows of one kind.
type Case = fn(&Lab) -> Result<Vec<Row>>;

const CASES: [(&str, Case); 4] = [
    ("idle", cases::idle),
    ("checking", cases::checking),
    ("sweeping", cases::sweeping),
    ("synchronising", cases::synchronising),
];

#[derive(Debug, Parser)]
struct Args {
    /// Measures only what has this in its name: of idle, checking, sweeping and synchronising
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
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
    let mut rows = Vec::new();
    for (name, case) in CASES.into_iter().filter(|(name, _)| name.contains(&args.only)) {
        // A lab each, so that another run does not have to wait for all of them.
        let lab = Lab::up(Options::default())?;
        progress(name);
        rows.extend(case(&lab).with_context(|| format!("lvsd, {name}"))?);
    }
    let results = Results::new(rows)?;
    results.print();
    let files = [args.json.as_deref(), args.markdown.as_deref()];
    document::write("agent", &results, &results.markdown(), files)
}

#[expect(clippy::print_stderr, reason = "it takes minutes, and somebody waits")]
fn progress(name: &str) {
    eprintln!("lvsd, {name}");
}

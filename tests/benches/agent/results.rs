//! What comes out of it: a table for the terminal and for Markdown, and the same as JSON.

use anyhow::Result;
use serde::Serialize;

use crate::{document, machine::Machine, usage::Usage};

/// One lvsd, at something.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Seconds that were looked at.
    pub(crate) seconds: f64,
    #[serde(flatten)]
    pub(crate) usage: Usage,
    /// What it did meanwhile, so that it is known that it did.
    pub(crate) meanwhile: String,
}

/// All of it, and where it was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Results {
    machine: Machine,
    rows: Vec<Row>,
}

impl Results {
    pub(crate) fn new(rows: Vec<Row>) -> Result<Self> {
        Ok(Self { machine: Machine::look()?, rows })
    }

    #[expect(clippy::print_stdout, reason = "the results are for who has asked for them")]
    pub(crate) fn print(&self) {
        println!("{}\n", document::place(&self.machine));
        println!("{:<48} {:>6} {:>7} {:>9}", "lvsd", "s", "% CPU", "MiB RSS");
        for Row { name, seconds, usage, meanwhile } in &self.rows {
            let Usage { cpu_percent, rss_mib } = usage;
            println!("{name:<48} {seconds:>6.1} {cpu_percent:>7.1} {rss_mib:>9.1}  {meanwhile}");
        }
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("{}\n\n", document::place(&self.machine));
        text += "| lvsd | for so many s | % of a CPU | MiB of memory (RSS) | meanwhile |\n";
        text += "|---|--:|--:|--:|---|\n";
        for Row { name, seconds, usage, meanwhile } in &self.rows {
            let Usage { cpu_percent, rss_mib } = usage;
            text += &format!(
                "| {name} | {seconds:.0} | **{cpu_percent:.1}** | **{rss_mib:.0}** | {meanwhile} |\n"
            );
        }
        text
    }
}

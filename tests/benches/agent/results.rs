//! What comes out of it: a table, and the same as JSON.

use anyhow::Result;
use serde::Serialize;

use crate::{machine::Machine, usage::Usage};

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
        let Machine { processor, kernel, date, .. } = &self.machine;
        println!("{processor}, Linux {kernel}, {date}\n");
        println!("{:<44} {:>6} {:>7} {:>9}", "lvsd", "s", "% CPU", "MiB RSS");
        for Row { name, seconds, usage, meanwhile } in &self.rows {
            let Usage { cpu_percent, rss_mib } = usage;
            println!("{name:<44} {seconds:>6.1} {cpu_percent:>7.1} {rss_mib:>9.1}  {meanwhile}");
        }
    }
}

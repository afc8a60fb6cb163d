//! What comes out of it: a table, and the same as JSON.

use anyhow::Result;
use serde::Serialize;

use crate::{machine::Machine, size::Size};

/// One of the numbers.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    /// When, in what state of it all.
    pub(crate) when: &'static str,
    pub(crate) what: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
}

/// All of them, and where they were measured.
#[derive(Debug, Serialize)]
pub(crate) struct Results {
    machine: Machine,
    size: Size,
    figures: Vec<Figure>,
}

impl Results {
    pub(crate) fn new(size: Size, figures: Vec<Figure>) -> Result<Self> {
        Ok(Self { machine: Machine::look()?, size, figures })
    }

    #[expect(clippy::print_stdout, reason = "the results are for who has asked for them")]
    pub(crate) fn print(&self) {
        let Machine { processor, kernel, date, .. } = &self.machine;
        let Size { services, real_servers, connections } = self.size;
        println!("{processor}, Linux {kernel}, {date}");
        println!(
            "{services} services, {} real servers, {connections} connections",
            services * real_servers
        );
        let mut last = "";
        for Figure { when, what, value, unit } in &self.figures {
            if *when != last {
                println!("\n{when}");
                last = when;
            }
            println!("  {what:<58} {value:>10.2} {unit}");
        }
    }
}

//! What comes out of it: a table for the terminal and for Markdown, and the same as JSON.

use anyhow::Result;
use serde::Serialize;

use crate::{document, machine::Machine, size::Size};

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
        println!("{}", self.place());
        let mut last = "";
        for figure in &self.figures {
            let Figure { when, what, unit, .. } = figure;
            if *when != last {
                println!("\n{when}");
                last = when;
            }
            println!("  {what:<62} {:>10} {unit}", figure.number());
        }
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("{}\n\n| | | |\n|---|---|--:|\n", self.place());
        let mut last = "";
        for figure in &self.figures {
            let Figure { when, what, unit, .. } = figure;
            let shown = if *when == last { "" } else { when };
            let value = format!("**{}** {unit}", figure.number());
            text += &format!("| {shown} | {what} | {} |\n", value.trim_end());
            last = when;
        }
        text
    }

    /// Where, when, and how much of everything.
    fn place(&self) -> String {
        let Size { services, real_servers, connections } = self.size;
        format!(
            "{}; {} services, {} real servers, {} connections",
            document::place(&self.machine),
            with_commas(services),
            with_commas(services * real_servers),
            with_commas(connections),
        )
    }
}

impl Figure {
    /// With as many digits as are of interest.
    fn number(&self) -> String {
        match self.value {
            value if value >= 1000.0 => with_commas(value.round() as u32),
            value if value >= 100.0 => format!("{value:.0}"),
            value if value >= 1.0 => format!("{value:.1}"),
            value => format!("{value:.3}"),
        }
    }
}

/// In groups of three.
pub(crate) fn with_commas(number: u32) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", with_commas(number / 1000), number % 1000),
    }
}

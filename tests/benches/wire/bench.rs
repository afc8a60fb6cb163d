//! The course of it: connections are opened, then everybody gets a turn, again and again.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};
use lvs_tests::lab::{self, Lab, hurry};

use super::{
    cable::Cable,
    contender::Contender,
    generator::Generator,
    results::{Results, Row},
    table,
    traffic::Traffic,
    window::{self, Plan},
};

/// How to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Also writes the results to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Puts the table into this file, in the place of the one that is there
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Fails if a goal is missed
    #[arg(long)]
    check: bool,
    /// The CPU for all packets; the last one if left out
    #[arg(long)]
    cpu: Option<usize>,
    /// How often each is measured; the median counts
    #[arg(long)]
    windows: Option<usize>,
    /// How long, each time
    #[arg(long, value_name = "MILLISECONDS")]
    window: Option<u64>,
    /// How many packets are under way at once
    #[arg(long, value_name = "PACKETS")]
    batch: Option<u32>,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

/// What holds for a benchmark as long as the options do not say otherwise.
pub(crate) struct Usual {
    pub(crate) windows: usize,
    /// Milliseconds.
    pub(crate) window: u64,
    pub(crate) batch: u32,
}

/// The lab with the cable, and what sends frames on it.
pub(crate) struct Bench {
    pub(crate) lab: Lab,
    pub(crate) cable: Cable,
    generator: Generator,
    plan: Plan,
    windows: usize,
    options: Options,
}

impl Bench {
    pub(crate) fn set_up(options: Options, usual: &Usual) -> Result<Self> {
        let windows = options.windows.unwrap_or(usual.windows);
        ensure!(windows > 0, "--windows must be at least 1");
        // The counter has to be read as soon as the clock.
        hurry(0)?;
        let plan = Plan {
            cpu: options.cpu.map_or_else(window::last_cpu, Ok)?,
            length: Duration::from_millis(options.window.unwrap_or(usual.window)),
            batch: options.batch.unwrap_or(usual.batch),
        };
        let lab = Lab::up(lab::Options::default())?;
        let cable = Cable::lay(&lab)?;
        let generator = Generator::new(&lab, cable)?;
        Ok(Self { lab, cable, generator, plan, windows, options })
    }

    /// Measures all of them with one kind of packets.
    pub(crate) fn measure(
        &mut self,
        contenders: &mut [Box<dyn Contender>],
        traffic: Traffic,
    ) -> Result<Vec<Row>> {
        for contender in &mut *contenders {
            self.open(&mut **contender, traffic).with_context(|| contender.name())?;
        }
        traffic.choose(&mut self.generator)?;
        let mut rows: Vec<_> = contenders.iter().map(|it| Row::new(traffic, it.name())).collect();
        for _ in 0..self.windows {
            for (contender, row) in contenders.iter_mut().zip(&mut rows) {
                let turn = self.turn(&mut **contender, traffic, row);
                turn.with_context(|| row.contender)?;
            }
        }
        Ok(rows)
    }

    /// Opens the connections that will be sent.
    fn open(&mut self, contender: &mut dyn Contender, traffic: Traffic) -> Result<()> {
        let Traffic::Known(connections) = traffic else { return Ok(()) };
        contender.attach(&self.lab, Traffic::Syns)?;
        traffic.open(&mut self.generator, self.plan.cpu)?;
        contender.detach(&self.lab)?;
        contender.expect_connections(&self.lab, connections)
    }

    /// Has one forward for a while.
    fn turn(&self, contender: &mut dyn Contender, traffic: Traffic, row: &mut Row) -> Result<()> {
        let Self { lab, generator, plan, .. } = self;
        contender.attach(lab, traffic)?;
        let before = contender.forwarded(lab)?;
        let window = plan.measure(generator)?;
        let after = contender.forwarded(lab)?;
        contender.detach(lab)?;
        let forwarded = after.zip(before).map(|(after, before)| after - before);
        if let Some(forwarded) = forwarded {
            // The same, as long as nothing has got lost on the cable.
            ensure!(
                (window.came_back..=window.sent).contains(&forwarded),
                "it has counted {forwarded} packets, of {window:?}"
            );
        }
        row.add(window, forwarded);
        Ok(())
    }

    /// Shows what has come out.
    pub(crate) fn finish(&self, results: &Results) -> Result<()> {
        table::print(results);
        let cannot = |file: &PathBuf| format!("cannot write {}", file.display());
        if let Some(file) = &self.options.json {
            fs::write(file, serde_json::to_string_pretty(results)?)
                .with_context(|| cannot(file))?;
        }
        if let Some(file) = &self.options.markdown {
            table::write(results, file).with_context(|| cannot(file))?;
        }
        ensure!(!self.options.check || results.are_goals_met(), "a goal is missed");
        Ok(())
    }

    pub(crate) fn plan(&self) -> Plan {
        self.plan
    }
}

//! What it costs those who ask when a director is lost: of a pair of lvsd, and of a pair of keepalived
//! with the kernel's IPVS, measured the same way from the same client.
//!
//! Both have the same services, weights and real servers, the same priorities, and an advertisement each
//! 100 ms. All of it is in the lab's namespaces on one machine; IPVS has to be in its kernel.

mod contender;
#[path = "../shared/machine.rs"]
#[expect(dead_code, reason = "nothing stays on one CPU here")]
mod machine;
mod table;

use std::{fs, path::PathBuf, thread::sleep, time::Duration};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use lvs_tests::{
    failover::{Outcome, Plan, Trial},
    lab::{Harm, Host, Lab, Options, VIP},
};

use contender::{Contender, Running};
use table::{Results, Row};

/// What befalls the master. Nothing, too: that is what the measuring itself is good for.
const EVENTS: [Option<Harm>; 5] =
    [None, Some(Harm::CleanStop), Some(Harm::Killed), Some(Harm::Frozen), Some(Harm::Unplugged)];

/// It is calm for so long before anything happens.
const CALM: Duration = Duration::from_millis(600);
/// So long it is looked at afterwards: more than any takeover should need, and a lost SYN once more.
const AFTER: Duration = Duration::from_millis(2500);
/// From one trial to the next, so that all are ready for it.
const REST: Duration = Duration::from_millis(500);

/// Requests a second below which it says nothing any more.
const LEAST_RATE: u32 = 25;

#[derive(Debug, Parser)]
struct Args {
    /// Also writes the results to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// How often each event happens
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Requests a second; fewer if this machine can't
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// Measures this one alone
    #[arg(long)]
    only: Option<Contender>,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    ensure!(args.runs > 0, "--runs must be at least 1");
    let contenders = args.only.map_or_else(|| Contender::ALL.to_vec(), |it| vec![it]);
    let (rate, rows) = measure_all(&contenders, args.rate, args.runs)?;
    let results = Results::new(args.rate, rate, rows)?;
    results.print();
    if let Some(file) = args.json {
        fs::write(&file, serde_json::to_string_pretty(&results)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// All of them at the same rate: the highest that can be measured with each, at most this.
fn measure_all(contenders: &[Contender], mut rate: u32, runs: usize) -> Result<(u32, Vec<Row>)> {
    'rate: loop {
        let mut rows = Vec::new();
        for &contender in contenders {
            let Some(of_it) = measure(contender, rate, runs)? else {
                rate = (rate / 2).max(LEAST_RATE);
                continue 'rate;
            };
            rows.extend(of_it);
        }
        return Ok((rate, rows));
    }
}

/// Whether nothing is to be seen where nothing has happened.
fn is_undisturbed(outcome: &Outcome) -> bool {
    outcome.failed.is_empty()
        && outcome.broken.is_empty()
        && outcome.longest_gap < Duration::from_millis(100)
        && outcome.longest_wait < Duration::from_millis(300)
}

/// All events of one contender, so many times each; nothing if the rate is too high here.
fn measure(contender: Contender, rate: u32, runs: usize) -> Result<Option<Vec<Row>>> {
    let lab = Lab::up(Options::default())?;
    let mut running = contender.start(&lab)?;
    // The first finds nothing in any cache.
    trial(&lab, &mut running, None, rate)?;
    let outcome = trial(&lab, &mut running, None, rate)?;
    if rate > LEAST_RATE && !is_undisturbed(&outcome) {
        progress(&format!("{contender}, {rate} requests a second are too many here: {outcome}"));
        return Ok(None);
    }
    let mut rows = Vec::new();
    for event in EVENTS {
        let name = event.map_or_else(|| "nothing".to_owned(), |harm| harm.to_string());
        let mut outcomes = Vec::new();
        for run in 1..=runs {
            let outcome = trial(&lab, &mut running, event, rate)
                .with_context(|| format!("{contender}, {name}"))?;
            progress(&format!("{contender}, {name}, {run} of {runs}: {outcome}"));
            outcomes.push(outcome);
        }
        rows.push(Row::new(contender, name, &outcomes));
    }
    Ok(Some(rows))
}

/// One event, and what it cost; afterwards director is master again.
fn trial(lab: &Lab, running: &mut Running, event: Option<Harm>, rate: u32) -> Result<Outcome> {
    sleep(REST);
    let trial = Trial::start(Host::Client, &Plan { rate, ..Plan::to(VIP) })
        .with_context(|| running.story())?;
    sleep(CALM);
    if let Some(harm) = event {
        running.harm(lab, Host::Director, harm)?;
    }
    sleep(AFTER);
    let outcome = trial.stop()?;
    if let Some(harm) = event {
        running.heal(lab, Host::Director, harm)?;
        running.wait_until_settled(Host::Director)?;
    }
    Ok(outcome)
}

#[expect(clippy::print_stderr, reason = "it takes minutes, and somebody waits")]
fn progress(text: &str) {
    eprintln!("{text}");
}

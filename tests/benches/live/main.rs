//! How many packets a second one CPU forwards on a wire, natively: a program that swaps the MACs, the
//! least that a load balancer can do, and ours.

#[path = "../shared/machine.rs"]
#[expect(dead_code, reason = "only the packets stay on one CPU")]
mod machine;
#[path = "../wire/wire.rs"]
mod wire;

use anyhow::Result;
use clap::Parser;
use lvs_userspace::config::XdpMode;

use wire::{Bench, Contender, Options, Ours, Results, SWAP, Small, Traffic, Usual};

/// What is sent. The flood comes last: it leaves connections behind.
const TRAFFIC: [Traffic; 4] =
    [Traffic::Known(1), Traffic::Known(1024), Traffic::Known(32_768), Traffic::Syns];
/// Short windows and many: where the processor is shared with other machines, it is slow for seconds.
const USUAL: Usual = Usual { windows: 11, window: 300, batch: 128 };

const OURS: &str = "lvs-xdp";
/// With 1024 connections, ours should be so many times as fast as the program that swaps the MACs at
/// least.
const GOAL: f64 = 0.75;

#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    options: Options,
}

fn main() -> Result<()> {
    let mut bench = Bench::set_up(Args::parse().options, &USUAL)?;
    let (lab, cable) = (&bench.lab, bench.cable);
    let mut contenders: Vec<Box<dyn Contender>> = vec![
        Box::new(Small::load(lab, cable, [SWAP; 2])?),
        Box::new(Small::load(lab, cable, ["floor", "floor_insert"])?),
        Box::new(Ours::load(lab, cable, (OURS, XdpMode::Native))?),
    ];
    let mut rows = Vec::new();
    for traffic in TRAFFIC {
        rows.extend(bench.measure(&mut contenders, traffic)?);
    }
    let goals = [(Traffic::Known(1024), OURS, GOAL)];
    bench.finish(&Results::new(("live", SWAP), bench.plan(), rows, &goals)?)
}

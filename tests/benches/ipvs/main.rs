//! How many packets a second one CPU forwards: the kernel's IPVS, and our program in the driver and in the
//! network stack.
//!
//! All get the same frames by the same cable, and have the same service and real servers. Frames that no
//! program in the driver takes become the kernel's packets first, as they do in the driver of a network
//! card.

mod kernel;
#[path = "../shared/machine.rs"]
#[expect(dead_code, reason = "only the packets stay on one CPU")]
mod machine;
#[path = "../wire/wire.rs"]
mod wire;

use anyhow::Result;
use clap::Parser;
use lvs_userspace::config::XdpMode;

use kernel::Ipvs;
use wire::{Bench, Contender, Options, Ours, Results, SWAP, Small, Traffic, Usual};

/// What is sent. The flood comes last: it leaves connections behind.
const TRAFFIC: [Traffic; 2] = [Traffic::Known(1024), Traffic::Syns];
/// By a clock that counts instructions all windows come to the same. More packets under way at once would
/// take longer than the kernel likes.
const USUAL: Usual = Usual { windows: 3, window: 500, batch: 32 };

/// What all are compared with.
const IPVS: &str = "IPVS";
const NATIVE: &str = "ours, native";
/// For known connections, ours should be so many times as fast as that at least.
const GOAL: f64 = 3.0;

#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    options: Options,
}

fn main() -> Result<()> {
    let mut bench = Bench::set_up(Args::parse().options, &USUAL)?;
    let (lab, cable) = (&bench.lab, bench.cable);
    let mut contenders: Vec<Box<dyn Contender>> = vec![
        Box::new(Ipvs::set_up(lab, IPVS)?),
        Box::new(Ours::load(lab, cable, (NATIVE, XdpMode::Native))?),
        Box::new(Ours::load(lab, cable, ("ours, generic", XdpMode::Generic))?),
        Box::new(Small::load(lab, cable, [SWAP; 2])?),
    ];
    let mut rows = Vec::new();
    for traffic in TRAFFIC {
        rows.extend(bench.measure(&mut contenders, traffic)?);
    }
    let goals = [(Traffic::Known(1024), NATIVE, GOAL)];
    bench.finish(&Results::new(("ipvs", IPVS), bench.plan(), rows, &goals)?)
}

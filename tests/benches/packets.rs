//! What a packet costs: the program in the kernel, by `BPF_PROG_TEST_RUN`, pinned to one CPU.
//!
//! Direct routing changes nothing but the MACs, so one frame can be run again and again. The time
//! is the kernel's own; about 6 ns of it are the test run's.
#![expect(dead_code, unreachable_pub, reason = "the modules are shared with the tests")]

#[path = "../tests/packets/frames.rs"]
mod frames;
#[path = "../tests/packets/world.rs"]
mod world;

use std::{fs, path::PathBuf, time::Duration};

use aya::programs::{TestRun as _, TestRunOptions};
use clap::Parser;
use lvs_userspace::dataplane::{
    Dataplane as _, Tables,
    bpf::{BpfDataplane, Sizes},
    plan,
};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};
use serde::Serialize;

/// Runs of each row; the median counts.
const REPETITIONS: usize = 7;
/// Packets in a run: enough that the kernel's own work around it does not show.
const PACKETS: u32 = 2_000_000;

#[derive(Debug, Parser)]
struct Args {
    /// Also writes the results to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    median_ns: u64,
    min_ns: u64,
    max_ns: u64,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut cpus = CpuSet::new();
    cpus.set(0)?;
    sched_setaffinity(Pid::from_raw(0), &cpus)?;

    let pins = PathBuf::from(format!("/sys/fs/bpf/lvs-bench-{}", std::process::id()));
    let mut dataplane = BpfDataplane::load(&pins, Sizes::default(), 0)?;
    let mut tables = world::tables();
    tables.interfaces.remove(&world::FAR_INTERFACE); // There is none here.
    for write in plan(&tables, &Tables::default()) {
        dataplane.write(&write)?;
    }

    let ack = frames::tcp(1000, world::SINGLE_PORT, frames::ACK);
    run(&mut dataplane, &frames::tcp(1000, world::SINGLE_PORT, frames::SYN), 1)?;
    run(&mut dataplane, &ack, 1)?;
    let datagram = frames::udp(1000, 53, b"query");
    run(&mut dataplane, &datagram, 2)?;
    let not_ours = frames::tcp_to([10, 77, 0, 3], 1000, 8080, frames::ACK, b"");
    let no_service = frames::tcp(1000, 8080, frames::ACK);

    let mut rows = Vec::new();
    for (name, frame) in [
        ("known TCP connection", ack),
        ("known UDP connection", datagram),
        ("not ours", not_ours),
        ("another port of a VIP", no_service),
    ] {
        rows.push(measure(&mut dataplane, name, &frame)?);
    }
    print(&rows);
    if let Some(file) = args.json {
        fs::write(file, serde_json::to_string_pretty(&rows)?)?;
    }
    Ok(())
}

fn measure(dataplane: &mut BpfDataplane, name: &'static str, frame: &[u8]) -> anyhow::Result<Row> {
    run(dataplane, frame, PACKETS)?; // Warm up.
    let mut times = Vec::new();
    for _ in 0..REPETITIONS {
        times.push(run(dataplane, frame, PACKETS)?.as_nanos() as u64);
    }
    times.sort_unstable();
    Ok(Row {
        name,
        median_ns: times[REPETITIONS / 2],
        min_ns: times[0],
        max_ns: times[REPETITIONS - 1],
    })
}

/// Time for a packet.
fn run(dataplane: &mut BpfDataplane, frame: &[u8], repeat: u32) -> anyhow::Result<Duration> {
    let options = TestRunOptions { data_in: Some(frame), repeat, ..TestRunOptions::default() };
    Ok(dataplane.program()?.test_run(options)?.duration)
}

#[expect(clippy::print_stdout, reason = "the result of the benchmark")]
fn print(rows: &[Row]) {
    println!("{:<28} {:>10} {:>10} {:>10}", "ns for a packet", "median", "min", "max");
    for Row { name, median_ns, min_ns, max_ns } in rows {
        println!("{name:<28} {median_ns:>10} {min_ns:>10} {max_ns:>10}");
    }
}

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

    let mut rows = Vec::new();
    for (name, before, frame) in packets() {
        for frame in before {
            run(&mut dataplane, &frame, 1)?;
        }
        rows.push(measure(&mut dataplane, name, &frame)?);
    }
    print(&rows);
    if let Some(file) = args.json {
        fs::write(file, serde_json::to_string_pretty(&rows)?)?;
    }
    Ok(())
}

type Frame = Vec<u8>;

/// Packets that leave the tables as they are: what came before, and what is measured.
fn packets() -> Vec<(&'static str, Vec<Frame>, Frame)> {
    use frames::{ACK, SYN, fragments, icmp_error, ping, tagged, tcp, tcp_to, udp, v6};
    use world::{ONE_PACKET_PORT, SINGLE_PORT, VIP, VIP_V6, VLAN_PORT};

    let open = |port, service| vec![tcp(port, service, SYN), tcp(port, service, ACK)];
    let known = tcp(1000, SINGLE_PORT, ACK);
    let known_v6 = v6::tcp(1000, SINGLE_PORT, ACK);
    let datagram = udp(1000, 53, b"query");
    let datagram_v6 = v6::udp(1000, 53, b"query");
    let [first, later] = fragments(1001, 53, 501);
    let [first_v6, later_v6] = v6::fragments(1001, 53, 501);
    let in_vlan = |frame| tagged(frame, world::VLAN + 1);
    vec![
        ("known TCP connection", open(1000, SINGLE_PORT), known.clone()),
        ("  in a VLAN", vec![], in_vlan(known)),
        (
            "  to a server in another VLAN",
            open(1002, VLAN_PORT),
            in_vlan(tcp(1002, VLAN_PORT, ACK)),
        ),
        ("  over IPv6", vec![v6::tcp(1000, SINGLE_PORT, SYN), known_v6.clone()], known_v6),
        ("known UDP connection", vec![datagram.clone(), datagram.clone()], datagram),
        ("  over IPv6", vec![datagram_v6.clone(), datagram_v6.clone()], datagram_v6),
        ("later fragment", vec![first], later),
        ("  over IPv6", vec![first_v6], later_v6),
        ("SYN of a half-open connection", vec![], tcp(1003, SINGLE_PORT, SYN)),
        ("UDP scheduled for itself", vec![], udp(1005, ONE_PACKET_PORT, b"query")),
        ("stray ACK", vec![], tcp(1004, SINGLE_PORT, ACK)),
        ("ICMP error", vec![], icmp_error(3, 4, 6, 1000, SINGLE_PORT)),
        ("ICMPv6 error", vec![], v6::icmp_error(2, 0, 6, 1000, SINGLE_PORT)),
        ("who has the VIP?", vec![], frames::arp(1, VIP)),
        ("not ours", vec![], tcp_to([10, 77, 0, 3], 1000, 8080, ACK, b"")),
        ("  over IPv6", vec![], v6::tcp_to(v6::DIRECTOR, 1000, 8080, ACK)),
        ("  ping", vec![], ping([10, 77, 0, 3])),
        ("  ping over IPv6", vec![], v6::ping(v6::DIRECTOR)),
        ("another port of a VIP", vec![], tcp(1000, 8080, ACK)),
        ("  over IPv6", vec![], v6::tcp_to(VIP_V6, 1000, 8080, ACK)),
    ]
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
    println!("{:<30} {:>10} {:>10} {:>10}", "ns for a packet", "median", "min", "max");
    for Row { name, median_ns, min_ns, max_ns } in rows {
        println!("{name:<30} {median_ns:>10} {min_ns:>10} {max_ns:>10}");
    }
}

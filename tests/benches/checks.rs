//! How many checks lvsd's machinery makes in a second, how late they begin, and what they cost.
//!
//! Real connections to real sockets on loopback, driven as the daemon drives them. The checks of
//! each real server follow one another by the interval, so that as many are due in each second.

use std::{
    fs,
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, TcpListener},
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use anyhow::ensure;
use clap::Parser;
use lvs_userspace::{
    health::{Check, Checker, Health, Kind, Target, Via},
    model::{Protocol, ServiceId},
};
use nix::sys::{
    resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit},
    time::TimeValLike as _,
};
use serde::Serialize;

/// Checks that are due in each second.
const RATE: u32 = 2_000;
const INTERVAL: Duration = Duration::from_secs(2);
/// What is not measured: the first checks are spread over half a second, not over the interval.
const WARM_UP: Duration = Duration::from_secs(3);
const TIME: Duration = Duration::from_secs(10);

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
struct Results {
    checks_per_s: f64,
    failed: usize,
    worst_lateness_ms: f64,
    p99_lateness_ms: f64,
    cpu_percent: f64,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    // One socket for all of 127.0.0.0/8.
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            match stream {
                Ok(stream) => drop(stream),
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(_) => return,
            }
        }
    });
    let runtime = tokio::runtime::Runtime::new()?;
    let results = runtime.block_on(measure(port))?;
    print(&results);
    if let Some(file) = args.json {
        fs::write(file, serde_json::to_string_pretty(&results)?)?;
    }
    Ok(())
}

async fn measure(port: u16) -> anyhow::Result<Results> {
    let check = Check {
        kind: Kind::Tcp,
        port: Some(port),
        via: Via::Rip,
        interval: INTERVAL,
        fast_interval: INTERVAL,
        timeout: Duration::from_secs(1),
        rise: 1,
        fall: 1,
        quarantine: None,
    };
    let service =
        ServiceId { protocol: Protocol::Tcp, address: IpAddr::from([192, 0, 2, 1]), port };
    // A check takes a moment itself, and intervals vary by up to a tenth to the shorter side.
    let real_servers = RATE * INTERVAL.as_secs() as u32;
    let targets = (0..real_servers).map(|number| {
        let address = Ipv4Addr::from(0x7f01_0000 + number);
        (Target { service, real_server: address.into() }, check.clone(), Health::Up)
    });
    let (mut checker, mut outcomes) = Checker::new();
    checker.reconfigure(targets, Instant::now());

    let start = Instant::now() + WARM_UP;
    let end = start + TIME;
    let (mut done, mut made, mut failed) = (Vec::new(), 0usize, 0);
    let mut lateness = Vec::new();
    let mut cpu = None;
    while Instant::now() < end {
        let next = checker.next().unwrap_or(end).min(end);
        tokio::select! {
            () = tokio::time::sleep_until(next.into()) => {
                let now = Instant::now();
                let late = now.duration_since(next);
                checker.start_due(now, |_| None);
                if now >= start {
                    cpu.get_or_insert_with(cpu_time);
                    lateness.push(late);
                }
            }
            _ = outcomes.recv_many(&mut done, 256) => {
                let now = Instant::now();
                for done in done.drain(..) {
                    made += usize::from(now >= start);
                    failed += usize::from(checker.finish(&done, now).1.is_some());
                }
            }
        }
    }
    let cpu = cpu_time() - cpu.unwrap_or_default();
    ensure!(!lateness.is_empty(), "no check was made");
    lateness.sort_unstable();
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    Ok(Results {
        checks_per_s: made as f64 / TIME.as_secs_f64(),
        failed,
        worst_lateness_ms: lateness.last().copied().map(ms).unwrap_or_default(),
        p99_lateness_ms: ms(lateness[lateness.len() * 99 / 100]),
        cpu_percent: 100.0 * cpu.as_secs_f64() / TIME.as_secs_f64(),
    })
}

/// CPU time of the whole process, the answering side included.
fn cpu_time() -> Duration {
    getrusage(UsageWho::RUSAGE_SELF).map_or(Duration::ZERO, |usage| {
        let us = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
        Duration::from_micros(us.try_into().unwrap_or_default())
    })
}

#[expect(clippy::print_stdout, reason = "the results are for who has asked for them")]
fn print(results: &Results) {
    let Results { checks_per_s, failed, worst_lateness_ms, p99_lateness_ms, cpu_percent } = results;
    println!("checks a second       {checks_per_s:>10.0}  ({failed} changes of state)");
    println!("late, worst           {worst_lateness_ms:>10.2} ms");
    println!("late, 99 of 100       {p99_lateness_ms:>10.2} ms");
    println!("CPU, with the answers {cpu_percent:>10.0} % of one");
}

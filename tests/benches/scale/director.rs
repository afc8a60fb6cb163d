//! A real lvsd of this size in the lab, and what its operator does with it.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use lvs_tests::lab::{Host, Lab, Lvsd, LvsdCommand, Options, program, wait_for};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{
    flows::Flows,
    results::{Figure, with_commas},
    size::{HALF_OPEN, Size},
    usage::{Usage, cpu_s, rss_mib},
};

/// Seconds after which it is thought that lvsctl never ends.
const LIMIT: &str = "120";
/// So long lvsd may take until it answers, and until it reaches all real servers.
const READY: Duration = Duration::from_secs(240);
/// So long it is looked at while nothing happens.
const CALM: Duration = Duration::from_secs(10);
/// Until sweeps have counted all connections, and what was done before shows no more.
const REST: Duration = Duration::from_secs(3);
/// What an operator does in a moment is done so often; the median counts.
const TIMES: u32 = 3;

/// The lvsd, and what was found so far.
struct Director<'a> {
    size: &'a Size,
    lab: Lab,
    lvsd: Lvsd,
    figures: Vec<Figure>,
    when: &'static str,
    /// Weights that were changed.
    changed: u32,
}

/// All of it; takes down what it has set up.
pub(crate) fn measure(size: &Size) -> Result<Vec<Figure>> {
    let lab = Lab::up(Options::default())?;
    progress("telling the kernel of the real servers");
    tell_neighbours(&lab, &size.neighbours())?;
    let command = LvsdCommand::new(Host::Director, &size.config(1))?;
    progress("starting lvsd");
    let lvsd = command.spawn()?;
    let (start, when) = (Instant::now(), "lvsd starts");
    let mut director = Director { size, lab, lvsd, figures: Vec::new(), when, changed: 0 };
    director.becomes_ready(start)?;
    director.configured(&command.config)?;
    director.full()?;
    director.restarted(&command)?;
    director.end()?;
    let output = director.lab.detach_all(Host::Director)?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(director.figures)
}

/// Has the director's kernel know where everybody is.
fn tell_neighbours(lab: &Lab, batch: &str) -> Result<()> {
    let mut ip = lab.command(Host::Director, "ip");
    let mut ip = ip.args(["-batch", "-"]).stdin(Stdio::piped()).spawn()?;
    ip.stdin.take().context("no stdin")?.write_all(batch.as_bytes())?;
    let status = ip.wait()?;
    ensure!(status.success(), "ip -batch: {status}");
    Ok(())
}

impl Director<'_> {
    fn note(&mut self, what: impl Into<String>, value: f64, unit: &'static str) {
        let what = what.into();
        progress(&format!("{}: {what}: {value:.3} {unit}", self.when));
        self.figures.push(Figure { when: self.when, what, value, unit });
    }

    fn took(&mut self, what: &str, time: Duration) {
        self.note(what, time.as_secs_f64(), "s");
    }

    /// Runs lvsctl; it must succeed.
    fn lvsctl(&self, arguments: &[&str]) -> Result<(Output, Duration)> {
        let mut command = Command::new("timeout");
        command.arg(LIMIT).arg(program("lvsctl")?).arg("--socket").arg(&self.lvsd.socket);
        let start = Instant::now();
        let output = command.args(arguments).output()?;
        let time = start.elapsed();
        ensure!(
            output.status.success(),
            "lvsctl {} after {time:?}: {}: {}\n{}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim(),
            self.last_words(),
        );
        Ok((output, time))
    }

    fn last_words(&self) -> String {
        let log = self.lvsd.log();
        let lines: Vec<_> = log.lines().rev().take(10).collect();
        format!("lvsd said:\n{}", lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
    }

    /// The table.
    fn services(&self) -> Result<Value> {
        Ok(serde_json::from_slice(&self.lvsctl(&["list", "--json"])?.0.stdout)?)
    }

    /// Waits until it answers, and until it forwards to all real servers.
    fn becomes_ready(&mut self, start: Instant) -> Result<()> {
        let pid = self.lvsd.pid();
        let answers = wait_for("an answer from lvsd", READY, || {
            self.lvsctl(&["status"]).ok().map(|_| start.elapsed())
        });
        let answers = answers.with_context(|| self.last_words())?;
        self.took("until it answers", answers);
        let reaches = wait_for("reach of all real servers", READY, || {
            sleep(Duration::from_millis(100));
            let (output, _) = self.lvsctl(&["list", "--json"]).ok()?;
            let answered = start.elapsed();
            let list = serde_json::from_slice(&output.stdout).ok()?;
            let up = real_servers(&list).filter(|it| it["health"] == "up").count();
            (up == (self.size.services * self.size.real_servers) as usize).then_some(answered)
        });
        let reaches = reaches.with_context(|| self.last_words())?;
        self.took("until it has all real servers in the maps", reaches);
        self.note("CPU time that it has taken until then", cpu_s(pid)?, "s");
        Ok(())
    }

    /// What an operator does, without connections.
    fn configured(&mut self, file: &Path) -> Result<()> {
        self.when = "no connections";
        self.note("memory of lvsd (RSS)", rss_mib(self.lvsd.pid())?, "MiB");
        self.note("memory of the maps", maps_mib(&Host::Director.bpffs())?, "MiB");
        self.operate()?;
        fs::write(file, self.size.config(7))?;
        let (_, time) = self.lvsctl(&["reload"])?;
        self.took("`lvsctl reload`, one weight is another", time);
        Ok(())
    }

    /// What is done all the time.
    fn operate(&mut self) -> Result<()> {
        let mut times = Vec::new();
        for _ in 0..TIMES {
            self.changed += 1;
            // Not those at the beginning alone.
            let number = self.changed * 997 % self.size.services;
            let service = self.size.service(number).to_string();
            let server = self.size.real_server(number).to_string();
            let edit = ["server", "edit", "tcp", &service, &server, "--weight", "2"];
            times.push(self.lvsctl(&edit)?.1);
        }
        times.sort_unstable();
        self.took("`lvsctl server edit`, one weight", times[times.len() / 2]);
        for arguments in [&["list"][..], &["status"]] {
            let (_, time) = self.lvsctl(arguments)?;
            self.took(&format!("`lvsctl {}`", arguments.join(" ")), time);
        }
        Ok(())
    }

    /// What it takes when nothing happens.
    fn calm(&mut self) -> Result<()> {
        let [Usage { cpu_percent, rss_mib }] = Usage::over([self.lvsd.pid()], CALM)?;
        self.note("CPU of lvsd, no packets, no requests", cpu_percent, "% of one");
        self.note("memory of lvsd (RSS)", rss_mib, "MiB");
        Ok(())
    }

    /// The same with all connections.
    fn full(&mut self) -> Result<()> {
        self.when = "all connections";
        let (size, of_each, busy) = (self.size, self.size.of_each(), self.size.busy());
        let mut flows = Flows::through(&Host::Director.bpffs(), HALF_OPEN)?;
        for number in 0..busy {
            let service = size.service(number * (size.services / busy));
            flows.begin(service, u64::from(number * of_each), of_each)?;
        }
        sleep(REST);
        self.counts()?;
        self.calm()?;
        self.operate()
    }

    /// Whether it knows of all connections, but for those that found no place in the tables.
    fn counts(&mut self) -> Result<()> {
        let known: u64 = real_servers(&self.services()?)
            .filter_map(|it| it["active_connections"].as_u64())
            .sum();
        let wanted = self.size.connections;
        ensure!(
            known >= u64::from(wanted) / 1000 * 999,
            "it counts {known} connections, not {}; {}",
            with_commas(wanted),
            self.last_words(),
        );
        self.note("connections that lvsd counts", known as f64, "");
        Ok(())
    }

    /// It ends, and another takes over its maps.
    fn restarted(&mut self, command: &LvsdCommand) -> Result<()> {
        self.when = "lvsd restarts with all connections";
        let start = Instant::now();
        self.end()?;
        self.took("from SIGTERM to its end", start.elapsed());
        let start = Instant::now();
        self.lvsd = command.spawn()?;
        self.becomes_ready(start)?;
        sleep(REST);
        self.counts()
    }

    /// Has lvsd end, in order.
    fn end(&mut self) -> Result<()> {
        self.lvsd.signal(Signal::SIGTERM)?;
        let status = self.lvsd.wait(READY)?;
        ensure!(status.success(), "lvsd: {status}; {}", self.last_words());
        Ok(())
    }
}

fn real_servers(list: &Value) -> impl Iterator<Item = &Value> {
    let services = list["services"].as_array().into_iter().flatten();
    services.filter_map(|service| service["real_servers"].as_array()).flatten()
}

/// Memory that the kernel takes for the maps that are pinned there.
fn maps_mib(pins: &Path) -> Result<f64> {
    let mut bytes = 0;
    for file in fs::read_dir(pins)? {
        let path = file?.path();
        // What is no map has no such lines.
        let output =
            Command::new("bpftool").args(["-j", "map", "show", "pinned"]).arg(path).output()?;
        let map: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        bytes += map["bytes_memlock"].as_u64().unwrap_or_default();
    }
    Ok(bytes as f64 / f64::from(1 << 20))
}

#[expect(clippy::print_stderr, reason = "it takes minutes, and somebody waits")]
fn progress(text: &str) {
    eprintln!("{text}");
}

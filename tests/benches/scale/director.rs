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
    results::Figure,
    size::Size,
    usage::{Usage, cpu_s, rss_mib},
};

/// Seconds after which it is thought that lvsctl never ends.
const LIMIT: &str = "120";
/// So long lvsd may take until it answers, and until it reaches all real servers.
const READY: Duration = Duration::from_secs(240);
/// So long it is looked at while nothing happens.
const CALM: Duration = Duration::from_secs(10);
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
    tell_neighbours(&lab, &size.neighbours())?;
    let command = LvsdCommand::new(Host::Director, &size.config(1))?;
    let lvsd = command.spawn()?;
    let (start, when) = (Instant::now(), "from nothing");
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
        self.figures.push(Figure { when: self.when, what: what.into(), value, unit });
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
        let reaches = wait_for("reach of all real servers", READY, || {
            sleep(Duration::from_millis(100));
            let asked = start.elapsed();
            let list = self.services().ok()?;
            real_servers(&list).all(|it| it["health"] == "up").then_some(asked)
        });
        let reaches = reaches.with_context(|| self.last_words())?;
        self.took("lvsd answers after", answers);
        self.took("it reaches all real servers after, at most", reaches);
        self.note("CPU that it has had until then", cpu_s(pid)?, "s");
        self.note("memory of lvsd (RSS)", rss_mib(pid)?, "MiB");
        Ok(())
    }

    /// What an operator does, without connections.
    fn configured(&mut self, file: &Path) -> Result<()> {
        self.when = "with all services and real servers, and no connections";
        self.calm()?;
        self.note("memory of the maps", maps_mib(&Host::Director.bpffs())?, "MiB");
        self.operate()?;
        let start = Instant::now();
        self.lvsctl(&["check-config", &file.display().to_string()])?;
        self.took("lvsctl check-config", start.elapsed());
        fs::write(file, self.size.config(7))?;
        let (_, time) = self.lvsctl(&["reload"])?;
        self.took("lvsctl reload, one weight is another", time);
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
        self.took("lvsctl server edit, one weight", times[times.len() / 2]);
        for arguments in [&["list"][..], &["list", "--json"], &["status"]] {
            let (output, time) = self.lvsctl(arguments)?;
            let what = format!("lvsctl {}", arguments.join(" "));
            self.took(&format!("{what}, {} KiB", output.stdout.len() / 1024), time);
        }
        Ok(())
    }

    /// What it takes when nothing happens.
    fn calm(&mut self) -> Result<()> {
        let [Usage { cpu_percent, rss_mib }] = Usage::over([self.lvsd.pid()], CALM)?;
        self.note("CPU of lvsd, idle", cpu_percent, "%");
        self.note("memory of lvsd (RSS)", rss_mib, "MiB");
        Ok(())
    }

    /// The same with all connections.
    fn full(&mut self) -> Result<()> {
        self.when = "with all connections";
        let (size, of_each) = (self.size, self.size.of_each());
        let busy = size.busy();
        let mut flows = Flows::through(&Host::Director.bpffs())?;
        let all = || {
            let number = move |it| it * (size.services / busy);
            (0..busy).map(move |it| (size.service(number(it)), u64::from(it * of_each)))
        };
        let mut begin = 0.0;
        for (service, first) in all() {
            begin += flows.begin(service, first, of_each)?;
        }
        let mut known = 0.0;
        for (service, first) in all() {
            known += flows.go_on(service, first, of_each)?;
        }
        self.note("SYN and ACK of a connection", begin / f64::from(busy), "ns");
        let what = format!("known TCP connection, {of_each} of a service in turn");
        self.note(what, known / f64::from(busy), "ns");
        sleep(Duration::from_secs(3));
        self.calm()?;
        self.counts()?;
        self.operate()?;
        let server = size.real_server(size.services / 2).to_string();
        let (output, time) = self.lvsctl(&["connections", "--server", &server])?;
        let lines = output.stdout.iter().filter(|it| **it == b'\n').count();
        self.took(&format!("lvsctl connections, of one real server: {lines} lines"), time);
        Ok(())
    }

    /// Whether it knows of all connections.
    fn counts(&mut self) -> Result<()> {
        let known: u64 = real_servers(&self.services()?)
            .filter_map(|it| it["active_connections"].as_u64())
            .sum();
        let wanted = u64::from(self.size.of_each() * self.size.busy());
        ensure!(known >= wanted / 100 * 99, "it counts {known} connections, not {wanted}");
        self.note("connections that lvsd counts", known as f64, "");
        Ok(())
    }

    /// It ends, and another takes over its maps.
    fn restarted(&mut self, command: &LvsdCommand) -> Result<()> {
        self.when = "another lvsd takes over";
        let start = Instant::now();
        self.end()?;
        self.took("lvsd ends after SIGTERM", start.elapsed());
        let start = Instant::now();
        self.lvsd = command.spawn()?;
        self.becomes_ready(start)?;
        sleep(Duration::from_secs(3));
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

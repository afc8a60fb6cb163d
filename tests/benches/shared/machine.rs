//! The machine that it runs on, and a quiet place there.

use std::{fs, process::Command};

use anyhow::{Context as _, Result, ensure};
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};
use serde::Serialize;

/// What the numbers depend on.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) kernel: String,
    pub(crate) date: String,
    /// What the kernel does about flaws of the processor that makes calls and returns slow.
    pub(crate) mitigations: Vec<String>,
}

impl Machine {
    pub(crate) fn look() -> Result<Self> {
        let cpu = fs::read_to_string("/proc/cpuinfo")?;
        let model = cpu.lines().find(|line| line.starts_with("model name"));
        let model = model.and_then(|line| line.split_once(": "));
        let date = Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]).output()?;
        let mitigations = ["spectre_v2", "retbleed", "spec_rstack_overflow"].iter();
        Ok(Self {
            processor: model.map_or("unknown", |(_, name)| name).to_owned(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            date: String::from_utf8(date.stdout)?.trim().to_owned(),
            mitigations: mitigations
                .filter_map(|name| {
                    let file = format!("/sys/devices/system/cpu/vulnerabilities/{name}");
                    let text = fs::read_to_string(file).ok()?;
                    // The rest is of no consequence here.
                    let (_, what) = text.trim().split_once("Mitigation: ")?;
                    Some(format!("{name}: {}", what.split(';').next().unwrap_or(what)))
                })
                .collect(),
        })
    }
}

/// Stays on the last CPU that this process may use, the first having most of the interrupts, and goes
/// before all that is not as urgent.
pub(crate) fn settle() -> Result<()> {
    let this = Pid::from_raw(0);
    let allowed = sched_getaffinity(this)?;
    let last = (0..CpuSet::count()).rev().find(|&cpu| allowed.is_set(cpu).unwrap_or_default());
    let mut cpus = CpuSet::new();
    cpus.set(last.context("it may use no CPU")?)?;
    sched_setaffinity(this, &cpus)?;
    let pid = std::process::id().to_string();
    let status = Command::new("renice").args(["-n", "-20", "-p", &pid]).output()?.status;
    ensure!(status.success(), "renice failed: {status}");
    Ok(())
}

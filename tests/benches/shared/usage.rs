//! What a process takes: time of CPUs, and memory.

use std::{fs, thread::sleep, time::Duration};

use anyhow::{Context as _, Result};
use nix::unistd::{SysconfVar, sysconf};
use serde::Serialize;

/// What a process took in a while.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Usage {
    /// User and system, in percent of one CPU.
    pub(crate) cpu_percent: f64,
    /// What is resident at the end, in MiB.
    pub(crate) rss_mib: f64,
}

impl Usage {
    /// Looks at these processes for so long.
    pub(crate) fn over<const N: usize>(pids: [u32; N], time: Duration) -> Result<[Self; N]> {
        let mut before = [0.0; N];
        for (before, pid) in before.iter_mut().zip(pids) {
            *before = cpu_s(pid)?;
        }
        sleep(time);
        let mut all = [Self { cpu_percent: 0.0, rss_mib: 0.0 }; N];
        for ((usage, before), pid) in all.iter_mut().zip(before).zip(pids) {
            usage.cpu_percent = 100.0 * (cpu_s(pid)? - before) / time.as_secs_f64();
            usage.rss_mib = rss_mib(pid)?;
        }
        Ok(all)
    }
}

/// Seconds of CPU that a process has had, with all of its threads.
pub(crate) fn cpu_s(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name may have blanks, and ends with the last bracket.
    let (_, fields) = stat.rsplit_once(')').context("no name in stat")?;
    let mut ticks = 0;
    for field in fields.split_whitespace().skip(11).take(2) {
        ticks += field.parse::<u32>()?;
    }
    let per_s = sysconf(SysconfVar::CLK_TCK)?.context("no ticks")?;
    Ok(f64::from(ticks) / per_s as f64)
}

/// Memory of a process that is resident.
pub(crate) fn rss_mib(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = kib.and_then(|it| it.split_whitespace().next()).context("no VmRSS")?;
    Ok(kib.parse::<f64>()? / 1024.0)
}

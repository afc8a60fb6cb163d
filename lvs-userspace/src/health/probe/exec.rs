//! A program of the operator, as mon had its monitors.
//!
//! It gets the real server's address as its last argument, and in the environment LVS_ADDRESS,
//! LVS_PORT, LVS_PROTOCOL and LVS_VIP. Status 0 is a success; else the last line that it printed is
//! the reason. When its time is over, its process group is killed.

use std::process::Stdio;

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::Command,
};

use crate::health::Target;

/// So much of what a program prints is looked at, in bytes.
const LONGEST: u64 = 4096;

pub(super) async fn probe(target: Target, port: u16, command: &[String]) -> Result<(), String> {
    let Some((program, arguments)) = command.split_first() else {
        return Err("no program given".to_owned());
    };
    let mut child = Command::new(program)
        .args(arguments)
        .arg(target.real_server.to_string())
        .env("LVS_ADDRESS", target.real_server.to_string())
        .env("LVS_PORT", port.to_string())
        .env("LVS_PROTOCOL", target.service.protocol.name())
        .env("LVS_VIP", target.service.address.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("can't run {program}: {error}"))?;
    // The guard goes when this is given up, for want of time or of interest.
    let _group = child.id().map(ProcessGroup::of);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (status, stdout, stderr) = tokio::join!(child.wait(), read(stdout), read(stderr));
    let status = status.map_err(|error| format!("can't wait for {program}: {error}"))?;
    if status.success() {
        return Ok(());
    }
    let last = |text: &str| text.lines().rfind(|line| !line.trim().is_empty()).map(str::to_owned);
    let said = last(&stdout).or_else(|| last(&stderr)).unwrap_or_else(|| "said nothing".to_owned());
    Err(format!("{program}: {status}: {said}"))
}

async fn read(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let Some(pipe) = pipe else { return String::new() };
    let mut bytes = Vec::new();
    // What can't be read was not said.
    drop(pipe.take(LONGEST).read_to_end(&mut bytes).await);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A process group, killed with this.
#[derive(Debug)]
pub(crate) struct ProcessGroup(Pid);

impl ProcessGroup {
    /// That of a process that leads one.
    pub(crate) fn of(leader: u32) -> Self {
        Self(Pid::from_raw(leader.cast_signed()))
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        // If all of it has ended, there is nothing to kill.
        killpg(self.0, Signal::SIGKILL).ok();
    }
}

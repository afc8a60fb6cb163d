//! Programs of the operator, run with all their children in a process group of their own, which is
//! killed when nobody waits for it any more.

use std::{
    io,
    process::{ExitStatus, Stdio},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::Command,
};

/// So much of what a program prints is looked at, in bytes.
const LONGEST: u64 = 4096;

/// How a program has ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// What it printed, as far as that is looked at.
    pub stdout: String,
    /// The same on stderr.
    pub stderr: String,
}

impl Ended {
    /// The last line that it printed, on stdout or, if nothing, on stderr.
    #[must_use]
    pub fn last_line(&self) -> &str {
        let mut lines = self.stderr.lines().chain(self.stdout.lines()).rev();
        lines.find(|line| !line.trim().is_empty()).unwrap_or("said nothing")
    }
}

/// Runs a program to its end. When this is dropped before, for want of time or of interest, the
/// program and its children are killed.
///
/// # Errors
/// When it can't be started, or waited for.
pub async fn run(command: &mut Command) -> io::Result<Ended> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let _group = child.id().map(|id| Group(Pid::from_raw(id.cast_signed())));
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (status, stdout, stderr) = tokio::join!(child.wait(), read(stdout), read(stderr));
    Ok(Ended { status: status?, stdout, stderr })
}

async fn read(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut pipe) = pipe else { return String::new() };
    let mut bytes = Vec::new();
    // What can't be read was not said.
    drop((&mut pipe).take(LONGEST).read_to_end(&mut bytes).await);
    // Read on, or it would wait for ever for somebody to do so.
    drop(tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A process group, killed with this.
struct Group(Pid);

impl Drop for Group {
    fn drop(&mut self) {
        // If all of it has ended, there is nothing to kill.
        killpg(self.0, Signal::SIGKILL).ok();
    }
}

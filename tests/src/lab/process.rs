//! Processes of the lab, which end with their guard.

use std::{
    io,
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus, Output},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};

/// Calls `probe` until it gives something, for at most `within`.
pub fn wait_for<T>(
    what: &str,
    within: Duration,
    mut probe: impl FnMut() -> Option<T>,
) -> Result<T> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = probe() {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            bail!("{what}: not within {within:?}");
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// A running process, killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    // None once detached.
    child: Option<Child>,
    pid: u32,
}

impl Process {
    /// Starts it in a process group of its own, so that a Ctrl-C at the terminal doesn't reach it.
    pub(super) fn spawn(command: &mut Command) -> Result<Self> {
        let child = command.process_group(0).spawn().map_err(|e| cannot_start(command, e))?;
        Ok(Self { pid: child.id(), child: Some(child) })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// How it ended, or `None` while it runs.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        let child = self.child.as_mut().context("the process was detached")?;
        Ok(child.try_wait()?)
    }

    /// Sends it a signal, if it still runs.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        // Not reaped yet, so the id is still its own.
        if self.exited()?.is_none() {
            signal::kill(Pid::from_raw(self.pid.cast_signed()), signal)?;
        }
        Ok(())
    }

    /// Waits for its end.
    pub fn wait(&mut self, within: Duration) -> Result<ExitStatus> {
        let pid = self.pid;
        wait_for(&format!("end of process {pid}"), within, || self.exited().transpose())?
    }

    /// Lets it run on after this is gone.
    pub fn detach(mut self) {
        self.child = None;
    }

    /// The process itself, for its pipes.
    pub(super) fn child(&mut self) -> Option<&mut Child> {
        self.child.as_mut()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Both fail only when it has ended already, and that is what is wanted.
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// Runs a command to its end.
pub(super) fn output(command: &mut Command) -> Result<Output> {
    command.output().map_err(|e| cannot_start(command, e))
}

fn cannot_start(command: &Command, error: io::Error) -> anyhow::Error {
    anyhow!("cannot start {}: {error}", command.get_program().display())
}

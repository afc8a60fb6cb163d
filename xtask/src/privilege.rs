//! Root: who has it, and how to get it through sudo.

use std::{
    env, fs,
    os::unix::{fs::MetadataExt as _, process::CommandExt as _},
    process::Command,
};

use anyhow::{Context as _, Result};

/// Set for the xtask that an xtask without root has started through sudo.
const ELEVATED: &str = "LVS_XTASK_ELEVATED";

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Whether set-up and build were done already, by the xtask that called this one through sudo.
pub(crate) fn is_elevated() -> bool {
    env::var_os(ELEVATED).is_some()
}

/// Goes on as root: at once where this is root, else by starting the same xtask with the same
/// arguments anew through sudo, in the place of this one.
///
/// Call it after set-up and build, so that those leave no files of root's in `target`.
pub(crate) fn elevate() -> Result<()> {
    if is_root() {
        return Ok(());
    }
    eprintln!("xtask: needs root from here on: goes on through sudo");
    let xtask = env::current_exe().context("cannot tell where xtask is")?;
    let mut command = Command::new("sudo");
    command.arg("--preserve-env").arg("env").arg(format!("{ELEVATED}=1")).arg(xtask);
    let error = command.args(env::args_os().skip(1)).exec();
    Err(error).context("cannot run sudo: run this as root")
}

/// `program` with these `variables` as root: itself where this is root, else through sudo.
pub(crate) fn command(program: &str, variables: &[(&str, &str)]) -> Command {
    if is_root() {
        let mut command = Command::new(program);
        command.envs(variables.iter().copied());
        return command;
    }
    let mut command = Command::new("sudo");
    if !variables.is_empty() {
        // sudo lets no variables through by itself.
        command.arg("env").args(variables.iter().map(|(name, value)| format!("{name}={value}")));
    }
    command.arg(program);
    command
}

/// Has a cargo command run what it has built as root.
pub(crate) fn run_by_root(cargo: &mut Command) {
    if !is_root() {
        eprintln!("xtask: what follows needs root: it is run through sudo");
        run_by(cargo, &["sudo", "--preserve-env"].map(str::to_owned));
    }
}

/// Has a cargo command run what it has built by another program: its name and its first arguments.
pub(crate) fn run_by(cargo: &mut Command, runner: &[String]) {
    // Rust's way to quote a string is TOML's, too.
    cargo.arg("--config").arg(format!("target.'cfg(all())'.runner = {runner:?}"));
}

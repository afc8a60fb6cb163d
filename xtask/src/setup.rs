//! `cargo xtask setup`: carries out the [`plan`] for this machine.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::{
    machine::{self, BPFFS, LLVM},
    plan::{self, Blocked, Machine, Plan, Step, Toolchain},
    privilege, sh,
    vm::{Emulator, Kernel},
};

/// The version of bpf-linker that is installed where there is none.
const LINKER: &str = "0.13.0";

/// Packages that come with a service, and its name.
const SERVICES: [(&str, &str); 2] =
    [("keepalived", "keepalived.service"), ("nginx", "nginx.service")];

/// Sets up the machine and says how it stands.
pub(crate) fn main() -> Result<()> {
    let toolchain = run()?;
    eprintln!("setup: all is there; the BPF program is built by {toolchain}");
    Ok(())
}

/// Installs what is missing; silent when nothing is. Gives what builds the BPF program.
pub(crate) fn run() -> Result<Toolchain> {
    all_of(|machine| plan::plan(machine).map(|Plan { toolchain, steps }| (toolchain, steps)))
}

/// Installs what a virtual machine with this kernel needs.
pub(crate) fn vm(kernel: Kernel) -> Result<()> {
    all_of(|machine| plan::vm(machine, kernel).map(|steps| ((), steps)))
}

/// Carries out what is planned for this machine.
fn all_of<T>(plan: impl Fn(&Machine) -> Result<(T, Vec<Step>), Blocked>) -> Result<T> {
    let (done, steps) = plan(&machine::look())?;
    if steps.is_empty() {
        return Ok(done);
    }
    for step in &steps {
        let through =
            if step.needs_root() && !privilege::is_root() { ", through sudo" } else { "" };
        eprintln!("setup: {step}{through}");
        carry_out(step).with_context(|| format!("set-up stopped at: {step}"))?;
    }
    let (done, left) = plan(&machine::look())?;
    if let [step, ..] = &left[..] {
        bail!("set-up did all it could, but this still has to be done by hand: {step}");
    }
    Ok(done)
}

fn carry_out(step: &Step) -> Result<()> {
    match step {
        Step::Packages(packages) => install(packages),
        Step::Nightly => {
            let mut rustup = Command::new("rustup");
            rustup.args(["toolchain", "install", "nightly", "--profile", "minimal"]);
            sh::run_aside(rustup.args(["--component", "rust-src", "--component", "clippy"]))
        }
        Step::Linker(toolchain) => install_linker(*toolchain),
        Step::Bpffs => {
            let mut mount = privilege::command("mount", &[]);
            sh::run_aside(mount.args(["-t", "bpf", "bpf", BPFFS]))
        }
        Step::Emulator => Emulator::fetch(),
        Step::Kernel(kernel) => kernel.fetch(),
    }
}

fn install(packages: &[&str]) -> Result<()> {
    // Wait for another apt-get rather than fail.
    let apt_get = |variables| {
        let mut apt_get = privilege::command("apt-get", variables);
        apt_get.args(["-q", "-o", "DPkg::Lock::Timeout=300"]);
        apt_get
    };
    if let Err(error) = sh::run_aside(apt_get(&[]).arg("update")) {
        eprintln!("setup: {error:#}; goes on with the package lists that are there");
    }
    // These are for the lab's namespaces alone: they must not come up on this machine.
    let services = SERVICES.iter().filter(|(package, _)| packages.contains(package));
    let services = services.map(|(_, unit)| NoService::of(unit)).collect::<Result<Vec<_>>>()?;
    let variables = [("DEBIAN_FRONTEND", "noninteractive"), ("RUNLEVEL", "1")];
    let installed = sh::run_aside(
        apt_get(&variables)
            .args(["install", "-y", "--no-install-recommends", "--no-remove"])
            .args(packages),
    );
    services.into_iter().try_for_each(NoService::end)?;
    installed.context(
        "install these packages in another way, or, for the BPF program, \
         `rustup toolchain install nightly --component rust-src` and bpf-linker",
    )
}

/// Keeps a service from being started by the installation of its package.
///
/// Under systemd it is masked for this while, and only until the next boot should this end
/// halfway; then disabled. Other inits go by `RUNLEVEL`.
struct NoService(Option<&'static str>);

impl NoService {
    fn of(unit: &'static str) -> Result<Self> {
        if !Path::new("/run/systemd/system").exists() {
            return Ok(Self(None));
        }
        systemctl(&["mask", "--runtime", unit])?;
        Ok(Self(Some(unit)))
    }

    fn end(self) -> Result<()> {
        let Some(unit) = self.0 else { return Ok(()) };
        systemctl(&["disable", unit])?;
        systemctl(&["unmask", "--runtime", unit])
    }
}

fn systemctl(args: &[&str]) -> Result<()> {
    sh::run_aside(privilege::command("systemctl", &[]).args(args))
}

fn install_linker(toolchain: Toolchain) -> Result<()> {
    let mut install = sh::cargo(["install", "bpf-linker", "--version", LINKER, "--locked"]);
    match toolchain {
        Toolchain::Debian => {
            let path = std::iter::once(Path::new(LLVM).join("bin")).chain(sh::search_path());
            install.args(["--no-default-features", "--features", "llvm-22"]);
            install.env("LLVM_PREFIX", LLVM).env("PATH", std::env::join_paths(path)?);
            sh::run_aside(&mut install)
        }
        Toolchain::Nightly => sh::run_aside(&mut install).context(
            "building bpf-linker needs the LLVM of the same number as rustc's; \
             a release of bpf-linker put on PATH will do as well",
        ),
    }
}

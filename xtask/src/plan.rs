//! What a machine lacks and how it will get it: pure, from a description of the machine.

use std::{
    collections::BTreeSet,
    error::Error,
    fmt::{self, Display},
};

use crate::vm::Kernel;

/// A program that building or the lab calls, and the Debian package that has it.
pub(crate) const TOOLS: [(&str, &str); 13] = [
    ("aiosmtpd", "python3-aiosmtpd"),
    ("bpftool", "bpftool"),
    ("bridge", "iproute2"),
    ("curl", "curl"),
    ("ethtool", "ethtool"),
    ("ip", "iproute2"),
    ("tc", "iproute2"),
    ("dnsmasq", "dnsmasq-base"),
    ("keepalived", "keepalived"),
    ("nginx", "nginx"),
    ("nsenter", "util-linux"),
    ("ping", "iputils-ping"),
    ("tcpdump", "tcpdump"),
];

/// A program that a virtual machine needs, in it or to start it, and the Debian package that has it.
pub(crate) const VM_TOOLS: [(&str, &str); 3] =
    [("ipvsadm", "ipvsadm"), ("modprobe", "kmod"), ("setpriv", "util-linux")];

/// Debian's Rust with `core` for BPF built already, and its clippy.
const DEBIAN_RUST: [&str; 3] = ["rustc-web", "libstd-rust-web-dev-bpf", "rust-web-clippy"];
/// What bpf-linker is built with: an LLVM not older than that of Debian's Rust.
const DEBIAN_LLVM: [&str; 2] = ["llvm-22-dev", "libpolly-22-dev"];

/// A way to compile for the BPF target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// Debian's Rust, which has `core` for BPF built already.
    Debian,
    /// rustup's nightly, which builds `core` from its component rust-src.
    Nightly,
}

/// What there is on a machine, as far as the plan depends on it.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    /// Whether we are root.
    pub(crate) root: bool,
    /// Whether there is sudo.
    pub(crate) sudo: bool,
    /// Whether packages are installed by apt-get.
    pub(crate) apt: bool,
    /// Whether there is rustup.
    pub(crate) rustup: bool,
    /// Which of [`TOOLS`] are not there.
    pub(crate) missing_tools: BTreeSet<&'static str>,
    /// Whether Debian's Rust is there with all that [`Toolchain::Debian`] needs.
    pub(crate) debian_rust: bool,
    /// Whether the LLVM that bpf-linker is built with is there.
    pub(crate) debian_llvm: bool,
    /// Whether rustup's nightly is there with rust-src.
    pub(crate) nightly: bool,
    /// Whether there is a bpf-linker that runs.
    pub(crate) linker: bool,
    /// Whether the BPF file system is mounted.
    pub(crate) bpffs: bool,
    /// Whether it is of the kind that the kernels for virtual machines are for.
    pub(crate) x86_64: bool,
    /// Which of [`VM_TOOLS`] are not there.
    pub(crate) missing_vm_tools: BTreeSet<&'static str>,
    /// Whether there is an emulator of virtual machines.
    pub(crate) emulator: bool,
    /// Which kernels are there for virtual machines.
    pub(crate) kernels: BTreeSet<Kernel>,
}

/// One thing to do to a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Install these Debian packages.
    Packages(Vec<&'static str>),
    /// Install rustup's nightly with rust-src.
    Nightly,
    /// Build and install bpf-linker for this toolchain.
    Linker(Toolchain),
    /// Mount the BPF file system.
    Bpffs,
    /// Download and unpack an emulator of virtual machines.
    Emulator,
    /// Download and unpack this kernel for virtual machines.
    Kernel(Kernel),
}

/// What to do, in this order; afterwards `toolchain` builds the BPF program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// What the BPF program is then built with.
    pub(crate) toolchain: Toolchain,
    /// What has to be done before.
    pub(crate) steps: Vec<Step>,
}

/// Why a machine can't be set up by xtask; says what a person can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blocked(pub(crate) String);

/// Chooses the toolchain and the steps.
pub(crate) fn plan(machine: &Machine) -> Result<Plan, Blocked> {
    let toolchain = toolchain(machine);
    let mut packages = BTreeSet::new();
    let mut steps = Vec::new();

    packages.extend(packages_of(&TOOLS, &machine.missing_tools));
    if toolchain == Some(Toolchain::Debian) {
        packages.extend(DEBIAN_RUST.iter().filter(|_| !machine.debian_rust));
        packages.extend(DEBIAN_LLVM.iter().filter(|_| !machine.linker && !machine.debian_llvm));
    }
    let (true, Some(toolchain)) = (machine.apt || packages.is_empty(), toolchain) else {
        let rustup = "rustup (with a nightly that has the component rust-src)";
        let missing = machine.missing_tools.iter().copied();
        return Err(by_hand(missing.chain(toolchain.is_none().then_some(rustup))));
    };

    if !packages.is_empty() {
        steps.push(Step::Packages(packages.into_iter().collect()));
    }
    if toolchain == Toolchain::Nightly && !machine.nightly {
        steps.push(Step::Nightly);
    }
    if !machine.linker {
        steps.push(Step::Linker(toolchain));
    }
    if !machine.bpffs {
        steps.push(Step::Bpffs);
    }
    Ok(Plan { toolchain, steps: possible(machine, steps, "setup")? })
}

/// Chooses the steps to a virtual machine with this kernel; they are of no use otherwise.
pub(crate) fn vm(machine: &Machine, kernel: Kernel) -> Result<Vec<Step>, Blocked> {
    if !machine.x86_64 {
        return Err(Blocked("virtual machines need an x86-64: use one".to_owned()));
    }
    let is_there = machine.kernels.contains(&kernel);
    let packages: BTreeSet<_> = packages_of(&VM_TOOLS, &machine.missing_vm_tools).collect();
    let is_complete = is_there && machine.emulator && packages.is_empty();
    if !machine.apt && !is_complete {
        let emulator = (!machine.emulator).then_some("QEMU for x86-64, with virtiofsd");
        let debian =
            (!is_there).then_some("a kernel (from Debian's packages: use a machine with apt-get)");
        let tools = machine.missing_vm_tools.iter().copied();
        return Err(by_hand(tools.chain(emulator).chain(debian)));
    }
    let mut steps = Vec::new();
    if !packages.is_empty() {
        steps.push(Step::Packages(packages.into_iter().collect()));
    }
    if !machine.emulator {
        steps.push(Step::Emulator);
    }
    if !is_there {
        steps.push(Step::Kernel(kernel));
    }
    possible(machine, steps, "vm")
}

/// The packages of the tools that are missing.
fn packages_of(
    tools: &'static [(&str, &str)],
    missing: &BTreeSet<&str>,
) -> impl Iterator<Item = &'static str> {
    tools.iter().filter(|(tool, _)| missing.contains(tool)).map(|&(_, package)| package)
}

/// The steps, unless root is needed for them and not to be had.
fn possible(machine: &Machine, steps: Vec<Step>, verb: &str) -> Result<Vec<Step>, Blocked> {
    if machine.root || machine.sudo || !steps.iter().any(Step::needs_root) {
        Ok(steps)
    } else {
        Err(without_root(&steps, verb))
    }
}

/// The toolchain that is complete, else the one that can be made so.
fn toolchain(machine: &Machine) -> Option<Toolchain> {
    if machine.debian_rust && machine.linker {
        Some(Toolchain::Debian)
    } else if machine.nightly && machine.linker {
        Some(Toolchain::Nightly)
    } else if machine.apt {
        Some(Toolchain::Debian)
    } else if machine.rustup {
        Some(Toolchain::Nightly)
    } else {
        None
    }
}

/// No apt-get: names all that is missing at once.
fn by_hand<'a>(missing: impl Iterator<Item = &'a str>) -> Blocked {
    let missing: Vec<_> = missing.collect();
    Blocked(format!(
        "this machine has no apt-get, so these must be installed by hand: {}",
        missing.join(", ")
    ))
}

/// Root is needed and not to be had.
fn without_root(steps: &[Step], verb: &str) -> Blocked {
    let steps: Vec<String> = steps.iter().filter(|s| s.needs_root()).map(Step::to_string).collect();
    Blocked(format!(
        "this needs root, and there is no sudo: {}; run `cargo xtask {verb}` as root once",
        steps.join("; ")
    ))
}

impl Step {
    /// Whether only root can do it.
    pub(crate) fn needs_root(&self) -> bool {
        match self {
            Self::Packages(_) | Self::Bpffs => true,
            Self::Nightly | Self::Linker(_) | Self::Emulator | Self::Kernel(_) => false,
        }
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packages(packages) => {
                write!(f, "install Debian's packages {}", packages.join(" "))
            }
            Self::Nightly => f.write_str("install rustup's nightly with rust-src"),
            Self::Linker(_) => f.write_str("build and install bpf-linker (about a minute)"),
            Self::Bpffs => f.write_str("mount the BPF file system on /sys/fs/bpf"),
            Self::Emulator => f.write_str("download Debian's QEMU for virtual machines"),
            Self::Kernel(kernel) => {
                write!(f, "download Debian's Linux {} for virtual machines", kernel.name())
            }
        }
    }
}

impl Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Debian => "Debian's rustc",
            Self::Nightly => "rustup's nightly",
        })
    }
}

impl Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Blocked {}

#[cfg(test)]
mod tests;

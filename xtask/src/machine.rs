//! Looks at the machine: the facts from which [`plan`](crate::plan) is made.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    bpf,
    plan::{Machine, TOOLS, VM_TOOLS},
    privilege, sh,
    vm::{Emulator, Kernel},
};

/// The LLVM of Debian that bpf-linker is built with.
pub(crate) const LLVM: &str = "/usr/lib/llvm-22";

/// Where the BPF file system is mounted.
pub(crate) const BPFFS: &str = "/sys/fs/bpf";

/// The machine as it is now.
pub(crate) fn look() -> Machine {
    let has = |program| sh::find(program).is_some();
    let missing = |tools: &[(&'static str, _)]| {
        tools.iter().map(|&(tool, _)| tool).filter(|tool| !has(tool)).collect()
    };
    Machine {
        root: privilege::is_root(),
        sudo: has("sudo"),
        apt: has("apt-get"),
        rustup: has("rustup"),
        missing_tools: missing(&TOOLS),
        debian_rust: debian_rust(),
        debian_llvm: Path::new(LLVM).join("bin/llvm-config").exists(),
        nightly: nightly_core().is_some_and(|core| core.is_dir()),
        linker: sh::find("bpf-linker")
            .is_some_and(|linker| sh::succeeds(Command::new(linker).arg("--version"))),
        bpffs: fs::read_to_string("/proc/self/mounts").is_ok_and(|mounts| has_bpffs(&mounts)),
        x86_64: cfg!(target_arch = "x86_64"),
        missing_vm_tools: missing(&VM_TOOLS),
        emulator: Emulator::find().is_some(),
        kernels: Kernel::ALL.into_iter().filter(|kernel| kernel.is_there()).collect(),
    }
}

fn debian_rust() -> bool {
    let core = Path::new("/usr/lib/rustlib").join(bpf::target()).join("lib");
    core.is_dir() && [bpf::DEBIAN_RUSTC, bpf::DEBIAN_CLIPPY].iter().all(|p| Path::new(p).exists())
}

/// Where rustup's nightly has the source of `core`, if there is such a nightly.
fn nightly_core() -> Option<PathBuf> {
    let mut which = Command::new("rustup");
    which.args(["which", "--toolchain", "nightly", "rustc"]).env("RUSTUP_AUTO_INSTALL", "0");
    let rustc = PathBuf::from(sh::output(&mut which).ok()?);
    Some(rustc.parent()?.parent()?.join("lib/rustlib/src/rust/library/core"))
}

/// Whether a table of mounts has the BPF file system at its usual place.
fn has_bpffs(mounts: &str) -> bool {
    mounts.lines().any(|mount| {
        let mut fields = mount.split(' ').skip(1);
        fields.next() == Some(BPFFS) && fields.next() == Some("bpf")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bpf_file_system_is_known_by_place_and_type() {
        let cases = [
            ("proc /proc proc rw 0 0\nbpf /sys/fs/bpf bpf rw,relatime 0 0\n", true),
            ("none /sys/fs/bpf bpf rw 0 0", true),
            ("bpf /run/bpf bpf rw 0 0", false),
            ("tmpfs /sys/fs/bpf tmpfs rw 0 0", false),
            ("", false),
        ];
        for (mounts, expected) in cases {
            assert_eq!(has_bpffs(mounts), expected, "{mounts:?}");
        }
    }
}

//! cargo for the BPF target, with a toolchain of its own.

use std::{env, path::PathBuf, process::Command};

use anyhow::Result;

use crate::{plan::Toolchain, sh};

/// Debian's rustc, by its path: on `PATH`, rustup's comes first.
pub(crate) const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
/// The clippy that belongs to [`DEBIAN_RUSTC`].
pub(crate) const DEBIAN_CLIPPY: &str = "/usr/bin/cargo-clippy";

/// The target whose byte order is this machine's.
pub(crate) fn target() -> &'static str {
    if cfg!(target_endian = "big") { "bpfeb-unknown-none" } else { "bpfel-unknown-none" }
}

/// What the toolchain has built.
pub(crate) struct Objects {
    /// The BPF program.
    pub(crate) program: PathBuf,
    /// The programs that it is measured against.
    pub(crate) bench: PathBuf,
}

/// Builds the BPF program, and those for benchmarks.
pub(crate) fn build(toolchain: Toolchain) -> Result<Objects> {
    sh::run(&mut cargo(toolchain, &["build", "--release"])?)?;
    let directory = target_dir().join(target()).join("release");
    Ok(Objects { program: directory.join("lvs-xdp"), bench: directory.join("lvs-bench") })
}

/// Lints the BPF program, warnings as errors.
pub(crate) fn clippy(toolchain: Toolchain) -> Result<()> {
    sh::run(cargo(toolchain, &["clippy", "--release"])?.args(["--", "-Dwarnings"]))
}

fn target_dir() -> PathBuf {
    sh::root().join("target/bpf-build")
}

fn cargo(toolchain: Toolchain, verb: &[&str]) -> Result<Command> {
    let mut cargo = match toolchain {
        Toolchain::Debian => {
            // `cargo clippy` would take the clippy of another rustc.
            let program = if verb.first() == Some(&"clippy") { DEBIAN_CLIPPY } else { "cargo" };
            let mut cargo = sh::cargo_called(program, verb);
            // aya-ebpf and we use features that stable Rust does not let through otherwise.
            cargo.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
            cargo
        }
        Toolchain::Nightly => {
            let mut cargo = sh::cargo(["+nightly"]);
            cargo.args(verb).args(["-Z", "build-std=core"]).env_remove("RUSTC");
            cargo
        }
    };
    // Settings for the host's compiler, from whoever calls xtask and from the cargo that runs it.
    for name in [
        "CARGO_BUILD_RUSTC",
        "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER",
        "CARGO_BUILD_RUSTC_WRAPPER",
        "CARGO_BUILD_RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "CARGO_ENCODED_RUSTFLAGS",
        "LD_LIBRARY_PATH",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "RUSTUP_TOOLCHAIN",
    ] {
        cargo.env_remove(name);
    }
    cargo.env("PATH", env::join_paths(sh::search_path())?);
    cargo.env("RUSTFLAGS", rustflags());
    cargo.args(["--package", "lvs-ebpf", "--target", target(), "--target-dir"]);
    cargo.arg(target_dir());
    Ok(cargo)
}

/// Debug information becomes BTF; BPF before its version 3 has no 32-bit jumps and no
/// compare-and-exchange.
fn rustflags() -> String {
    let arch = env::consts::ARCH;
    format!("--cfg=bpf_target_arch=\"{arch}\" -Cdebuginfo=2 -Clink-arg=--btf -Ctarget-cpu=v3")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_toolchain_is_called_in_its_own_way() {
        let cases = [
            (Toolchain::Debian, "build", "cargo", "build --package"),
            (Toolchain::Debian, "clippy", DEBIAN_CLIPPY, "clippy --package"),
            (Toolchain::Nightly, "build", "cargo", "+nightly build -Z build-std=core --package"),
            (Toolchain::Nightly, "clippy", "cargo", "+nightly clippy -Z build-std=core --package"),
        ];
        for (toolchain, verb, program, expected) in cases {
            let cargo = cargo(toolchain, &[verb]).expect("PATH can be joined");
            let args: Vec<_> = cargo.get_args().map(|arg| arg.to_string_lossy()).collect();
            assert_eq!(cargo.get_program(), program);
            assert!(args.join(" ").starts_with(expected), "{args:?}");
            // Or rustup would run another toolchain than the one named.
            let toolchain = cargo.get_envs().find(|(name, _)| *name == "RUSTUP_TOOLCHAIN");
            assert!(toolchain.is_some_and(|(_, value)| value.is_none()));
        }
    }
}

//! The BPF object of the benchmarks.

use anyhow::{Context as _, Result};
use aya::{Ebpf, programs::Xdp};

/// Creates its maps anew.
pub(crate) fn load() -> Result<Ebpf> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/bpf-bench/lvs-bench.o");
    Ebpf::load_file(file)
        .with_context(|| format!("cannot load {file}: `cargo xtask build` makes it"))
}

/// One of its programs.
pub(crate) fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Xdp> {
    let program = ebpf.program_mut(name).with_context(|| format!("there is no program {name}"))?;
    Ok(program.try_into()?)
}

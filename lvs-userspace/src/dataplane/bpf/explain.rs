//! The program that tells what the other one would do with a frame; see `lvs-ebpf/src/explain.rs`.

use aya::programs::{ProgramError, TestRun as _, TestRunOptions};
use lvs_common::{forward::Explanation, names};
use tracing::debug;

use super::{BpfDataplane, load::program};

/// What the kernel calls `XDP_PASS`.
const PASS: u32 = 2;

impl BpfDataplane {
    /// What the program would do with a frame now; `None` if it is for a VIP and not of a flow, or so short
    /// that there is no room for an answer. Nothing changes by it.
    ///
    /// The program that tells is loaded when it is asked for the first time, so that starting does
    /// not take longer for who never asks.
    ///
    /// # Errors
    /// When the kernel refuses the program, or to run it.
    pub fn explain(&mut self, frame: &[u8]) -> anyhow::Result<Option<Explanation>> {
        let explain = program(&mut self.ebpf, names::EXPLAIN)?;
        match explain.load() {
            Ok(()) => {
                let instructions = explain.info()?.verified_instruction_count();
                debug!(instructions, "the verifier took the program that explains");
            }
            Err(ProgramError::AlreadyLoaded) => {}
            Err(error) => return Err(error.into()),
        }
        let mut answer = vec![0; frame.len()];
        let run = explain.test_run(TestRunOptions {
            data_in: Some(frame),
            data_out: Some(&mut answer),
            ..TestRunOptions::default()
        })?;
        let bytes = answer.first_chunk().filter(|_| run.return_value == PASS);
        Ok(bytes.copied().map(Explanation::from_bytes))
    }
}

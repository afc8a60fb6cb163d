//! The packet cases in the kernel.

use std::path::PathBuf;

use aya::programs::{TestRun as _, TestRunOptions};
use lvs_common::{abi::Traffic, fate::Fate, forward::Verdict};
use lvs_userspace::dataplane::{Dataplane as _, Tables, bpf::BpfDataplane, plan};

use crate::{Runner, cases, check, laws, world};

/// The real program with the real maps, and no interface.
struct Kernel {
    dataplane: BpfDataplane,
}

impl Kernel {
    fn new(name: &str) -> Self {
        let pins = PathBuf::from(format!("/sys/fs/bpf/lvs-test-{}-{name}", std::process::id()));
        let mut dataplane = BpfDataplane::load(&pins, 0).expect("root, and a bpffs");
        for write in plan(&world::tables(), &Tables::default()) {
            dataplane.write(&write).expect("a write to a map");
        }
        Self { dataplane }
    }
}

impl Runner for Kernel {
    fn run(&mut self, frame: &mut [u8]) -> Verdict {
        let input = frame.to_vec();
        // The kernel takes no frame shorter than an Ethernet header; `check` never sends one.
        let options = TestRunOptions {
            data_in: Some(&input),
            data_out: Some(frame),
            ..TestRunOptions::default()
        };
        let result = self.dataplane.program().expect("the program").test_run(options);
        match result.expect("a run").return_value {
            1 => Verdict::Drop,
            2 => Verdict::Pass,
            3 => Verdict::Transmit,
            other => panic!("the program returned {other}"),
        }
    }

    fn fate(&self, fate: Fate) -> u64 {
        self.dataplane.fate(fate).expect("a counter")
    }

    fn real_server_traffic(&self, index: u32) -> Traffic {
        self.dataplane.real_server_traffic(index).expect("a counter")
    }

    fn service_traffic(&self, id: u32) -> Traffic {
        self.dataplane.service_traffic(id).expect("a counter")
    }
}

#[test]
fn kernel_packet_cases() {
    let mut kernel = Kernel::new("cases");
    for case in cases::all() {
        check(&case, &mut kernel);
    }
}

#[test]
fn kernel_share_is_exact() {
    laws::share_is_exact(&mut Kernel::new("share"));
}

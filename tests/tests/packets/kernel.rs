//! The packet cases in the kernel.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use aya::programs::{TestRun as _, TestRunOptions};
use lvs_common::{abi::Traffic, fate::Fate, forward::Verdict};
use lvs_userspace::dataplane::{
    Dataplane as _, Tables,
    bpf::{BpfDataplane, Sizes},
    plan,
};

use crate::{Runner, cases, check, laws, world};

/// The real program with the real maps, and no interface.
struct Kernel {
    dataplane: BpfDataplane,
    _far: FarInterface,
}

/// An interface for frames to leave by; nothing is sent.
struct FarInterface;

impl FarInterface {
    fn make() -> Self {
        let far = Self;
        far.remove();
        let index = world::FAR_INTERFACE.to_string();
        let add = [
            "link", "add", "lvs-far0", "index", &index, "type", "veth", "peer", "name", "lvs-far1",
        ];
        assert!(Command::new("ip").args(add).status().expect("ip").success());
        far
    }

    fn remove(&self) {
        // It may not be there.
        drop(Command::new("ip").args(["link", "del", "lvs-far0"]).stderr(Stdio::null()).status());
    }
}

impl Drop for FarInterface {
    fn drop(&mut self) {
        self.remove();
    }
}

impl Kernel {
    fn new(name: &str) -> Self {
        let far = FarInterface::make();
        let pins = PathBuf::from(format!("/sys/fs/bpf/lvs-test-{}-{name}", std::process::id()));
        let mut dataplane =
            BpfDataplane::load(&pins, Sizes::default(), 0).expect("root, and a bpffs");
        for write in plan(&world::tables(), &Tables::default()) {
            dataplane.write(&write).expect("a write to a map");
        }
        Self { dataplane, _far: far }
    }
}

impl Runner for Kernel {
    fn run(&mut self, frame: &mut Vec<u8>) -> Verdict {
        let input = std::mem::replace(frame, vec![0; frame.len() + 64]);
        // The kernel takes no frame shorter than an Ethernet header; `check` never sends one.
        let options = TestRunOptions {
            data_in: Some(&input),
            data_out: Some(frame),
            ..TestRunOptions::default()
        };
        let result = self.dataplane.program().expect("the program").test_run(options);
        let result = result.expect("a run");
        frame.truncate(result.data_size_out as usize);
        match result.return_value {
            1 => Verdict::Drop,
            2 => Verdict::Pass,
            3 => Verdict::Transmit,
            // There is one interface for frames to leave by.
            4 => Verdict::Redirect(world::FAR_INTERFACE),
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

#[test]
fn kernel_flood_costs_no_connection() {
    laws::a_flood_costs_no_connection(&mut Kernel::new("flood"), 1_000, 300_000);
}

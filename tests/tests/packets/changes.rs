//! Services that change while packets come.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
};

use aya::programs::{TestRun as _, TestRunOptions, Xdp};
use aya_obj::programs::XdpAttachType;
use lvs_userspace::{
    dataplane::{
        Dataplane as _, Placement, Tables,
        bpf::{BpfDataplane, Sizes},
        plan,
    },
    model::Scheduler,
};

use crate::{
    frames as f,
    services::{mac, place, service},
    world::VIP,
};

const CHANGES: usize = 5_000;
const TRANSMIT: u32 = 3;

/// Every packet goes to a real server of the service as it was or as it is to be: none is dropped,
/// and none goes elsewhere, however the writes fall.
#[test]
fn no_packet_sees_half_a_service() {
    let pins = PathBuf::from(format!("/sys/fs/bpf/lvs-test-{}-changes", std::process::id()));
    let mut dataplane = BpfDataplane::load(&pins, Sizes::default(), 0).expect("root, and a bpffs");
    let pin = pins.join("program");
    let program = dataplane.program().expect("the program");
    program.pin(&pin).expect("a pin");
    let reader = Xdp::from_pin(&pin, XdpAttachType::Interface);
    std::fs::remove_file(&pin).expect("the pin to go");
    let reader = reader.expect("the program again");

    // Nothing of one is in the other: scheduler, real servers, number of slots.
    let variants = [
        service(VIP.into(), Scheduler::Wrr, &[(1, 3), (2, 2), (3, 1)]),
        service(VIP.into(), Scheduler::Wlc, &[(4, 1), (5, 1)]),
        service(VIP.into(), Scheduler::Sh, &[(6, 2), (7, 1)]),
    ];
    let mut placement = Placement::new(100_000);
    let mut actual = Tables::default();
    let mut change = |number: usize| {
        let wanted = place(&mut placement, &variants[number % 3..=number % 3]);
        for write in plan(&wanted, &actual) {
            dataplane.write(&write).expect("a write to a map");
            actual.note(&write);
        }
    };
    change(0);

    let (done, packets) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let traffic = scope.spawn(|| {
            while !done.load(Relaxed) {
                let number = packets.fetch_add(1, Relaxed);
                let client = (0x0b00_0000 + (number >> 16) as u32).to_be_bytes();
                let syn = f::patched(f::tcp(number as u16, 80, f::SYN), 26, &client);
                let mut out = vec![0; syn.len()];
                let options = TestRunOptions {
                    data_in: Some(&syn),
                    data_out: Some(&mut out),
                    ..TestRunOptions::default()
                };
                let result = reader.test_run(options).expect("a run");
                assert_eq!(result.return_value, TRANSMIT, "packet {number}");
                assert!((1..=7).any(|it| mac(it) == out[..6]), "packet {number}: {out:?}");
            }
        });
        for number in 1..=CHANGES {
            if traffic.is_finished() {
                break;
            }
            change(number);
        }
        done.store(true, Relaxed);
    });
    let packets = packets.into_inner();
    assert!(packets > CHANGES as u64, "{packets} packets");
}

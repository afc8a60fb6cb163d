//! What services have counted, while the places of their real servers change hands.

use std::path::{Path, PathBuf};

use aya::programs::{TestRun as _, TestRunOptions};
use lvs_common::abi::{self, Traffic};
use lvs_userspace::{
    dataplane::{
        Dataplane as _, MapWrite, Placement, Tables,
        bpf::{BpfDataplane, Sizes, detach_all},
        plan,
    },
    model::Scheduler,
};

use crate::{
    frames as f,
    services::{place, service},
    world::VIP,
};

const OTHER_VIP: [u8; 4] = [10, 77, 0, 199];

/// Maps that stay when an lvsd goes, until the test does.
struct Pinned(PathBuf);

impl Drop for Pinned {
    fn drop(&mut self) {
        let detached = detach_all(&self.0);
        assert!(std::thread::panicking() || detached.is_ok(), "{detached:?}");
    }
}

fn load(pins: &Path) -> BpfDataplane {
    BpfDataplane::load(pins, Sizes::default(), 0).expect("root, and a bpffs")
}

fn bring(dataplane: &mut BpfDataplane, wanted: &Tables, held: &Tables) {
    for write in plan(wanted, held) {
        dataplane.write(&write).expect("a write to a map");
    }
}

fn open_connections(dataplane: &mut BpfDataplane, ports: std::ops::Range<u16>) {
    for port in ports {
        let syn = f::tcp(port, 80, f::SYN);
        let options = TestRunOptions { data_in: Some(&syn), ..TestRunOptions::default() };
        dataplane.program().expect("the program").test_run(options).expect("a run");
    }
}

/// A service goes on counting what went to a real server that it has no more: while the place of that one is
/// vacant, when another service has it, and after a restart with either. One that is new has no such past.
#[test]
fn a_service_keeps_what_went_to_real_servers_that_are_gone() {
    let directory = format!("/sys/fs/bpf/lvs-test-{}-counted", std::process::id());
    let pins = Pinned(directory.into());
    let mut dataplane = load(&pins.0);
    let one = |servers: &[(u16, u16)]| service(VIP.into(), Scheduler::Rr, servers);
    let other = |servers: &[(u16, u16)]| service(OTHER_VIP.into(), Scheduler::Rr, servers);
    let mut placement = Placement::new(1000);
    let both = place(&mut placement, &[one(&[(1, 1), (2, 1)]), other(&[(3, 1)])]);
    bring(&mut dataplane, &both, &Tables::default());
    let id = |vip: [u8; 4]| {
        let of = both.services.iter().find(|(key, _)| key.vip[12..] == vip);
        of.expect("a service").1.id
    };
    let (first, second) = (id(VIP), id(OTHER_VIP));
    let counted = |dataplane: &BpfDataplane, id| {
        let traffic = dataplane.service_traffic(id).expect("counters");
        (traffic.all.connections, traffic.all.packets)
    };

    open_connections(&mut dataplane, 1000..1008);
    assert_eq!(counted(&dataplane, first), (8, 8));

    let without = place(&mut placement, &[one(&[(2, 1)]), other(&[(3, 1)])]);
    bring(&mut dataplane, &without, &both);
    let gone = both.real_servers.keys().find(|it| !without.real_servers.contains_key(it));
    let gone = *gone.expect("a place that is vacant");
    let traffic = dataplane.service_traffic(first).expect("counters");
    assert_eq!((traffic.all.packets, traffic.real_servers.contains_key(&gone)), (8, false));
    dataplane.stay().expect("pins");
    drop(dataplane);
    let mut dataplane = load(&pins.0);
    assert!(dataplane.takes_over());
    assert_eq!(counted(&dataplane, first), (8, 8));

    // As if the place had rested long enough.
    let real_server = abi::RealServer { service: second, ..both.real_servers[&gone] };
    let given = MapWrite::SetRealServer { index: gone, real_server, new: true };
    dataplane.write(&given).expect("a write to a map");
    assert_eq!(counted(&dataplane, first), (8, 8));
    assert_eq!(counted(&dataplane, second), (0, 0));
    let its_own = dataplane.real_server_traffic(gone).expect("counters");
    assert_eq!(its_own, Traffic::default());
    dataplane.stay().expect("pins");
    drop(dataplane);
    let mut dataplane = load(&pins.0);
    assert_eq!((counted(&dataplane, first), counted(&dataplane, second)), ((8, 8), (0, 0)));
    open_connections(&mut dataplane, 2000..2002);
    assert_eq!(counted(&dataplane, first), (10, 10));

    let (key, service) = without.services.iter().find(|(_, it)| it.id == first).expect("it");
    let begins = MapWrite::SetService { key: *key, service: *service, new: true };
    dataplane.write(&begins).expect("a write to a map");
    assert_eq!(counted(&dataplane, first), (6, 6), "what went to the one that it has");
    assert_eq!(counted(&dataplane, second), (0, 0));
}

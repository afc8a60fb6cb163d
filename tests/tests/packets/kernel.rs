//! The packet cases in the kernel.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use aya::programs::{TestRun as _, TestRunOptions};
use lvs_common::{
    abi::{ConnectionKey, ConnectionKeyV6, TCP, Traffic, tells},
    connections::state,
    fate::Fate,
    flow::Flow,
    forward::{Explanation, Verdict},
    limits,
};
use lvs_userspace::{
    config,
    dataplane::{
        Dataplane as _, Placement, Tables,
        bpf::{self, BpfDataplane, Change, Sizes},
        plan,
        store::{FlowName, Known, Put},
    },
    model::Scheduler,
};

use crate::{
    Lease, Runner, cases, check, explained,
    frames::{self as f, v6},
    laws,
    services::{self, place, service},
    told::{self, Subject, Told},
    world,
};

/// The real program with the real maps, and no interface.
struct Kernel {
    dataplane: BpfDataplane,
    told: bpf::Told,
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
        Self::with(name, Sizes::default(), &world::tables())
    }

    fn with(name: &str, sizes: Sizes, tables: &Tables) -> Self {
        let far = FarInterface::make();
        let pins = PathBuf::from(format!("/sys/fs/bpf/lvs-test-{}-{name}", std::process::id()));
        let mut dataplane = BpfDataplane::load(&pins, sizes, 0).expect("root, and a bpffs");
        for write in plan(tables, &Tables::default()) {
            dataplane.write(&write).expect("a write to a map");
        }
        dataplane.copy_services(&tables.services);
        let told = dataplane.told().expect("the rings");
        Self { dataplane, told, _far: far }
    }
}

/// All that a ring holds.
fn read(ring: &mut bpf::Ring) -> Vec<Subject> {
    ring.map(|change| match change.expect("something that is known") {
        Change::Connection(FlowName::V4(flow)) => port(flow.key.client_port),
        Change::Connection(FlowName::V6(flow)) => port(flow.key.client_port),
        Change::Template(_) => Subject::Client,
    })
    .collect()
}

fn port(bytes: [u8; 2]) -> Subject {
    Subject::Connection(u16::from_be_bytes(bytes))
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

    fn explain(&mut self, frame: &[u8]) -> Option<Explanation> {
        self.dataplane.explain(frame).expect("a run of the program that explains")
    }

    fn lease(&mut self, lease: Lease) {
        let now = Instant::now();
        let program = self.dataplane.lease();
        program.renew(now + Duration::from_secs(3600));
        match lease {
            Lease::Whole => {}
            Lease::Silent => program.silence(),
            // Two ticks ago, if there are a hundred in a second.
            Lease::Over => program.renew(now - Duration::from_millis(20)),
        }
    }

    fn listen(&mut self, tells: u32) {
        let wants = |bit| tells & bit != 0;
        self.told.store.tell(wants(tells::CHANGES), wants(tells::BEGINNINGS));
    }

    fn told(&mut self) -> Told {
        let bpf::Told { changes, beginnings, .. } = &mut self.told;
        Told { changes: read(changes), beginnings: read(beginnings) }
    }

    fn follow(&mut self, is_followed: bool) {
        let over = Instant::now() - Duration::from_millis(20);
        self.told.store.schedule_until((!is_followed).then_some(over));
    }

    fn hold_strays(&mut self, holds: bool) {
        let hour = Duration::from_secs(3600);
        let now = Instant::now();
        let until = if holds { now + hour } else { now - Duration::from_millis(20) };
        self.dataplane.lease().hold_strays(until);
    }

    fn unrecorded(&self) -> u64 {
        self.dataplane.unrecorded().expect("a counter")
    }

    fn fate(&self, fate: Fate) -> u64 {
        self.dataplane.fate(fate).expect("a counter")
    }

    fn real_server_traffic(&self, index: u32) -> Traffic {
        self.dataplane.real_server_traffic(index).expect("a counter")
    }

    fn service_traffic(&self, id: u32) -> Traffic {
        self.dataplane.service_traffic(id).expect("a counter").all
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
fn kernel_packet_cases_beside_services_that_remember_nothing() {
    let mut kernel = Kernel::with("stateless", Sizes::default(), &world::stateless_tables());
    for case in cases::all().iter().chain(&cases::stateless::all()) {
        check(case, &mut kernel);
    }
}

/// Tables that are so full that a few buckets of each have no place left: what lvsd writes there the program finds,
/// and what the program writes lvsd finds. They are not so full that a connection finds no place at all.
#[test]
fn kernel_and_lvsd_know_the_same_connections() {
    const CONNECTIONS: u16 = 1200;
    let few = config::Connections { size: 3200, ipv6_size: 3200, ..Default::default() };
    let sizes = Sizes::of(&few, limits::REAL_SERVERS as u32);
    let mut kernel = Kernel::with("same", sizes, &world::tables());
    let (vip, vip_v6, client) = (world::VIP, world::VIP_V6, v6::CLIENT);
    let flow_v4 = |client_port: u16| {
        let (client_port, port) = (client_port.to_be_bytes(), 80u16.to_be_bytes());
        let key = ConnectionKey { client: f::CLIENT, vip, client_port, port };
        FlowName::V4(Flow { key, protocol: u32::from(TCP) })
    };
    let flow_v6 = |client_port: u16| {
        let (client_port, port) = (client_port.to_be_bytes(), 80u16.to_be_bytes());
        let key = ConnectionKeyV6 { client, vip: vip_v6, client_port, port };
        FlowName::V6(Flow { key, protocol: u32::from(TCP) })
    };
    let [web, web_v6] = [world::WEB[2], world::WEB_V6[1]];
    let now = Instant::now();
    for port in 1..=CONNECTIONS {
        for (flow, to) in [(flow_v4(port), web), (flow_v6(port), web_v6)] {
            let (real_server, state, age) = (to.index, state::ESTABLISHED, Duration::ZERO);
            let known = Known { flow, real_server, state, age };
            assert_eq!(kernel.told.store.put(&known, false, now), Put::Recorded, "{port}");
        }
    }
    for port in 1..=CONNECTIONS {
        for (mut frame, to) in
            [(f::tcp(port, 80, f::ACK), web), (v6::tcp(port, 80, f::ACK), web_v6)]
        {
            kernel.run(&mut frame);
            assert_eq!(frame[..6], to.mac(), "{port}");
        }
    }
    drop(kernel);
    let mut kernel = Kernel::with("same-too", sizes, &world::tables());
    for port in 1..=CONNECTIONS {
        for flags in [f::SYN, f::ACK] {
            kernel.run(&mut f::tcp(port, 80, flags));
            kernel.run(&mut v6::tcp(port, 80, flags));
        }
    }
    for port in 1..=CONNECTIONS {
        for flow in [flow_v4(port), flow_v6(port)] {
            let known = kernel.told.store.find(flow, now).expect("what the program has recorded");
            assert_eq!(known.state, state::ESTABLISHED, "{port}");
        }
    }
}

/// What is a copy is found, and from the moment that its service is another, or none, it is none.
#[test]
fn kernel_goes_by_copies_and_by_none_that_is_old() {
    let (with, mut without) = (world::tables(), world::tables());
    without.services.retain(|key, _| key.port != 80u16.to_be_bytes());
    assert!(without.services.len() < with.services.len());
    let mut kernel = Kernel::new("copies");
    let mut ports = 1000..;
    let mut expect = |kernel: &mut Kernel, verdict, when: &str| {
        let port = ports.next().expect("a port");
        for mut syn in [f::tcp(port, 80, f::SYN), v6::tcp(port, 80, f::SYN)] {
            assert_eq!(kernel.run(&mut syn), verdict, "{when}");
        }
    };
    expect(&mut kernel, Verdict::Transmit, "in both");
    for write in plan(&without, &with) {
        kernel.dataplane.write(&write).expect("a write to a map");
    }
    expect(&mut kernel, Verdict::Pass, "in none, at once");
    kernel.dataplane.copy_services(&with.services);
    expect(&mut kernel, Verdict::Pass, "its place rests");
    std::thread::sleep(Duration::from_millis(1100));
    kernel.dataplane.copy_services(&with.services);
    expect(
        &mut kernel,
        Verdict::Transmit,
        "a copy of what is not there shows that copies are used",
    );
    kernel.dataplane.copy_services(&without.services);
    expect(&mut kernel, Verdict::Pass, "in none again");
    for write in plan(&with, &without) {
        kernel.dataplane.write(&write).expect("a write to a map");
    }
    expect(&mut kernel, Verdict::Transmit, "without a copy");
    kernel.dataplane.copy_services(&without.services);
    expect(&mut kernel, Verdict::Pass, "its place says that there is no other");
    kernel.dataplane.copy_services(&with.services);
    expect(&mut kernel, Verdict::Transmit, "its place rests, so the map is asked again");
}

#[test]
fn kernel_sends_a_flood_where_it_would_find_it_again() {
    let few = config::Connections { half_open: 100, ipv6_half_open: 100, ..Default::default() };
    let sizes = Sizes::of(&few, limits::REAL_SERVERS as u32);
    laws::a_flood_goes_by_hash(&mut Kernel::with("by-hash", sizes, &world::tables()));
}

#[test]
fn kernel_asking_takes_no_turn() {
    explained::asking_takes_no_turn(&mut Kernel::new("asking"));
}

#[test]
fn kernel_share_is_exact() {
    laws::share_is_exact(&mut Kernel::new("share"));
}

#[test]
fn kernel_goes_by_its_lease() {
    laws::it_goes_by_its_lease(&mut Kernel::new("lease"));
}

#[test]
fn kernel_tells_what_is_new() {
    told::it_tells_what_is_new(&mut Kernel::new("told"));
}

#[test]
fn kernel_goes_untold_where_another_would_guess() {
    told::untold_it_goes_where_another_would_guess(&mut Kernel::new("untold"));
}

#[test]
fn kernel_does_not_reset_what_may_be_told_of() {
    told::what_may_be_told_of_is_not_reset(&mut Kernel::new("strays"));
}

#[test]
fn kernel_flood_costs_no_connection() {
    laws::a_flood_costs_no_connection(&mut Kernel::new("flood"), 1_000, 300_000);
}

/// As many real servers as can be compared, none of which gets a second connection before each has
/// its first.
#[test]
fn kernel_compares_a_thousand_real_servers() {
    const SERVERS: u16 = limits::COMPARED_REAL_SERVERS as u16;
    let mut kernel = Kernel::new("compared");
    let servers: Vec<_> = (1..=SERVERS).map(|number| (number, 1)).collect();
    for scheduler in [Scheduler::Lc, Scheduler::Wlc, Scheduler::Sed, Scheduler::Nq] {
        let tables =
            place(&mut Placement::new(100_000), &[service(world::VIP.into(), scheduler, &servers)]);
        for write in plan(&tables, &Tables::default()) {
            kernel.dataplane.write(&write).expect("a write to a map");
        }
        let mut begun = vec![0; usize::from(SERVERS)];
        for number in 0..2 * SERVERS {
            // sed and nq look at established connections alone.
            let client = [11, scheduler.kind() as u8, 0, 1];
            let mut to = 0;
            for flags in [f::SYN, f::ACK] {
                let mut frame = f::patched(f::tcp(number, 80, flags), 26, &client);
                assert_eq!(kernel.run(&mut frame), Verdict::Transmit, "{scheduler}");
                to = services::number(&frame);
            }
            begun[usize::from(to) - 1] += 1;
        }
        assert!(begun.iter().all(|&connections| connections == 2), "{scheduler}: {begun:?}");
    }
}

//! What a packet of a known connection costs with tables of this size.
//!
//! The program has tables of its own, filled as lvsd does it. All packets go to one service, because that is what
//! can be made fast enough; but their connections name real servers of all services, and it is those that a
//! packet's way goes by: their MACs, their counters and those of their services are what is read and written.

use std::{
    net::SocketAddrV4,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use lvs_common::{
    abi::{ConnectionKey, Traffic},
    connections::state,
    flow::Flow,
};
use lvs_userspace::{
    config::Config,
    dataplane::{
        Dataplane as _, Placement, Service, Tables,
        bpf::{BpfDataplane, Sizes},
        plan,
        store::{ConnectionStore, FlowName, Known, Put},
    },
    model::{Scheduler, ServiceId},
};

use crate::{
    bench::{Bench, action},
    flows, machine,
    plan::Plan,
    results::Figure,
    services::{place, service},
    size::Size,
};

/// Packets in a run, if there are not more connections.
const PACKETS: u32 = 1 << 20;
/// How often everything is measured; the median counts.
const ROUNDS: usize = 3;
/// Odd, with as many bits set as not.
const SCATTERED: u64 = 0x9e37_79b9_7f4a_7c15;

/// The program with its tables.
struct Program {
    dataplane: BpfDataplane,
    store: ConnectionStore,
    bench: Bench,
    services: Vec<u32>,
    /// What packets go to.
    to: SocketAddrV4,
}

/// All of it; what it has loaded goes with it.
pub(crate) fn measure(size: &Size) -> Result<Vec<Figure>> {
    machine::settle()?;
    let flows = size.connections.next_power_of_two();
    let to = size.service(0);
    let (mut program, real_servers, filled) = Program::load(size, flows)?;
    let when = "what a packet costs";
    let mut figures = vec![Figure {
        when,
        what: "writing services and real servers to the maps".to_owned(),
        value: filled.as_secs_f64(),
        unit: "s",
    }];
    let of_first = &real_servers[..size.real_servers as usize];
    for (real_servers, whose) in [(of_first, "one service"), (&real_servers, "all services")] {
        for number in 0..u64::from(flows) {
            // Those of connections that follow each other don't lie beside each other.
            let at = number.wrapping_mul(SCATTERED) >> 32;
            let real_server = real_servers[at as usize % real_servers.len()];
            program.put(number, real_server, to)?;
        }
        let (mut one, mut all) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            one.push(program.known(1)?);
            all.push(program.known(flows)?);
        }
        for (connections, ns) in [(1, one), (flows, all)] {
            let what = format!(
                "known TCP connection, {connections} in turn, {} real servers",
                if connections == 1 { 1 } else { real_servers.len() }
            );
            let what = if connections == 1 { format!("{what} ({whose})") } else { what };
            figures.push(Figure { when, what, value: median(ns), unit: "ns" });
        }
    }
    Ok(figures)
}

impl Program {
    /// With all services; gives the indexes of their real servers, and how long it took to fill the maps.
    fn load(size: &Size, flows: u32) -> Result<(Self, Vec<u32>, Duration)> {
        let pins = PathBuf::from(format!("/sys/fs/bpf/lvs-bench-{}", std::process::id()));
        let text = Size { services: 0, connections: flows, ..size.clone() }.config(1);
        let config = Config::parse(&text, "bench")?;
        let mut dataplane = BpfDataplane::load(&pins, Sizes::new(&config), 0)?;
        let services: Vec<_> = (0..size.services).map(|number| of(size, number)).collect();
        let mut placement = Placement::new(config.director.max_real_servers);
        let tables = place(&mut placement, &services);
        let start = Instant::now();
        for write in plan(&tables, &Tables::default()) {
            dataplane.write(&write)?;
        }
        let time = start.elapsed();
        let mut bench = Bench::load(1)?;
        bench.aim(dataplane.program()?.fd()?)?;
        let program = Self {
            store: dataplane.told()?.store,
            dataplane,
            bench,
            services: tables.services.values().map(|it| it.id).collect(),
            to: size.service(0),
        };
        Ok((program, tables.real_servers.keys().copied().collect(), time))
    }

    /// Has the program know a connection, or know another real server for it.
    fn put(&self, number: u64, real_server: u32, to: SocketAddrV4) -> Result<()> {
        let client = flows::client(number);
        let key = ConnectionKey {
            client: client.ip().octets(),
            vip: to.ip().octets(),
            client_port: client.port().to_be_bytes(),
            port: to.port().to_be_bytes(),
        };
        let flow = FlowName::V4(Flow { key, protocol: 6 });
        let known = Known { flow, real_server, state: state::ESTABLISHED, age: Duration::ZERO };
        let put = self.store.put(&known, false, Instant::now());
        ensure!(matches!(put, Put::Recorded | Put::Updated), "connection {number}: {put:?}");
        Ok(())
    }

    /// Packets of so many connections that are known, in turn; gives the nanoseconds for one.
    fn known(&mut self, flows: u32) -> Result<f64> {
        let packets = PACKETS.max(flows);
        let plan = flows::plan(self.to, flows::ACK);
        let plan = Plan { mask: u64::from(flows) - 1, ..plan };
        let before = self.traffic()?;
        let run = self.bench.show([plan, plan], &flows::frame(self.to), packets)?;
        let after = self.traffic()?;
        let sent = after.packets - before.packets;
        let begun = after.connections - before.connections;
        ensure!(
            run.action == action::TX && sent == u64::from(packets) && begun == 0,
            "of {packets} packets, {sent} were forwarded, and {begun} began a connection",
        );
        Ok(run.ns)
    }

    /// Of all services.
    fn traffic(&self) -> Result<Traffic> {
        let mut traffic = Traffic::default();
        for &id in &self.services {
            traffic += self.dataplane.service_traffic(id)?;
        }
        Ok(traffic)
    }
}

/// A service, with real servers of its own.
fn of(size: &Size, number: u32) -> Service {
    let to = size.service(number);
    // There are not as many numbers as real servers.
    let first = number * size.real_servers;
    let numbers = (first..first + size.real_servers).map(|it| (it as u16, 1));
    let service = service((*to.ip()).into(), Scheduler::Wrr, &numbers.collect::<Vec<_>>());
    Service { id: ServiceId { port: to.port(), ..service.id }, ..service }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}

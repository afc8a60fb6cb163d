//! What a packet of a known connection costs with tables of this size, beside one service and few connections.
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
    limits,
};
use lvs_userspace::{
    config::Connections,
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
    results::{Figure, with_commas},
    services::{place, service},
    size::Size,
};

/// Packets in a run, at least.
const PACKETS: u32 = 1 << 20;
/// Connections that are few. A power of two.
const FEW: u32 = 1 << 10;
/// How often everything is measured; the median counts. What comes before that does not.
const ROUNDS: usize = 5;
/// Odd, with as many bits set as not.
const SCATTERED: u64 = 0x9e37_79b9_7f4a_7c15;

/// The program with its tables.
struct Program {
    dataplane: BpfDataplane,
    store: ConnectionStore,
    bench: Bench,
    services: Vec<u32>,
    real_servers: Vec<u32>,
    /// What packets go to.
    to: SocketAddrV4,
}

/// All of it; what it has loaded goes with it.
pub(crate) fn measure(size: &Size) -> Result<Vec<Figure>> {
    machine::settle()?;
    let one = Size { services: 1, connections: FEW, ..size.clone() };
    let mut small = Program::load("small", &one, Connections::default().size)?;
    let mut large = Program::load("large", size, size.connections)?;
    let mut all = [Vec::new(), Vec::new(), Vec::new()];
    for round in 0..=ROUNDS {
        let turn = [small.few()?, large.few()?, large.all(size.connections)?];
        if round > 0 {
            all.iter_mut().zip(turn).for_each(|(all, ns)| all.push(ns));
        }
    }
    let [small, few, many] = all.map(median);
    let when = "a packet of a known TCP connection";
    let figure = |what: String, value, unit| Figure { when, what, value, unit };
    let (few_ones, many_ones) = (with_commas(FEW), with_commas(size.connections));
    Ok(vec![
        figure(format!("1 service, {few_ones} connections, tables as usual"), small, "ns"),
        figure(format!("all services, {few_ones} of the connections"), few, "ns"),
        figure(format!("all services, all {many_ones} connections"), many, "ns"),
    ])
}

impl Program {
    /// With all services, and all connections in a table for so many.
    fn load(name: &str, size: &Size, room: u32) -> Result<Self> {
        let pins = PathBuf::from(format!("/sys/fs/bpf/lvs-bench-{}-{name}", std::process::id()));
        let connections = Connections { size: room, ipv6_size: 1024, ..Connections::default() };
        let real_servers = limits::REAL_SERVERS as u32;
        let mut dataplane = BpfDataplane::load(&pins, Sizes::of(&connections, real_servers), 0)?;
        let services: Vec<_> = (0..size.services).map(|number| of(size, number)).collect();
        let tables = place(&mut Placement::new(real_servers), &services);
        for write in plan(&tables, &Tables::default()) {
            dataplane.write(&write)?;
        }
        let mut bench = Bench::load(1)?;
        bench.aim(dataplane.program()?.fd()?)?;
        let program = Self {
            store: dataplane.told()?.store,
            dataplane,
            bench,
            services: tables.services.values().map(|it| it.id).collect(),
            real_servers: tables.real_servers.keys().copied().collect(),
            to: size.service(0),
        };
        (0..u64::from(size.connections)).try_for_each(|number| program.put(number))?;
        Ok(program)
    }

    /// Has the program know a connection.
    fn put(&self, number: u64) -> Result<()> {
        let (client, to) = (flows::client(number), self.to);
        let key = ConnectionKey {
            client: client.ip().octets(),
            vip: to.ip().octets(),
            client_port: client.port().to_be_bytes(),
            port: to.port().to_be_bytes(),
        };
        let flow = FlowName::V4(Flow { key, protocol: 6 });
        // Those of connections that follow each other don't lie beside each other.
        let at = (number.wrapping_mul(SCATTERED) >> 32) as usize % self.real_servers.len();
        let real_server = self.real_servers[at];
        let known = Known { flow, real_server, state: state::ESTABLISHED, age: Duration::ZERO };
        let put = self.store.put(&known, false, Instant::now());
        ensure!(put == Put::Recorded, "connection {number}: {put:?}");
        Ok(())
    }

    /// Packets of the first connections, again and again.
    fn few(&mut self) -> Result<f64> {
        self.known(PACKETS, u64::from(FEW) - 1)
    }

    /// A packet of each connection.
    fn all(&mut self, connections: u32) -> Result<f64> {
        self.known(connections, u64::MAX)
    }

    /// So many packets, of connections that differ in these bits of their numbers; gives the nanoseconds for
    /// one.
    fn known(&mut self, packets: u32, mask: u64) -> Result<f64> {
        let plan = Plan { mask, ..flows::plan(self.to, flows::ACK) };
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
            traffic += self.dataplane.service_traffic(id)?.all;
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

//! The packet cases on the host.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
};

use lvs_common::{
    abi::{self, Connection, FlowKey, Interface, RealServer, Service, ServiceKey, Traffic, Vip},
    fate::Fate,
    forward::{self, Verdict},
};
use lvs_userspace::dataplane::Tables;

use crate::{Runner, cases, check, world};

/// The maps as ordinary collections.
pub struct HostTables {
    tables: Tables,
    turns: RefCell<HashMap<u32, u64>>,
    pub connections: BTreeMap<FlowKey, Connection>,
    services: HashMap<u32, Traffic>,
    real_servers: HashMap<u32, Traffic>,
    fates: HashMap<Fate, u64>,
}

impl HostTables {
    pub fn new(tables: Tables) -> Self {
        Self {
            tables,
            turns: RefCell::default(),
            connections: BTreeMap::new(),
            services: HashMap::new(),
            real_servers: HashMap::new(),
            fates: HashMap::new(),
        }
    }
}

impl forward::Tables for HostTables {
    fn service(&self, key: &ServiceKey) -> Option<Service> {
        self.tables.services.get(key).copied()
    }

    fn connection(&self, flow: &FlowKey) -> Option<Connection> {
        self.connections.get(flow).copied()
    }

    fn real_server(&self, index: u32) -> Option<&RealServer> {
        self.tables.real_servers.get(&index)
    }

    fn slot(&self, index: u32) -> Option<u32> {
        let (first, turns) = self.tables.slots.range(..=index).next_back()?;
        turns.get((index - first) as usize).copied()
    }

    fn take_turn(&self, service: u32) -> Option<u64> {
        let mut turns = self.turns.borrow_mut();
        let turn = turns.entry(service).or_default();
        *turn += 1;
        Some(*turn - 1)
    }

    fn vip(&self, address: [u8; 4]) -> Option<Vip> {
        self.tables.vips.get(&address).copied()
    }

    fn ingress(&self) -> Option<abi::Interface> {
        let interface: Option<&Interface> = self.tables.interfaces.get(&world::INTERFACE);
        interface.copied()
    }

    fn record(&mut self, flow: &FlowKey, connection: Connection) {
        self.connections.insert(*flow, connection);
    }

    fn account(&mut self, service: u32, real_server: u32, traffic: Traffic) {
        *self.services.entry(service).or_default() += traffic;
        *self.real_servers.entry(real_server).or_default() += traffic;
    }

    fn count(&mut self, fate: Fate) {
        *self.fates.entry(fate).or_default() += 1;
    }
}

impl Runner for HostTables {
    fn run(&mut self, frame: &mut [u8]) -> Verdict {
        forward::run(frame, self)
    }

    fn fate(&self, fate: Fate) -> u64 {
        self.fates.get(&fate).copied().unwrap_or_default()
    }

    fn real_server_traffic(&self, index: u32) -> Traffic {
        self.real_servers.get(&index).copied().unwrap_or_default()
    }

    fn service_traffic(&self, id: u32) -> Traffic {
        self.services.get(&id).copied().unwrap_or_default()
    }
}

#[test]
fn packet_cases() {
    let mut host = HostTables::new(world::tables());
    for case in cases::all() {
        check(&case, &mut host);
    }
}

#[test]
fn names_of_cases_are_distinct() {
    let mut names: Vec<_> = cases::all().iter().map(|case| case.name).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
}

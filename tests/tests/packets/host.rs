//! The packet cases on the host.

mod buckets;
mod frame;

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
};

use lvs_common::{
    abi::{
        Begun, ConnectionKey, ConnectionKeyV6, FragmentKey, Interface, LAYOUT, Load, RealServer,
        Service, ServiceKey, Settings, Template, TemplateKey, Traffic, service_flags,
    },
    fate::Fate,
    flow::Flow,
    forward::{self, Explanation, FamilyTables, Peek, Table, Verdict},
    packet::transport::Segment,
    schedule::{self, Best, Slots},
    vip_filter::{self, Marks},
};
use lvs_userspace::dataplane::Tables;

use crate::{
    Lease, Runner, cases, check,
    told::{Subject, Told},
    world,
};
use buckets::HostBucket;
use frame::HostFrame;

/// Buckets of each table: few, so that flows meet.
pub const BUCKETS: u32 = 512;

/// The maps as ordinary collections.
#[derive(Clone, PartialEq)]
pub struct HostTables {
    pub tables: Tables,
    pub settings: Settings,
    pub jiffies: Cell<u64>,
    turns: RefCell<HashMap<u32, u64>>,
    loads: RefCell<HashMap<u32, Load>>,
    templates: RefCell<HashMap<TemplateKey, Template>>,
    fragments: RefCell<HashMap<FragmentKey, u32>>,
    v4: [Vec<HostBucket<ConnectionKey>>; 2],
    v6: [Vec<HostBucket<ConnectionKeyV6>>; 2],
    real_servers: RefCell<HashMap<u32, Traffic>>,
    fates: RefCell<HashMap<Fate, u64>>,
    told: RefCell<Told>,
    begun: [Cell<Begun>; 2],
}

impl HostTables {
    pub fn new(tables: Tables) -> Self {
        let loads = tables.limits.iter().map(|(&index, limits)| {
            let load = Load {
                active: 0,
                inactive: 0,
                weight: limits.weight,
                upper_threshold: limits.upper_threshold,
                lower_threshold: limits.lower_threshold,
                overloaded: 0,
            };
            (index, load)
        });
        Self {
            settings: Settings {
                secrets: std::array::from_fn(|at| {
                    (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
                }),
                active_until: u64::MAX,
                answers_until: u64::MAX,
                scheduled_until: u64::MAX,
                strays_until: 0,
                tells: 0,
                cpus: 1,
                clock_shift: 8,
                buckets: BUCKETS,
                half_open_buckets: BUCKETS,
                buckets_v6: BUCKETS,
                half_open_buckets_v6: BUCKETS,
                layout: LAYOUT,
            },
            jiffies: Cell::new(1_000_000),
            turns: RefCell::default(),
            loads: RefCell::new(loads.collect()),
            templates: RefCell::default(),
            fragments: RefCell::default(),
            v4: std::array::from_fn(|_| (0..BUCKETS).map(|_| HostBucket::default()).collect()),
            v6: std::array::from_fn(|_| (0..BUCKETS).map(|_| HostBucket::default()).collect()),
            real_servers: RefCell::default(),
            fates: RefCell::default(),
            told: RefCell::default(),
            begun: Default::default(),
            tables,
        }
    }
}

fn at(table: Table) -> usize {
    match table {
        Table::Established => 0,
        Table::HalfOpen => 1,
    }
}

macro_rules! family {
    ($address:ty, $key:ty, $buckets:ident, $begun:literal) => {
        impl FamilyTables<$address> for HostTables {
            type Bucket = HostBucket<$key>;

            fn bucket(&self, table: Table, index: u32) -> Option<&Self::Bucket> {
                self.$buckets[at(table)].get(index as usize)
            }

            fn n_buckets(&self, _: Table, settings: &Settings) -> u32 {
                settings.buckets
            }

            fn begun(&self) -> Begun {
                self.begun[$begun].get()
            }

            fn set_begun(&self, begun: Begun) {
                self.begun[$begun].set(begun);
            }

            fn unrecorded(&self, flow: &Flow<$address>) -> u32 {
                forward::unrecorded(flow, self)
            }

            fn make_room(&self, flow: &Flow<$address>) -> u32 {
                forward::make_room(flow, self)
            }

            fn long_way(&self, flow: &Flow<$address>, segment: Segment) -> u64 {
                forward::long_way(flow, segment, self)
            }

            fn choose(&self, flow: &Flow<$address>) -> u64 {
                forward::choose(flow, self)
            }

            fn settle(&self, flow: &Flow<$address>, segment: Segment, decided: u64) -> u64 {
                forward::settle(flow, segment, decided, self)
            }

            fn tell(&self, flow: &Flow<$address>, table: Table) {
                let mut told = self.told.borrow_mut();
                let told = match table {
                    Table::Established => &mut told.changes,
                    Table::HalfOpen => &mut told.beginnings,
                };
                told.push(Subject::Connection(u16::from_be_bytes(flow.key.client_port)));
            }

            fn find(&self, flow: &Flow<$address>, segment: Segment, table: Table) -> u64 {
                forward::find(flow, segment, table, self)
            }
        }
    };
}

family!([u8; 4], ConnectionKey, v4, 0);
family!([u8; 16], ConnectionKeyV6, v6, 1);

impl forward::Loads for HostTables {
    fn slot(&self, index: u32) -> Option<u32> {
        let (first, slots) = self.tables.slots.range(..=index).next_back()?;
        slots.get((index - first) as usize).copied()
    }

    fn load(&self, real_server: u32) -> Option<Load> {
        self.loads.borrow().get(&real_server).copied()
    }

    fn is_overloaded(&self, real_server: u32) -> bool {
        schedule::is_overloaded(self, real_server)
    }

    fn compare(&self, slots: Slots, best: &mut Best) -> bool {
        schedule::compare(slots, best, self)
    }

    fn set_overloaded(&self, real_server: u32, overloaded: bool) {
        if let Some(load) = self.loads.borrow_mut().get_mut(&real_server) {
            load.overloaded = overloaded.into();
        }
    }
}

impl forward::Tables for HostTables {
    fn settings(&self) -> Option<&Settings> {
        Some(&self.settings)
    }

    fn jiffies(&self) -> u64 {
        self.jiffies.get()
    }

    fn ingress(&self) -> u32 {
        world::INTERFACE
    }

    fn interface(&self) -> Option<Interface> {
        self.tables.interfaces.get(&world::INTERFACE).copied()
    }

    fn service(&self, key: &ServiceKey) -> Option<&Service> {
        self.tables.services.get(key)
    }

    fn marks(&self, fold: u32) -> Marks {
        let of_stateless = |(key, service): (&ServiceKey, &Service)| {
            service.flags & service_flags::STATELESS != 0 && vip_filter::fold_of(key.vip) == fold
        };
        let vip = self.tables.vips.keys().any(|vip| vip_filter::fold_of(*vip) == fold);
        let stateless = self.tables.services.iter().any(of_stateless);
        let bit = |is_set, bit| if is_set { bit } else { 0 };
        Marks::new(bit(vip, Marks::VIP) | bit(stateless, Marks::STATELESS))
    }

    fn is_vip(&self, address: &[u8; 16]) -> bool {
        self.tables.vips.contains_key(address)
    }

    fn real_server(&self, index: u32) -> Option<&RealServer> {
        self.tables.real_servers.get(&index)
    }

    fn take_turn(&self, service: u32) -> Option<u64> {
        let mut turns = self.turns.borrow_mut();
        let turn = turns.entry(service).or_default();
        *turn += 1;
        Some(*turn - 1)
    }

    fn least(&self, slots: Slots) -> u32 {
        schedule::least(slots, self)
    }

    fn add_connections(&self, real_server: u32, active: i32, inactive: i32) {
        if let Some(load) = self.loads.borrow_mut().get_mut(&real_server) {
            load.active = load.active.wrapping_add_signed(active);
            load.inactive = load.inactive.wrapping_add_signed(inactive);
        }
    }

    fn template(&self, key: &TemplateKey) -> Option<Template> {
        self.templates.borrow().get(key).copied()
    }

    fn set_template(&self, key: &TemplateKey, template: Template) {
        self.templates.borrow_mut().insert(*key, template);
    }

    fn tell_template(&self, _: &TemplateKey) {
        self.told.borrow_mut().changes.push(Subject::Client);
    }

    fn fragment(&self, key: &FragmentKey) -> Option<u32> {
        self.fragments.borrow().get(key).copied()
    }

    fn set_fragment(&self, key: &FragmentKey, real_server: u32) {
        self.fragments.borrow_mut().insert(*key, real_server);
    }

    fn account(&self, real_server: u32, traffic: Traffic) {
        *self.real_servers.borrow_mut().entry(real_server).or_default() += traffic;
    }

    fn count(&self, fate: Fate) {
        *self.fates.borrow_mut().entry(fate).or_default() += 1;
    }
}

impl forward::Peekable for HostTables {
    fn next_turn(&self, service: u32) -> Option<u64> {
        Some(self.turns.borrow().get(&service).copied().unwrap_or_default())
    }

    fn peek_overloaded(&self, real_server: u32) -> bool {
        schedule::is_overloaded(&Peek::new(self), real_server)
    }

    fn peek_compare(&self, slots: Slots, best: &mut Best) -> bool {
        schedule::compare(slots, best, &Peek::new(self))
    }

    fn peek_least(&self, slots: Slots) -> u32 {
        schedule::least(slots, &Peek::new(self))
    }
}

impl HostTables {
    /// Without the shortcut.
    pub fn run_the_whole_way(&self, frame: &mut Vec<u8>) -> Verdict {
        forward::whole_way(&mut HostFrame(frame), self)
    }
}

impl Runner for HostTables {
    fn run(&mut self, frame: &mut Vec<u8>) -> Verdict {
        forward::run(&mut HostFrame(frame), self)
    }

    fn explain(&mut self, frame: &[u8]) -> Option<Explanation> {
        forward::explain(&HostFrame(&mut frame.to_vec()), self)
    }

    fn lease(&mut self, lease: Lease) {
        let until = |yes| if yes { self.jiffies.get() } else { self.jiffies.get() - 1 };
        self.settings.active_until = until(lease != Lease::Over);
        self.settings.answers_until = until(lease == Lease::Whole);
    }

    fn listen(&mut self, tells: u32) {
        self.settings.tells = tells;
    }

    fn told(&mut self) -> Told {
        self.told.take()
    }

    fn follow(&mut self, is_followed: bool) {
        self.settings.scheduled_until = if is_followed { u64::MAX } else { self.jiffies.get() - 1 };
    }

    fn hold_strays(&mut self, holds: bool) {
        self.settings.strays_until = if holds { self.jiffies.get() } else { 0 };
    }

    fn unrecorded(&self) -> u64 {
        self.begun.iter().map(|it| it.get().unrecorded).sum()
    }

    fn fate(&self, fate: Fate) -> u64 {
        self.fates.borrow().get(&fate).copied().unwrap_or_default()
    }

    fn real_server_traffic(&self, index: u32) -> Traffic {
        self.real_servers.borrow().get(&index).copied().unwrap_or_default()
    }

    fn service_traffic(&self, id: u32) -> Traffic {
        let mut all = Traffic::default();
        for (index, traffic) in self.real_servers.borrow().iter() {
            if self.tables.real_servers.get(index).is_some_and(|it| it.service == id) {
                all += *traffic;
            }
        }
        all
    }
}

#[test]
fn packet_cases() {
    let mut host = HostTables::new(world::tables());
    for case in cases::all() {
        check(&case, &mut host);
    }
}

/// Where services remember nothing the way is another, for all others, too.
#[test]
fn packet_cases_beside_services_that_remember_nothing() {
    let mut host = HostTables::new(world::stateless_tables());
    for case in cases::all().iter().chain(&cases::stateless::all()) {
        check(case, &mut host);
    }
}

#[test]
fn names_of_cases_are_distinct() {
    let all = cases::all().into_iter().chain(cases::stateless::all());
    let mut names: Vec<_> = all.map(|case| case.name).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
}

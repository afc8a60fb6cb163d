//! The schedulers that compare, against the formulas of IPVS, written down once more and naively.

use std::cell::RefCell;

use lvs_common::{
    abi::{Load, scheduler},
    forward::Loads,
    limits,
    schedule::{self, Best, Slots},
};
use proptest::prelude::*;

/// Real servers 1, 2, 3 and so on, one slot each.
struct Servers(RefCell<Vec<Load>>);

impl Servers {
    fn new(loads: impl IntoIterator<Item = Load>) -> Self {
        Self(RefCell::new(loads.into_iter().collect()))
    }

    fn least(&self, scheduler: u32) -> u32 {
        self.least_in_turn(0, scheduler)
    }

    fn least_in_turn(&self, turn: u64, scheduler: u32) -> u32 {
        let n = self.0.borrow().len() as u32;
        schedule::least(Slots { first: 0, n, scheduler }.some(turn), self)
    }

    fn add(&self, server: u32, active: i32) {
        let mut loads = self.0.borrow_mut();
        let load = &mut loads[server as usize - 1];
        load.active = load.active.wrapping_add_signed(active);
    }
}

impl Loads for Servers {
    fn slot(&self, index: u32) -> Option<u32> {
        Some(index + 1)
    }

    fn load(&self, real_server: u32) -> Option<Load> {
        self.0.borrow().get(real_server as usize - 1).copied()
    }

    fn is_overloaded(&self, real_server: u32) -> bool {
        schedule::is_overloaded(self, real_server)
    }

    fn compare(&self, slots: Slots, best: &mut Best) -> bool {
        schedule::compare(slots, best, self)
    }

    fn set_overloaded(&self, real_server: u32, overloaded: bool) {
        self.0.borrow_mut()[real_server as usize - 1].overloaded = overloaded.into();
    }
}

fn load(active: u32, inactive: u32, weight: u32) -> Load {
    Load { active, inactive, weight, upper_threshold: 0, lower_threshold: 0, overloaded: 0 }
}

/// The real servers that are compared in a turn.
fn compared(loads: &[Load], turn: u64) -> Vec<(u32, Load)> {
    let all: Vec<_> = (1..).zip(loads.iter().copied()).collect();
    let most = limits::COMPARED_AT_ONCE as usize;
    let groups = all.len().div_ceil(most).max(1);
    let first = (turn as usize % groups * most).min(all.len().saturating_sub(most));
    all.into_iter().skip(first).take(most).collect()
}

/// The first of those with the least cost, as exact fractions.
fn naive(loads: &[(u32, Load)], cost: impl Fn(&Load) -> (u128, u128)) -> u32 {
    let mut best: Option<(u32, (u128, u128))> = None;
    for &(server, load) in loads.iter().filter(|(_, load)| load.weight > 0) {
        let (cost, weight) = cost(&load);
        if best.is_none_or(|(_, (least, its))| cost * its < least * weight) {
            best = Some((server, (cost, weight)));
        }
    }
    best.map_or(0, |(server, _)| server)
}

fn loads() -> impl Strategy<Value = Vec<Load>> {
    let few = (0u32..4, 0u32..4, 0u32..4);
    let many = (0u32..2_000_000, 0u32..2_000_000, 0u32..65_536);
    let any = prop_oneof![few, many]
        .prop_map(|(active, inactive, weight)| load(active, inactive, weight));
    prop_oneof![prop::collection::vec(any.clone(), 0..40), prop::collection::vec(any, 200..1024),]
}

proptest! {
    #[test]
    fn picks_are_those_of_ipvs(loads in loads(), turn in any::<u64>()) {
        let servers = Servers::new(loads.clone());
        let loads = compared(&loads, turn);
        let connections = |it: &Load| u128::from(it.active) * 256 + u128::from(it.inactive);
        let lc = naive(&loads, |it| (connections(it), 1));
        prop_assert_eq!(servers.least_in_turn(turn, scheduler::LEAST), lc);
        let wlc = naive(&loads, |it| (connections(it), it.weight.into()));
        prop_assert_eq!(servers.least_in_turn(turn, scheduler::WEIGHTED_LEAST), wlc);
        let sed = naive(&loads, |it| (u128::from(it.active) + 1, it.weight.into()));
        prop_assert_eq!(servers.least_in_turn(turn, scheduler::SHORTEST_DELAY), sed);
        let idle = loads.iter().find(|(_, it)| it.weight > 0 && it.active == 0);
        let nq = idle.map_or(sed, |(server, _)| *server);
        prop_assert_eq!(servers.least_in_turn(turn, scheduler::NEVER_QUEUE), nq);
    }

    #[test]
    fn wlc_shares_out_by_weight(weights in prop::collection::vec(1u32..20, 1..10)) {
        let servers = Servers::new(weights.iter().map(|&weight| load(0, 0, weight)));
        let rounds = 50;
        for _ in 0..rounds * weights.iter().sum::<u32>() {
            servers.add(servers.least(scheduler::WEIGHTED_LEAST), 1);
        }
        for (load, weight) in servers.0.borrow().iter().zip(&weights) {
            prop_assert!(load.active.abs_diff(rounds * weight) <= 1, "{load:?}");
        }
    }
}

#[test]
fn thresholds_have_hysteresis() {
    let limited = Load { upper_threshold: 4, lower_threshold: 2, ..load(0, 0, 1) };
    let servers = Servers::new([limited, load(100, 0, 1)]);
    let mut picks = Vec::new();
    for _ in 0..6 {
        let server = servers.least(scheduler::WEIGHTED_LEAST);
        servers.add(server, 1);
        picks.push(server);
    }
    assert_eq!(picks, [1, 1, 1, 1, 2, 2], "no more than four");
    servers.add(1, -1);
    servers.add(1, -1);
    assert_eq!(servers.least(scheduler::WEIGHTED_LEAST), 2, "two are not fewer than two");
    servers.add(1, -1);
    assert_eq!(servers.least(scheduler::WEIGHTED_LEAST), 1);
    assert!(!schedule::is_overloaded(&servers, 1));
}

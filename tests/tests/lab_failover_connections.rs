//! One director takes over from the other: no connection that is open breaks, whatever befalls the master.
//! That takes directors that tell each other of their connections.

use anyhow::Result;
use lvs_tests::{
    failover::Plan,
    lab::{Harm, Host, Lab, Options, PairConfig, VIP, VIP_V6},
    takeover::Takeover,
};

/// There and back.
fn connections_survive(harm: Harm, plan: &Plan) -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let mut pair = lab.start_pair(PairConfig::default())?;
    let away = Takeover::measure(harm.to_string(), plan, &mut pair, Host::Standby, |pair| {
        lab.harm(pair, Host::Director, harm)
    })?;
    away.check_connections()?;
    let what = format!("failback after {harm}");
    let back = Takeover::measure(what, plan, &mut pair, Host::Director, |pair| {
        lab.heal(pair, Host::Director, harm)
    })?;
    back.check_connections()
}

#[test]
fn a_master_that_is_killed() -> Result<()> {
    connections_survive(Harm::Killed, &Plan::to(VIP))
}

#[test]
fn a_master_that_is_frozen() -> Result<()> {
    connections_survive(Harm::Frozen, &Plan::to(VIP))
}

#[test]
fn a_master_without_a_cable() -> Result<()> {
    connections_survive(Harm::Unplugged, &Plan::to(VIP))
}

#[test]
fn a_master_without_a_route() -> Result<()> {
    connections_survive(Harm::NoRoute, &Plan::to(VIP))
}

#[test]
fn a_master_that_ends_in_order() -> Result<()> {
    connections_survive(Harm::CleanStop, &Plan::to(VIP))
}

#[test]
fn a_master_that_hands_over() -> Result<()> {
    connections_survive(Harm::HandedOver, &Plan::to(VIP))
}

#[test]
fn a_master_of_an_ipv6_vip() -> Result<()> {
    connections_survive(Harm::Killed, &Plan::to(VIP_V6))
}

//! One director takes over from the other: no connection that is open breaks, whatever befalls the master.
//! That takes directors that tell each other of their connections.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use anyhow::{Result, ensure};
use lvs_tests::{
    failover::Plan,
    lab::{Harm, Host, Lab, Options, PairConfig, VIP, VIP_V6, wait_for},
    takeover::Takeover,
};
use serde_json::{Value, json};

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

/// Its checks have failed, too, as long as its cable was out: it does not take the role back before they
/// pass again, or it would send away the clients of real servers that it takes for dead.
#[test]
fn a_master_without_a_cable_for_long() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let mut pair = lab.start_pair(PairConfig::default())?;
    let check = "check={type=\"tcp\", interval=\"500ms\", timeout=\"400ms\", rise=4, fall=2}";
    for host in [Host::Director, Host::Standby] {
        for vip in ["10.77.0.100:80", "[fd77::100]:80"] {
            let edited = pair.of(host)?.lvsctl(&["service", "edit", "tcp", vip, "--set", check])?;
            ensure!(edited.status.success(), "{}", String::from_utf8_lossy(&edited.stderr));
        }
    }
    let harm = Harm::Unplugged;
    let plan = Plan::to(VIP);
    let away = Takeover::measure(harm.to_string(), &plan, &mut pair, Host::Standby, |pair| {
        lab.harm(pair, Host::Director, harm)
    })?;
    away.check_connections()?;
    wait_for("checks that fail", Duration::from_secs(20), || {
        let services = pair.of(Host::Director).ok()?.services().ok()?;
        let servers = services["services"][0]["real_servers"].as_array()?.clone();
        servers.iter().all(|it| it["health"] == "down").then_some(())
    })?;
    let what = format!("failback after {harm} for long");
    let back = Takeover::measure(what, &plan, &mut pair, Host::Director, |pair| {
        lab.heal(pair, Host::Director, harm)
    })?;
    back.check()?;
    back.check_nothing_lost()?;
    back.check_connections()
}

#[test]
fn a_master_of_an_ipv6_vip() -> Result<()> {
    connections_survive(Harm::Killed, &Plan::to(VIP_V6))
}

/// Services that remember nothing: the other director sends each packet where this one would, though nobody
/// has told it anything.
#[test]
fn a_master_that_remembers_nothing() -> Result<()> {
    for vip in [IpAddr::from(VIP), VIP_V6.into()] {
        let lab = Lab::up(Options::default())?;
        let mut pair = lab.start_pair(PairConfig::with("sync = false"))?;
        for host in [Host::Director, Host::Standby] {
            let keys = ["--set", "scheduler=\"mh\"", "--set", "stateless=true"];
            let service = SocketAddr::new(vip, 80).to_string();
            let edit = [&["service", "edit", "tcp", &service][..], &keys].concat();
            let edited = pair.of(host)?.lvsctl(&edit)?;
            ensure!(edited.status.success(), "{}", String::from_utf8_lossy(&edited.stderr));
        }
        let what = format!("{} of {vip}, without state", Harm::Killed);
        let away = Takeover::measure(what, &Plan::to(vip), &mut pair, Host::Standby, |pair| {
            lab.harm(pair, Host::Director, Harm::Killed)
        })?;
        away.check_connections()?;
        let listed = pair.of(Host::Standby)?.lvsctl(&["connections", "--json"])?;
        let listed: Value = serde_json::from_slice(&listed.stdout)?;
        ensure!(listed["connections"] == json!([]), "{listed:#}");
    }
    Ok(())
}

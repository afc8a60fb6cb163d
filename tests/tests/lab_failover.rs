//! One director takes over from the other: what each way to lose the master costs those who ask, and that
//! the VIP never has two owners. What becomes of connections that are open is looked at in
//! `lab_failover_connections`.

use std::{thread::sleep, time::Duration};

use anyhow::Result;
use lvs_tests::{
    failover::{Plan, Trial},
    lab::{Harm, Host, Lab, Options, PairConfig, VIP, VIP_V6, wait_for},
    takeover::Takeover,
};

const SOON: Duration = Duration::from_secs(20);

/// The master is lost, and comes back: the other is master, then it is again.
fn there_and_back(harm: Harm, config: PairConfig, plan: &Plan) -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let mut pair = lab.start_pair(config)?;
    let away = Takeover::measure(harm.to_string(), plan, &mut pair, Host::Standby, |pair| {
        lab.harm(pair, Host::Director, harm)
    })?;
    away.check()?;
    if harm.is_in_order() {
        away.check_nothing_lost()?;
    }
    let what = format!("failback after {harm}");
    let back = Takeover::measure(what, plan, &mut pair, Host::Director, |pair| {
        lab.heal(pair, Host::Director, harm)
    })?;
    back.check()?;
    back.check_nothing_lost()?;
    pair.wait_until_settled(Host::Director)
}

#[test]
fn a_master_that_is_killed() -> Result<()> {
    there_and_back(Harm::Killed, PairConfig::default(), &Plan::to(VIP))
}

#[test]
fn a_master_that_is_frozen() -> Result<()> {
    there_and_back(Harm::Frozen, PairConfig::default(), &Plan::to(VIP))
}

#[test]
fn a_master_without_a_cable() -> Result<()> {
    there_and_back(Harm::Unplugged, PairConfig::default(), &Plan::to(VIP))
}

#[test]
fn a_master_without_a_route() -> Result<()> {
    there_and_back(Harm::NoRoute, PairConfig::default(), &Plan::to(VIP))
}

#[test]
fn a_master_that_ends_in_order() -> Result<()> {
    there_and_back(Harm::CleanStop, PairConfig::default(), &Plan::to(VIP))
}

#[test]
fn a_master_that_hands_over() -> Result<()> {
    there_and_back(Harm::HandedOver, PairConfig::default(), &Plan::to(VIP))
}

#[test]
fn a_master_that_another_takes_over_from() -> Result<()> {
    there_and_back(Harm::TakenOver, PairConfig::default(), &Plan::to(VIP))
}

#[test]
fn a_master_of_an_ipv6_vip() -> Result<()> {
    there_and_back(Harm::Killed, PairConfig::default(), &Plan::to(VIP_V6))
}

#[test]
fn a_master_that_advertises_by_multicast() -> Result<()> {
    let config = PairConfig { peers: [vec![], vec![]], ..PairConfig::default() };
    there_and_back(Harm::Frozen, config, &Plan::to(VIP))
}

#[test]
fn a_master_that_advertises_over_ipv6() -> Result<()> {
    let peers = [Host::Standby, Host::Director].map(|it| vec![it.address_v6().to_string()]);
    let config = PairConfig { peers, ..PairConfig::default() };
    there_and_back(Harm::Unplugged, config, &Plan::to(VIP))
}

/// Who was master before is backup, and stays that.
#[test]
fn without_preemption_nothing_happens_when_it_is_back() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let mut pair = lab.start_pair(PairConfig::with("preempt = false"))?;
    lab.harm(&mut pair, Host::Director, Harm::Killed)?;
    pair.wait_for(Host::Standby, "master")?;
    let trial = Trial::start(Host::Client, &Plan::to(VIP))?;
    lab.heal(&mut pair, Host::Director, Harm::Killed)?;
    pair.wait_until_settled(Host::Standby)?;
    sleep(Duration::from_secs(1));
    let outcome = trial.stop()?;
    assert_eq!(outcome.broken, [""; 0], "{outcome}");
    assert_eq!((outcome.failed.len(), outcome.owners.len()), (0, 1), "{outcome}");
    // It tells how often it has been master: never, since it was started.
    let takeovers = || pair.failover(Host::Director).ok()?["takeovers"].as_u64();
    assert_eq!(wait_for("its status", SOON, takeovers)?, 0);
    Ok(())
}

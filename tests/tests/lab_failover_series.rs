//! Many failovers in a row, of all kinds: never two owners of the VIP, and nobody is left waiting.
//! `LVS_FAILOVERS` says how many; a hundred take some minutes.

use std::{env, time::Duration};

use anyhow::{Context, Result};
use lvs_tests::{
    failover::Plan,
    lab::{Harm, Host, Lab, Options, Pair, PairConfig, VIP, other},
    takeover::{Takeover, check_return},
};

/// As many as there are kinds, and some more.
const USUAL: usize = 10;

#[test]
fn one_after_the_other() -> Result<()> {
    let count = match env::var("LVS_FAILOVERS") {
        Ok(count) => count.parse().context("LVS_FAILOVERS")?,
        Err(_) => USUAL,
    };
    let lab = Lab::up(Options::default())?;
    // Who is back waits for the next failover, so each is one from a pair that is whole.
    let mut pair = lab.start_pair(PairConfig::with("preempt = false"))?;
    // What has no answer by then has none, and there are many to come.
    let plan = Plan { patience: Duration::from_secs(3), ..Plan::to(VIP) };
    let mut master = Host::Director;
    let (mut gaps, mut lost) = (Vec::new(), 0);
    for (number, harm) in (1..=count).zip(Harm::ALL.into_iter().cycle()) {
        let to = other(master)?;
        let what = format!("failover {number} of {count}, {harm}");
        let takeover =
            Takeover::measure(what, &plan, &mut pair, to, |pair| lab.harm(pair, master, harm))?;
        let outcome = &takeover.outcome;
        takeover.check()?;
        if harm.is_in_order() {
            takeover.check_nothing_lost()?;
        }
        gaps.push(outcome.longest_gap);
        lost += outcome.failed.len();
        // What an operator has wanted need not be put right.
        if !matches!(harm, Harm::HandedOver | Harm::TakenOver) {
            let heal = |pair: &mut Pair| lab.heal(pair, master, harm);
            check_return(&mut pair, to, heal).with_context(|| format!("after {harm}"))?;
        }
        pair.wait_until_settled(to)?;
        master = to;
    }
    gaps.sort_unstable();
    let [median, longest] = [count / 2, count - 1].map(|at| gaps.get(at).copied());
    let [median, longest] = [median, longest].map(Option::unwrap_or_default);
    println!(
        "{count} failovers: gap {median:.0?} (median), {longest:.0?} (longest); {lost} resets"
    );
    Ok(())
}

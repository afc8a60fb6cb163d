//! Takeovers between the lab's two directors, measured, and what each of them has to keep to.

use std::{thread::sleep, time::Duration};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    failover::{Outcome, Plan, Trial},
    lab::{Host, Pair, VIP},
};

/// What a master that is lost may cost, with an advertisement each 100 ms.
pub const PROMISED: Duration = Duration::from_millis(500);
/// A SYN that is lost is sent again after so long.
const SYN_AGAIN: Duration = Duration::from_secs(1);
/// It is calm for so long before anything happens, and after that.
const CALM: Duration = Duration::from_millis(600);

/// Has the one that was lost come back, while this one stays master: nobody may notice.
pub fn check_return(
    pair: &mut Pair,
    master: Host,
    happens: impl FnOnce(&mut Pair) -> Result<()>,
) -> Result<()> {
    let plan = Plan { connections: 0, download: None, ..Plan::to(VIP) };
    let trial = Trial::start(Host::Client, &plan).with_context(|| pair.story())?;
    happens(pair)?;
    pair.wait_until_settled(master)?;
    sleep(CALM);
    let outcome = trial.stop()?;
    let is_unnoticed = outcome.owners.len() == 1 && outcome.failed.is_empty();
    ensure!(is_unnoticed, "{outcome}\n{:?}\n{}", outcome.failed, pair.story());
    Ok(())
}

/// One director has taken over from the other.
#[derive(Debug)]
pub struct Takeover {
    /// Why.
    pub what: String,
    /// Who has.
    pub to: Host,
    /// What it has cost.
    pub outcome: Outcome,
    /// What the directors have logged.
    pub story: String,
}

impl Takeover {
    /// Measures what it costs that something happens, until a while after this one is master for it, and
    /// prints it.
    #[expect(
        clippy::print_stdout,
        reason = "the measurement is what the tests are run for by hand"
    )]
    pub fn measure(
        what: impl Into<String>,
        plan: &Plan,
        pair: &mut Pair,
        to: Host,
        happens: impl FnOnce(&mut Pair) -> Result<()>,
    ) -> Result<Self> {
        let what = what.into();
        let trial = Trial::start(Host::Client, plan).with_context(|| pair.story())?;
        sleep(CALM);
        happens(pair).with_context(|| what.clone())?;
        pair.wait_for(to, "master").with_context(|| what.clone())?;
        sleep(CALM);
        let outcome = trial.stop()?;
        println!("{what}: {outcome}");
        Ok(Self { what, to, outcome, story: pair.story() })
    }

    /// Whatever happens: the VIP is where it should be, has never had two owners, and was not away for
    /// longer than promised; and whoever began to ask meanwhile was answered.
    ///
    /// A request that is under way at the moment is an open connection, which is looked after by
    /// [`check_connections`](Self::check_connections).
    pub fn check(&self) -> Result<()> {
        let Outcome { longest_gap, two_owners, owners, failed, .. } = &self.outcome;
        ensure!(*longest_gap <= PROMISED, "{}", self.fault("away for too long"));
        ensure!(two_owners.is_none(), "{}", self.fault("two owners"));
        let owner = self.outcome.owner().map(|it| it.to_string());
        ensure!(owner == Some(self.to.mac()), "{}", self.fault("the owner is another"));
        ensure!(owners.len() == 2, "{}", self.fault("not one change"));
        let was_open = |why: &str| why.contains("reset by peer") || why.starts_with("connected");
        if let Some((at, why)) = failed.iter().find(|(_, why)| !was_open(why)) {
            bail!("{}", self.fault(&format!("a request failed at {at:?}: {why}")));
        }
        Ok(())
    }

    /// If it was in order: not one packet of a request was lost.
    pub fn check_nothing_lost(&self) -> Result<()> {
        ensure!(self.outcome.longest_wait < SYN_AGAIN, "{}", self.fault("a SYN was lost"));
        Ok(())
    }

    /// No connection broke, be it one that is there all the time or one of a request under way.
    pub fn check_connections(&self) -> Result<()> {
        ensure!(self.outcome.broken.is_empty(), "{}", self.fault("connections broke"));
        ensure!(self.outcome.failed.is_empty(), "{}", self.fault("requests failed"));
        Ok(())
    }

    fn fault(&self, fault: &str) -> String {
        let Self { what, to, outcome, story } = self;
        let Outcome { failed, broken, .. } = outcome;
        format!(
            "{what}, to {to}: {fault}: {outcome}\nfailed: {failed:?}\nbroke: {broken:?}\n{story}"
        )
    }
}

//! Makes the checks when they are due, each in a task of its own.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;
use tracing::warn;

use super::{
    Change, Check, Failure, Health, Monitors, Outcome, Punctuality, Target,
    probe::{Tools, probe},
};
use crate::patience::Complaints;

/// Outcomes that may wait to be taken in.
const OUTCOMES: usize = 1024;

/// A check that has been made.
#[derive(Debug)]
pub struct Done {
    target: Target,
    round: u64,
    outcome: Outcome,
}

/// What is checked, and what it is done with. Its tasks need a runtime of tokio.
pub struct Checker {
    monitors: Monitors,
    tools: Arc<Tools>,
    done: mpsc::Sender<Done>,
    punctuality: Punctuality,
    /// That checks can't be made, and that they are late.
    complaints: [Complaints; 2],
}

impl Checker {
    /// One that checks nothing yet, and where its outcomes come.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<Done>) {
        let (done, outcomes) = mpsc::channel(OUTCOMES);
        let checker = Self {
            monitors: Monitors::default(),
            tools: Arc::default(),
            done,
            punctuality: Punctuality::default(),
            complaints: Default::default(),
        };
        (checker, outcomes)
    }

    /// Checks these from now on; each with what is thought of it if it was not checked before.
    pub fn reconfigure(
        &mut self,
        targets: impl IntoIterator<Item = (Target, Check, Health)>,
        now: Instant,
    ) {
        self.monitors.reconfigure(targets, now);
    }

    /// When the next check is due.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.monitors.next()
    }

    /// How late checks begin.
    #[must_use]
    pub const fn punctuality(&self) -> &Punctuality {
        &self.punctuality
    }

    /// Begins the checks that are due. `mark` is that of packets to a VIP at a real server.
    pub fn start_due(&mut self, now: Instant, mark: impl Fn(IpAddr) -> Option<u32>) {
        let [_, complaints] = &mut self.complaints;
        for due in self.monitors.take_due(now) {
            if self.punctuality.begins(due.at, now) && complaints.is_due(now) {
                let late = now.duration_since(due.at);
                warn!(?late, "checks are late: this machine has too much to do");
            }
            let mark = mark(due.target.real_server);
            let (tools, done) = (Arc::clone(&self.tools), self.done.clone());
            tokio::spawn(async move {
                // Whatever happens to the check, its outcome is waited for.
                let check = due.check;
                let made =
                    tokio::spawn(async move { probe(due.target, &check, mark, &tools).await });
                let outcome = made.await.unwrap_or_else(|error| {
                    Err(Failure::NotAsked(format!("the check itself failed: {error}")))
                });
                // At the end nobody wants to know any more.
                done.send(Done { target: due.target, round: due.round, outcome }).await.ok();
            });
        }
    }

    /// Takes in what a check has found: what changes by it, and how fast the answers come.
    pub fn finish(
        &mut self,
        done: &Done,
        now: Instant,
    ) -> (Target, Option<Change>, Option<Duration>) {
        let Done { target, round, outcome } = done;
        let [complaints, _] = &mut self.complaints;
        if let Err(Failure::NotAsked(reason)) = outcome {
            self.punctuality.not_asked += 1;
            if complaints.is_due(now) {
                warn!(%target, reason, "can't ask real servers; what is thought of them stays as it is");
            }
        }
        let change = self.monitors.outcome(*target, *round, outcome, now);
        (*target, change, self.monitors.latency(target))
    }
}

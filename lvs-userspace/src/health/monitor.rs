//! When to check which real server, and what the outcomes mean. Pure: time is a parameter.
//!
//! ```text
//!                    a success
//!   checking --------------------------> up
//!      |                                | ^
//!      | a failure                      | | rise successes in a row
//!      v      fall failures in a row    v |
//!     down <-----------------------------
//! ```
//!
//! While a row is under way that could change the state, checks follow one another by
//! `fast_interval`. One that fails again and again is held out for a while, whatever its checks say. A
//! real server that is new is checked at once, and its first check says whether it is up or down.
//!
//! An interval is from the beginning of a check to that of the next, or to its end if that is later: so
//! one that hangs is out within `fall` x `interval` + `timeout`, as long as the timeout is no longer than
//! the interval.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::{Duration, Instant},
};

use super::{Check, Failure, Health, Outcome, Target};

/// First checks are spread over so long, that not all go out at once,
const SPREAD: Duration = Duration::from_millis(500);
/// and over so long that no more than this are made in a second.
const FIRST_CHECKS: u32 = 2_000;
/// Intervals vary by so many parts in a thousand, so that checks do not fall into step.
const JITTER: u64 = 100;

/// A real server's health has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Whose.
    pub target: Target,
    /// What it was.
    pub from: Health,
    /// What it is.
    pub to: Health,
    /// What the last check has found.
    pub reason: String,
}

/// A check that is to be made now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Of whom.
    pub target: Target,
    /// How.
    pub check: Check,
    /// When it should have been made.
    pub at: Instant,
    /// Given back with the outcome: that of an earlier configuration does not count.
    pub round: u64,
}

/// All real servers that are checked.
#[derive(Debug, Default)]
pub struct Monitors {
    monitors: BTreeMap<Target, Monitor>,
    /// Those that wait for their next check, the first to come first.
    waiting: BTreeSet<(Instant, Target)>,
    rounds: u64,
}

#[derive(Debug)]
struct Monitor {
    check: Check,
    health: Health,
    /// Outcomes in a row that speak against the health.
    row: u32,
    /// Its check that is under way, and since when.
    under_way: Option<(u64, Instant)>,
    /// When its next check is, if none is under way.
    next: Option<Instant>,
    latency: Option<Duration>,
    /// When it has failed of late.
    failures: VecDeque<Instant>,
    held_until: Option<Instant>,
}

impl Monitors {
    /// Checks these real servers from now on, and no others. Who was checked before keeps its state;
    /// the others begin with the one that is given.
    pub fn reconfigure(
        &mut self,
        targets: impl IntoIterator<Item = (Target, Check, Health)>,
        now: Instant,
    ) {
        let mut before = std::mem::take(&mut self.monitors);
        let mut new = Vec::new();
        for (target, check, health) in targets {
            let monitor = match before.remove(&target) {
                Some(monitor) if monitor.check == check => monitor,
                before => {
                    new.push(target);
                    match before {
                        // Another check says nothing about the past, and the past something about it.
                        Some(Monitor { health, latency, failures, held_until, .. }) => Monitor {
                            latency,
                            failures,
                            held_until: check.hold(held_until, now),
                            ..Monitor::new(check, health, now)
                        },
                        None => Monitor::new(check, health, now),
                    }
                }
            };
            self.monitors.insert(target, monitor);
        }
        let count = u32::try_from(new.len()).unwrap_or(u32::MAX);
        let spread = SPREAD.max(Duration::from_secs(1) * count / FIRST_CHECKS);
        for target in new {
            let wait = spread.mul_f64(f64::from(hash(&target, 0) as u16) / 65_536.0);
            if let Some(monitor) = self.monitors.get_mut(&target) {
                monitor.next = Some(now + wait);
            }
        }
        let waiting = self.monitors.iter().filter_map(|(target, it)| Some((it.next?, *target)));
        self.waiting = waiting.collect();
    }

    /// When the next check is due.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.waiting.first().map(|&(at, _)| at)
    }

    /// The checks that are due; each is under way from now on.
    pub fn take_due(&mut self, now: Instant) -> Vec<Due> {
        let mut due = Vec::new();
        while let Some(&(at, target)) = self.waiting.first() {
            if at > now {
                break;
            }
            self.waiting.pop_first();
            let Some(monitor) = self.monitors.get_mut(&target) else { continue };
            self.rounds += 1;
            monitor.under_way = Some((self.rounds, now));
            monitor.next = None;
            due.push(Due { target, check: monitor.check.clone(), at, round: self.rounds });
        }
        due
    }

    /// Takes in the outcome of a check; says what it changes.
    pub fn outcome(
        &mut self,
        target: Target,
        round: u64,
        outcome: &Outcome,
        now: Instant,
    ) -> Option<Change> {
        let monitor = self.monitors.get_mut(&target)?;
        let (_, started) = monitor.under_way.take_if(|(it, _)| *it == round)?;
        let from = monitor.health;
        let interval = monitor.take(outcome, now);
        let next = now.max(started + jittered(interval, hash(&target, round)));
        monitor.next = Some(next);
        self.waiting.insert((next, target));
        let to = monitor.health;
        let reason = match outcome {
            Ok(took) => {
                format!("the {} check was answered in {took:.1?}", monitor.check.kind.name())
            }
            Err(reason) => match (monitor.held_until, &monitor.check.quarantine) {
                (Some(_), Some(it)) => {
                    format!("{reason} (failed {} times: held out for {:?})", it.failures, it.hold)
                }
                _ => reason.to_string(),
            },
        };
        (from != to).then_some(Change { target, from, to, reason })
    }

    /// What is thought of a real server; `None` if it is not checked.
    #[must_use]
    pub fn health(&self, target: &Target) -> Option<Health> {
        self.monitors.get(target).map(|monitor| monitor.health)
    }

    /// How long a real server takes to answer, smoothed.
    #[must_use]
    pub fn latency(&self, target: &Target) -> Option<Duration> {
        self.monitors.get(target)?.latency
    }
}

impl Monitor {
    fn new(check: Check, health: Health, next: Instant) -> Self {
        Self {
            check,
            health,
            row: 0,
            under_way: None,
            next: Some(next),
            latency: None,
            failures: VecDeque::new(),
            held_until: None,
        }
    }

    /// Takes in an outcome; gives the time from the beginning of this check to that of the next.
    fn take(&mut self, outcome: &Outcome, now: Instant) -> Duration {
        match outcome {
            // An eighth of the new, as TCP smooths its round trips (RFC 6298, section 2).
            Ok(took) => {
                self.latency = Some(self.latency.map_or(*took, |old| (old * 7 + *took) / 8));
            }
            Err(Failure::NotAsked(_)) => return self.check.fast_interval,
            Err(Failure::Failed(_)) => {}
        }
        self.judge(outcome, now);
        self.interval()
    }

    fn judge(&mut self, outcome: &Outcome, now: Instant) {
        let (changes_to, needed) = match (self.health, outcome) {
            (Health::Checking, Err(_)) => (Health::Down, 1),
            (Health::Checking, Ok(_)) => (Health::Up, 1),
            (Health::Up, Err(_)) => (Health::Down, self.check.fall),
            (Health::Down, Ok(_)) => (Health::Up, self.check.rise),
            (Health::Up, Ok(_)) | (Health::Down, Err(_)) => {
                self.row = 0;
                return;
            }
        };
        if changes_to == Health::Up && self.held_until.is_some_and(|until| now < until) {
            self.row = 0;
            return;
        }
        self.row += 1;
        if self.row >= needed {
            self.health = changes_to;
            self.row = 0;
            self.held_until = None;
            if changes_to == Health::Down {
                self.count_failure(now);
            }
        }
    }

    /// Holds the real server out if it has failed too often.
    fn count_failure(&mut self, now: Instant) {
        let Some(quarantine) = self.check.quarantine else { return };
        self.failures.push_back(now);
        self.failures.retain(|at| now.duration_since(*at) <= quarantine.within);
        if self.failures.len() >= quarantine.failures as usize {
            self.failures.clear();
            self.held_until = Some(now + quarantine.hold);
        }
    }

    fn interval(&self) -> Duration {
        if self.row > 0 || self.health == Health::Checking {
            self.check.fast_interval
        } else {
            self.check.interval
        }
    }
}

/// Up to a tenth less, as chance will have it.
fn jittered(interval: Duration, chance: u64) -> Duration {
    interval.mul_f64(1.0 - (chance % JITTER) as f64 / 1_000.0)
}

fn hash(target: &Target, round: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (target, round).hash(&mut hasher);
    hasher.finish()
}

impl Check {
    /// How long somebody is still held out who was to be until then: no longer than by this check.
    fn hold(&self, until: Option<Instant>, now: Instant) -> Option<Instant> {
        Some(until?.min(now + self.quarantine?.hold))
    }
}

#[cfg(test)]
mod tests;

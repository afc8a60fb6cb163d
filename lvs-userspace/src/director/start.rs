//! What is known when lvsd starts: nothing, or what the lvsd before has left in the maps.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{Director, Recovery};
use crate::{
    dataplane::{Remembered, Restored},
    health::{Health, Target},
    load::Standing,
};

/// What is known at the start of the real servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// Nothing: those that are checked are out of service until their first success.
    Checking,
    /// They are up until a check says otherwise.
    Trusting,
    /// What the lvsd before has left in the maps.
    From(Restored),
}

impl Director {
    pub(super) fn start(&mut self, start: Start, now: Instant) {
        match start {
            Start::Checking => {}
            Start::Trusting => {
                let all: Vec<_> = self.checks().map(|(target, _)| target).collect();
                self.health.extend(all.into_iter().map(|target| (target, Health::Up)));
            }
            Start::From(Restored { real_servers, without_quorum }) => {
                let before: BTreeMap<_, _> = real_servers
                    .into_iter()
                    .map(|it| (Target { service: it.service, real_server: it.address }, it))
                    .collect();
                let found: Vec<_> = self
                    .all()
                    .filter_map(|(service, real_server)| {
                        let address = real_server.address;
                        let target = Target { service: service.id, real_server: address };
                        let Remembered { health, standing, risen } =
                            before.get(&target)?.remembered;
                        let share = u32::from(risen);
                        let recovery =
                            Recovery { since: before_now(service.slow_start, share, now), share };
                        let health = real_server.check.is_some().then_some(health);
                        let standing = service.follow_load.then_some(standing);
                        Some((target, health, standing, recovery))
                    })
                    .collect();
                for (target, health, standing, recovery) in found {
                    self.health.extend(health.map(|it| (target, it)));
                    let standing = standing.filter(|it| *it != Standing::default());
                    self.standings.extend(standing.map(|it| (target.real_server, it)));
                    if recovery.share < 100 {
                        self.recovered.insert(target, recovery);
                    }
                }
                // Who was not to be found before is not sought any more.
                let missing = before.values().filter(|it| it.neighbour.is_none());
                for it in missing {
                    self.sought.remove(&it.address);
                }
                self.lost_before = without_quorum;
            }
        }
    }
}

/// When somebody was back who has this share of its weight now, in percent.
fn before_now(slow_start: Duration, share: u32, now: Instant) -> Instant {
    now.checked_sub(slow_start * share / 100).unwrap_or(now)
}

#[cfg(test)]
mod tests;

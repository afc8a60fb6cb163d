//! A claim: against whom, and how long it waits for objections.

use std::time::{Duration, Instant};

use super::{Edge, Effect, Machine, Phase};
use crate::failover::lease;

/// Whose role is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Against {
    /// Nobody's: no program answers for the VIPs.
    Nobody,
    /// That of a master that may still answer.
    Master,
    /// That of one that has given way.
    GivenWay,
}

impl Machine {
    /// Claims the role, and waits for objections.
    pub(super) fn claim(
        &mut self,
        edge: Edge,
        against: Against,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let next_advert = now + self.settings.interval.duration();
        let granted = now + self.wait(against);
        self.rival = None;
        effects.push(Effect::Send(self.priority()));
        self.enter(Phase::Claim { next_advert, granted, against, lease: None }, edge, now, effects);
    }

    /// From when others could hear of a claim they have time to object.
    pub(super) fn begin_waiting(&mut self, sent: Instant) {
        if let Phase::Claim { against, granted, lease: None, .. } = self.phase {
            self.grant(granted.max(sent + self.wait(against)), against);
        }
    }

    /// The claim is good then.
    pub(super) fn grant(&mut self, at: Instant, of: Against) {
        if let Phase::Claim { granted, against, .. } = &mut self.phase {
            (*granted, *against) = (at, of);
        }
    }

    /// Whether its last advertisement was so long ago that others have heard it.
    pub(super) fn has_settled(&self, now: Instant) -> bool {
        let interval = self.settings.interval.duration();
        match self.phase {
            Phase::Claim { next_advert, .. } => now + interval >= next_advert + self.settle(),
            Phase::Init | Phase::Backup { .. } | Phase::Master { .. } | Phase::Fault => true,
        }
    }

    fn wait(&self, against: Against) -> Duration {
        match against {
            Against::Master => self.patience(),
            Against::Nobody | Against::GivenWay => self.settle(),
        }
    }

    /// How long a claim waits for a living master to give way. If it is dead, its lease ends within three
    /// of its intervals; one that goes without a word would have said something within one.
    pub(super) fn patience(&self) -> Duration {
        let interval = self.master_interval().duration();
        if self.settings.peers_confirm || self.peers_confirm { 3 * interval } else { interval }
    }

    /// How long a claim waits for another that claims at the same time: some times the way of an
    /// advertisement.
    pub(super) fn settle(&self) -> Duration {
        lease::margin(self.settings.interval)
    }
}

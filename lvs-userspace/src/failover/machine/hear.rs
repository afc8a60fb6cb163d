//! What the advertisements of others mean to each state.

use std::{cmp::Ordering, time::Instant};

use super::{Against, Edge, Effect, Heard, Machine, Phase, State};
use crate::failover::STOPS;

impl Machine {
    pub(super) fn hear(&mut self, heard: Heard, now: Instant, effects: &mut Vec<Effect>) {
        let stops = heard.priority == STOPS;
        match self.phase {
            Phase::Init | Phase::Fault => {}
            Phase::Backup { .. } => self.hear_as_backup(heard, now, effects),
            // What was received together with what led to the claim is no answer to it.
            Phase::Claim { granted, .. } if stops => {
                if now > self.since {
                    self.grant(granted.min(now + self.settle()), Against::GivenWay);
                    self.assert(now, effects);
                }
            }
            Phase::Claim { .. } | Phase::Master { .. } if self.outranks(heard, now) => {
                if self.state() == State::Master {
                    effects.extend([Effect::Silence, Effect::Send(STOPS)]);
                }
                self.last = Some((heard, now));
                self.listen(Edge::Outranked, now, effects);
            }
            Phase::Claim { .. } => {
                // It does not know yet. Once is enough: two that claim would answer each other for ever.
                self.last = Some((heard, now));
                self.grant(now + self.patience(), Against::Master);
                if self.has_settled(now) {
                    self.assert(now, effects);
                }
            }
            // The one before says again that it gives way, by another path.
            Phase::Master { .. }
                if stops && now.duration_since(self.since) < self.settings.interval.duration() =>
            {
                self.assert(now, effects);
            }
            Phase::Master { .. } => self.hear_rival(heard, now, effects),
        }
    }

    fn hear_as_backup(&mut self, heard: Heard, now: Instant, effects: &mut Vec<Effect>) {
        let Phase::Backup { preempts, .. } = self.phase else { return };
        let interval = self.master_interval();
        if heard.priority == STOPS {
            let down = now + interval.skew(self.priority());
            self.phase = Phase::Backup { down, stopped: true, preempts: None };
            self.last = None;
            return;
        }
        if let Some((before, at)) = self.last
            && now.duration_since(at) > 2 * before.interval.duration()
        {
            effects.push(Effect::Late(now.duration_since(at)));
        }
        self.last = Some((heard, now));
        let preempts = (heard.priority < self.priority() && self.may_preempt())
            .then(|| preempts.unwrap_or(now + self.settings.preempt_delay));
        if preempts.is_some_and(|it| now >= it) {
            self.claim(Edge::Preempts, Against::Master, now, effects);
            return;
        }
        let down = now + heard.interval.master_down(self.priority());
        self.phase = Phase::Backup { down, stopped: false, preempts };
    }

    /// Another that thinks it is master, and has no right to (section 6.4.3), or has just found out.
    fn hear_rival(&mut self, heard: Heard, now: Instant, effects: &mut Vec<Effect>) {
        let over = heard.interval.master_down(STOPS);
        if self.rival.is_none_or(|it| now.duration_since(it) > over) {
            self.splits += 1;
            effects.push(Effect::Split(heard));
        }
        self.rival = Some(now);
        if let Phase::Master { announces, .. } = &mut self.phase {
            *announces = true;
        }
        self.assert(now, effects);
    }

    /// Whether the sender has the better right (section 6.4.3).
    fn outranks(&self, heard: Heard, now: Instant) -> bool {
        match heard.priority.cmp(&self.priority()) {
            Ordering::Greater => true,
            // Two were told to take over: the latter claims what the former has, who gives way at the
            // first advertisement. Who does not in an interval claims it, too.
            Ordering::Equal if self.by_hand => {
                let interval = self.settings.interval.duration();
                let is_late = now > self.since + interval;
                self.state() == State::Master || (is_late && heard.sender == Ordering::Greater)
            }
            Ordering::Equal => heard.sender == Ordering::Greater,
            Ordering::Less => false,
        }
    }
}

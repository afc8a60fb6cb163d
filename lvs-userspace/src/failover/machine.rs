//! Who is master: the state machine of VRRP version 3 (RFC 9568, section 6.4), with what two directors
//! need so that they never both answer. Pure: events and the time go in, effects come out.
//!
//! ```text
//!            start               the master is silent, has stopped,
//!                                or has the lower priority
//!   Init ------------> Backup ------------------------------------> Claim
//!                       ^ ^ ^                                        | |
//!                       | | |    outranked, overslept, resigned      | |
//!                       | | +----------------------------------------+ |
//!                       | |      outranked, overslept, resigned        | nobody objects
//!                       | +---------------------------- Master <-------+
//!                       |
//!   any ------------> Fault        any ------------> Init
//!     it needs something                stopped
//!     that is wrong
//! ```
//!
//! What it adds to the RFC, none of which is against it on the wire:
//!
//! - **Claim.** By the RFC, who takes over is master at once: of a living master that it preempts,
//!   before that one has heard of it; with another that takes over in the same moment. Here it first
//!   only says that it is master, and answers when nobody objects: at once if the one before is silent
//!   or says that it has given way, and else not before its lease is over.
//! - **A master that gives way says so**, by priority 0.
//! - **The lease.** A master answers only for so long after each advertisement ([`lease`]). One
//!   that wakes up later than that is backup: another has taken over meanwhile. So is one that claims.

mod claim;
mod event;
mod hear;
mod state;

use std::time::Instant;

use super::{BY_HAND, Interval, STOPS, lease};
use claim::Against;
pub use event::{Condition, Effect, Event, Heard, Settings};
pub use state::{Change, Edge, State};

/// What it is, and what it waits for.
#[derive(Clone, Copy, Debug)]
enum Phase {
    Init,
    Backup {
        /// When the master is thought to be gone.
        down: Instant,
        /// Whether the master has said that it stops.
        stopped: bool,
        /// When a living master of lower priority is preempted.
        preempts: Option<Instant>,
    },
    Claim {
        next_advert: Instant,
        /// When it was objected to for long enough by nobody.
        granted: Instant,
        against: Against,
        /// The claim is forgotten then by who has given way to it; `None` until it was sent.
        lease: Option<Instant>,
    },
    Master {
        next_advert: Instant,
        /// `None` until the first advertisement was sent.
        lease: Option<Instant>,
        /// Whether the VIPs are to be announced after the next advertisement.
        announces: bool,
    },
    Fault,
}

/// The state machine.
#[derive(Clone, Debug)]
pub struct Machine {
    settings: Settings,
    phase: Phase,
    since: Instant,
    condition: Condition,
    is_ready: bool,
    /// [`Settings::peers_confirm`], or what was found out since.
    peers_confirm: bool,
    /// It has the role, or claims it, because the operator wants it.
    by_hand: bool,
    /// The operator has given the role away: no living master is preempted.
    has_resigned: bool,
    /// The last advertisement of a master, and when it was heard.
    last: Option<(Heard, Instant)>,
    /// When the last of a rival was heard.
    rival: Option<Instant>,
    splits: u64,
}

impl Machine {
    /// One that does nothing until the [start](Event::Start).
    #[must_use]
    pub const fn new(settings: Settings, now: Instant) -> Self {
        Self {
            settings,
            phase: Phase::Init,
            since: now,
            condition: Condition { is_at_fault: false, penalty: 0 },
            is_ready: false,
            peers_confirm: false,
            by_hand: false,
            has_resigned: false,
            last: None,
            rival: None,
            splits: 0,
        }
    }

    /// Its state.
    #[must_use]
    pub const fn state(&self) -> State {
        match self.phase {
            Phase::Init => State::Init,
            Phase::Backup { .. } => State::Backup,
            Phase::Claim { .. } => State::Claim,
            Phase::Master { .. } => State::Master,
            Phase::Fault => State::Fault,
        }
    }

    /// Since when.
    #[must_use]
    pub const fn since(&self) -> Instant {
        self.since
    }

    /// The priority in force.
    #[must_use]
    pub fn priority(&self) -> u8 {
        if self.by_hand {
            return BY_HAND;
        }
        self.settings.priority.saturating_sub(self.condition.penalty).max(1)
    }

    /// Whether the operator has given the role away.
    #[must_use]
    pub const fn has_resigned(&self) -> bool {
        self.has_resigned
    }

    /// How often another was found to be master at the same time.
    #[must_use]
    pub const fn splits(&self) -> u64 {
        self.splits
    }

    /// When [`Event::Deadline`] is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Init | Phase::Fault => None,
            Phase::Backup { down, preempts, .. } => {
                Some(preempts.filter(|_| self.may_preempt()).map_or(down, |it| it.min(down)))
            }
            Phase::Claim { next_advert, lease: None, .. } => Some(next_advert),
            Phase::Claim { next_advert, granted, .. } => Some(next_advert.min(granted)),
            Phase::Master { next_advert, .. } => Some(next_advert),
        }
    }

    /// Takes in an event; says what is to be done. What was received at one time is given with one time.
    pub fn handle(&mut self, event: Event, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.wake_up(now, &mut effects);
        match event {
            Event::Start => self.start(now, &mut effects),
            Event::Stop => self.stop(now, &mut effects),
            Event::Deadline => self.pass(now, &mut effects),
            Event::Heard(heard) => self.hear(heard, now, &mut effects),
            Event::Sent(at) => self.sent(at, now, &mut effects),
            Event::Tracked(condition) => {
                let before = self.priority();
                self.condition = condition;
                self.judge(before, now, &mut effects);
            }
            Event::Ready(is_ready) => self.is_ready = is_ready,
            Event::PeersConfirm => self.peers_confirm = true,
            Event::Resign => self.resign(now, &mut effects),
            Event::Take => self.take(now, &mut effects),
            Event::Reconfigured(settings) => {
                let before = self.priority();
                self.settings = settings;
                self.judge(before, now, &mut effects);
            }
        }
        effects
    }

    /// One that is master, or claims it, and has sent nothing for as long as its lease lasts, has
    /// slept: another may be master by now.
    fn wake_up(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if let Phase::Claim { lease: Some(end), .. } | Phase::Master { lease: Some(end), .. } =
            self.phase
            && now >= end
        {
            if matches!(self.phase, Phase::Master { .. }) {
                effects.push(Effect::Silence);
            }
            self.listen(Edge::Overslept, now, effects);
        }
    }

    fn start(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if !matches!(self.phase, Phase::Init) {
            return;
        }
        if self.condition.is_at_fault {
            self.enter(Phase::Fault, Edge::Unfit, now, effects);
            return;
        }
        self.listen(Edge::Started, now, effects);
        if let Phase::Backup { down, .. } = &mut self.phase {
            *down += self.settings.start_delay;
        }
    }

    fn stop(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        self.give_up(effects);
        if !matches!(self.phase, Phase::Init) {
            self.enter(Phase::Init, Edge::Stopped, now, effects);
        }
    }

    /// Tells the others, if they think that this one is master.
    fn give_up(&mut self, effects: &mut Vec<Effect>) {
        match self.phase {
            // In this order: who hears it may answer at once.
            Phase::Master { .. } => effects.extend([Effect::Silence, Effect::Send(STOPS)]),
            // It would be taken for the word of the master, who may still answer.
            Phase::Claim { against: Against::Master, .. } => {}
            Phase::Claim { .. } => effects.push(Effect::Send(STOPS)),
            Phase::Init | Phase::Backup { .. } | Phase::Fault => {}
        }
    }

    /// Does what is due.
    fn pass(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let interval = self.settings.interval.duration();
        match self.phase {
            Phase::Backup { down, stopped, .. } if now >= down => {
                let edge = if stopped { Edge::MasterStopped } else { Edge::MasterSilent };
                self.claim(edge, Against::Nobody, now, effects);
            }
            Phase::Backup { preempts: Some(at), .. } if now >= at && self.may_preempt() => {
                self.claim(Edge::Preempts, Against::Master, now, effects);
            }
            // Nobody can object to what was never sent.
            Phase::Claim { granted, against, lease: Some(_), .. } if now >= granted => {
                let edge = match against {
                    Against::GivenWay => Edge::GaveWay,
                    Against::Nobody | Against::Master => Edge::Unopposed,
                };
                let next_advert = now + interval;
                let lease = None;
                self.enter(
                    Phase::Master { next_advert, lease, announces: true },
                    edge,
                    now,
                    effects,
                );
                effects.push(Effect::Send(self.priority()));
            }
            Phase::Claim { next_advert, .. } | Phase::Master { next_advert, .. }
                if now >= next_advert =>
            {
                self.assert(now, effects);
                // In step, so that being a little late each time does not add up.
                self.set_next_advert((next_advert + interval).max(now + interval / 2));
            }
            Phase::Init
            | Phase::Backup { .. }
            | Phase::Claim { .. }
            | Phase::Master { .. }
            | Phase::Fault => {}
        }
    }

    /// Says that it is master.
    fn assert(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if matches!(self.phase, Phase::Claim { .. } | Phase::Master { .. }) {
            self.set_next_advert(now + self.settings.interval.duration());
            effects.push(Effect::Send(self.priority()));
        }
    }

    fn set_next_advert(&mut self, at: Instant) {
        if let Phase::Claim { next_advert, .. } | Phase::Master { next_advert, .. } =
            &mut self.phase
        {
            *next_advert = at;
        }
    }

    fn sent(&mut self, at: Instant, now: Instant, effects: &mut Vec<Effect>) {
        let end = lease::end(at, self.settings.interval);
        self.begin_waiting(at);
        if let Phase::Claim { lease, .. } | Phase::Master { lease, .. } = &mut self.phase {
            *lease = Some(end);
            // It can have been stopped since.
            self.wake_up(now, effects);
        }
        if let Phase::Master { announces, .. } = &mut self.phase {
            effects.push(Effect::Renew(end));
            if std::mem::take(announces) {
                effects.push(Effect::Announce);
            }
        }
    }

    /// Whatever has changed about itself, is it still what it can be, and do the others know?
    fn judge(&mut self, priority_before: u8, now: Instant, effects: &mut Vec<Effect>) {
        match (self.phase, self.condition.is_at_fault) {
            (Phase::Init, _) | (Phase::Fault, true) => {}
            (Phase::Fault, false) => self.listen(Edge::Fit, now, effects),
            (Phase::Backup { .. } | Phase::Claim { .. } | Phase::Master { .. }, true) => {
                self.give_up(effects);
                self.enter(Phase::Fault, Edge::Unfit, now, effects);
            }
            (Phase::Backup { .. } | Phase::Claim { .. } | Phase::Master { .. }, false) => {
                if self.priority() != priority_before {
                    self.assert(now, effects);
                }
            }
        }
    }

    fn resign(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if matches!(self.phase, Phase::Master { .. } | Phase::Claim { .. }) {
            self.give_up(effects);
            self.has_resigned = true;
            self.listen(Edge::Resigned, now, effects);
        }
    }

    fn take(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if matches!(self.phase, Phase::Backup { .. }) {
            self.by_hand = true;
            self.claim(Edge::Told, Against::Master, now, effects);
        }
    }

    /// Is backup from now on.
    fn listen(&mut self, edge: Edge, now: Instant, effects: &mut Vec<Effect>) {
        if edge != Edge::Outranked {
            self.last = None;
        }
        self.by_hand = false;
        let down = now + self.master_interval().master_down(self.priority());
        let backup = Phase::Backup { down, stopped: false, preempts: None };
        self.enter(backup, edge, now, effects);
    }

    fn enter(&mut self, phase: Phase, edge: Edge, now: Instant, effects: &mut Vec<Effect>) {
        let from = self.state();
        self.phase = phase;
        self.since = now;
        match self.state() {
            State::Master => self.has_resigned = false,
            State::Claim if self.by_hand => self.has_resigned = false,
            State::Init | State::Fault => {
                self.by_hand = false;
                self.last = None;
            }
            State::Backup | State::Claim => {}
        }
        effects.push(Effect::Changed(Change { from, to: self.state(), edge }));
    }

    const fn may_preempt(&self) -> bool {
        self.settings.preempt && self.is_ready && !self.has_resigned
    }

    /// The master's interval, which is what its silence is measured by; ours if there is none.
    fn master_interval(&self) -> Interval {
        self.last.map_or(self.settings.interval, |(heard, _)| heard.interval)
    }
}

#[cfg(test)]
mod tests;

//! The weight in force, and why it is not the configured one.

use std::time::{Duration, Instant};

use super::{Director, Recovery, State};
use crate::{
    config::{RealServer, VirtualService},
    health::{Health, Target},
    load::{Admin, GRAIN, Standing},
    model::Weight,
};

/// Where weights are shared finely, one is so many.
const PARTS: u32 = 100 / GRAIN as u32;

/// What a real server gets of its weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// Weight for the schedulers: in services that have shares of weights, twenty for one.
    pub fine_weight: Weight,
    /// Weight as the configuration counts it, rounded up.
    pub weight: u32,
    /// What the real server is.
    pub state: State,
    /// Whether it is out of service: its connections are lost ones.
    pub is_down: bool,
    /// Why the weight is not the configured one; `None` if it is.
    pub why: Option<String>,
}

impl Director {
    /// What a real server is to its service.
    #[must_use]
    pub fn state(&self, service: &VirtualService, real_server: &RealServer) -> State {
        let target = Target { service: service.id, real_server: real_server.address };
        let health = match real_server.check {
            Some(_) => self.health(&target),
            None => Health::Up,
        };
        if !self.is_reachable(real_server) {
            let is_sought = self.sought.contains_key(&real_server.address);
            return if is_sought && health != Health::Down { State::Checking } else { State::Down };
        }
        let standing = self.standing(service, real_server);
        match (standing.admin, health) {
            (Admin::Maintenance, _) => State::Maintenance,
            (_, Health::Checking) => State::Checking,
            (_, Health::Down) => State::Down,
            (_, Health::Up) if standing.is_down => State::Down,
            (Admin::Drain, Health::Up) => State::Drained,
            (Admin::Ready, Health::Up) if real_server.drain => State::Drained,
            (Admin::Ready, Health::Up) => State::Up,
        }
    }

    /// What a real server gets of its weight at this time.
    #[must_use]
    pub fn effective(
        &self,
        service: &VirtualService,
        real_server: &RealServer,
        now: Instant,
    ) -> Effective {
        let state = self.state(service, real_server);
        let none = |why: &str| Effective {
            fine_weight: Weight(0),
            weight: 0,
            state,
            is_down: self.is_down(service, real_server, state),
            why: Some(why.to_owned()),
        };
        match state {
            State::Down | State::Checking if !self.is_reachable(real_server) => {
                none("its MAC is not known")
            }
            State::Checking => none("not checked yet"),
            State::Down if self.standing(service, real_server).is_down => {
                none("it reports that it is down")
            }
            State::Down => none("it fails its checks"),
            State::Maintenance => none("in maintenance, by its own report"),
            State::Drained if real_server.drain => none("drained"),
            State::Drained => none("drained, by its own report"),
            State::Up if self.is_replaced(service) => {
                none("too few are up: the sorry server serves")
            }
            State::Up | State::Quorum | State::NoQuorum => self.share(service, real_server, now),
        }
    }

    /// What a real server that serves gets of its weight.
    fn share(&self, service: &VirtualService, real_server: &RealServer, now: Instant) -> Effective {
        let reported = u32::from(self.standing(service, real_server).share);
        let target = Target { service: service.id, real_server: real_server.address };
        let recovery = self.recovered.get(&target);
        let risen = recovery.map_or(100, |it| it.share_at(now, service.slow_start));
        let share = reported * risen / 100;
        let weight = u32::from(real_server.weight.0);
        let fine = weight * parts(service) * share;
        let why = match (risen, reported) {
            (100, 100) => None,
            (100, _) => Some(format!("load report: {reported} %")),
            (_, 100) => Some(format!("slow start: {risen} %")),
            _ => Some(format!("load report: {reported} %, slow start: {risen} %")),
        };
        Effective {
            // A little is more than nothing.
            fine_weight: Weight(u16::try_from(fine.div_ceil(100)).unwrap_or(u16::MAX)),
            weight: (weight * share).div_ceil(100),
            state: State::Up,
            is_down: false,
            why,
        }
    }

    pub(super) fn standing(&self, service: &VirtualService, real_server: &RealServer) -> Standing {
        let reported = self.standings.get(&real_server.address).filter(|_| service.follow_load);
        reported.copied().unwrap_or_default()
    }

    fn is_reachable(&self, real_server: &RealServer) -> bool {
        self.neighbours.contains_key(&real_server.address)
    }

    /// Whether connections of a real server in this state are lost.
    fn is_down(&self, service: &VirtualService, real_server: &RealServer, state: State) -> bool {
        match state {
            State::Maintenance => true,
            State::Down | State::Checking => {
                self.is_reachable(real_server) && !service.inhibit_on_failure
            }
            State::Up | State::Drained | State::Quorum | State::NoQuorum => false,
        }
    }
}

impl Recovery {
    /// The share of its weight that a real server has at this time, in percent: more and more, in
    /// steps, so that the tables are not written all the time.
    pub(super) fn share_at(&self, now: Instant, slow_start: Duration) -> u32 {
        if slow_start.is_zero() {
            return 100;
        }
        let risen = now.duration_since(self.since).as_secs_f64() / slow_start.as_secs_f64();
        let grain = f64::from(GRAIN);
        ((risen * 100.0 / grain).floor() * grain).clamp(grain, 100.0) as u32
    }
}

/// How finely the weights of a service are shared: not at all if nothing ever shares them, nor so
/// finely that the largest is too large.
pub(super) fn parts(service: &VirtualService) -> u32 {
    if !service.follow_load && service.slow_start.is_zero() {
        return 1;
    }
    let largest = service.real_servers.iter().map(|it| u32::from(it.weight.0)).max().unwrap_or(1);
    (u32::from(u16::MAX) / largest.max(1)).clamp(1, PARTS)
}

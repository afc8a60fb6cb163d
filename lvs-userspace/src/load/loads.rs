//! When to ask which real server for its load, and what its reports mean. Pure: time is a parameter.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    net::IpAddr,
    time::{Duration, Instant},
};

use super::{Admin, GRAIN, Report, Settings, Standing};

/// An agent that goes on failing is complained about so often.
const COMPLAIN: Duration = Duration::from_secs(300);

/// A report that is to be asked for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Of whom.
    pub address: IpAddr,
    /// Given back with the outcome: that of an earlier configuration does not count.
    pub round: u64,
}

/// What an outcome says that was not known before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// What follows for the real server has changed.
    Standing(Standing),
    /// Its operator wants something else.
    Admin(Admin, Option<String>),
    /// It says that it is down, and why.
    Down(Option<String>),
    /// It says that it is up again.
    Up,
    /// There is no report to be had, for this reason; not said of every failure.
    Silent(String),
    /// There has been none for so long that the configured weight holds again.
    Stale,
    /// There are reports again.
    Answers,
}

/// The real servers that are asked.
#[derive(Debug, Default)]
pub struct Loads {
    settings: Settings,
    machines: BTreeMap<IpAddr, Machine>,
    /// Those that wait to be asked, the first to come first.
    waiting: BTreeSet<(Instant, IpAddr)>,
    rounds: u64,
}

#[derive(Clone, Debug)]
struct Machine {
    /// The request that is under way.
    round: Option<u64>,
    next: Option<Instant>,
    /// Share as reported, smoothed; `None` while nobody knows.
    smoothed: Option<f64>,
    standing: Standing,
    last_report: Instant,
    is_stale: bool,
    /// When its silence was last complained about.
    complained: Option<Instant>,
}

impl Loads {
    /// Asks these from now on, and no others. What is known of the others stays known.
    pub fn reconfigure(&mut self, settings: Settings, addresses: &BTreeSet<IpAddr>, now: Instant) {
        let asks_otherwise = settings != self.settings;
        self.settings = settings;
        self.machines.retain(|address, _| addresses.contains(address));
        for &address in addresses {
            let machine = self.machines.entry(address).or_insert_with(|| Machine {
                round: None,
                next: Some(now),
                smoothed: None,
                standing: Standing::default(),
                last_report: now,
                is_stale: false,
                complained: None,
            });
            if asks_otherwise {
                (machine.round, machine.next) = (None, Some(now));
            }
        }
        let next = |(&address, machine): (&IpAddr, &Machine)| Some((machine.next?, address));
        self.waiting = self.machines.iter().filter_map(next).collect();
    }

    /// What followed from reports before this was made, of somebody who is asked.
    pub fn restore(&mut self, address: IpAddr, standing: Standing) {
        if let Some(machine) = self.machines.get_mut(&address) {
            machine.smoothed = Some(f64::from(standing.share));
            machine.standing = standing;
        }
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// When the next report is due.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.waiting.first().map(|&(at, _)| at)
    }

    /// The reports that are due; each is under way from now on.
    pub fn take_due(&mut self, now: Instant) -> Vec<Due> {
        let mut due = Vec::new();
        while let Some(&(at, address)) = self.waiting.first().filter(|(at, _)| *at <= now) {
            self.waiting.remove(&(at, address));
            let Some(machine) = self.machines.get_mut(&address) else { continue };
            self.rounds += 1;
            machine.round = Some(self.rounds);
            machine.next = None;
            due.push(Due { address, round: self.rounds });
        }
        due
    }

    /// Takes in a report, or why there is none; says what is new.
    pub fn outcome(
        &mut self,
        due: Due,
        outcome: &Result<Report, String>,
        now: Instant,
    ) -> Vec<News> {
        let machine = self.machines.get_mut(&due.address);
        let Some(machine) = machine.filter(|it| it.round == Some(due.round)) else {
            return Vec::new();
        };
        let before = machine.standing;
        let mut news = match outcome {
            Ok(report) => machine.report(report, &self.settings, now),
            Err(reason) => machine.silence(reason, &self.settings, now),
        };
        if machine.standing != before {
            news.push(News::Standing(machine.standing));
        }
        machine.round = None;
        // Up to a tenth earlier, so that not all are asked at the same time for ever.
        let early = self.settings.interval.mul_f64(chance(due) / 10.0);
        let next = now + self.settings.interval.saturating_sub(early);
        machine.next = Some(next);
        self.waiting.insert((next, due.address));
        news
    }
}

impl Machine {
    fn report(&mut self, report: &Report, settings: &Settings, now: Instant) -> Vec<News> {
        let mut news = Vec::new();
        self.last_report = now;
        self.is_stale = false;
        if self.complained.take().is_some() {
            news.push(News::Answers);
        }
        if let Some(admin) = report.admin.filter(|&admin| admin != self.standing.admin) {
            self.standing.admin = admin;
            news.push(News::Admin(admin, report.reason.clone()));
        }
        if let Some(is_up) = report.is_up.filter(|&is_up| is_up == self.standing.is_down) {
            self.standing.is_down = !is_up;
            news.push(if is_up { News::Up } else { News::Down(report.reason.clone()) });
        }
        if let Some(share) = report.share {
            let weight = f64::from(settings.smoothing) / 100.0;
            let smoothed = self
                .smoothed
                .map_or(f64::from(share), |before| before + weight * (f64::from(share) - before));
            self.smoothed = Some(smoothed);
            self.standing.share = settings.next_share(self.standing.share, smoothed);
        }
        news
    }

    /// What an operator wanted still holds; how busy the machine was, and whether it was down, does
    /// not when that was long ago: its checks will tell.
    fn silence(&mut self, reason: &str, settings: &Settings, now: Instant) -> Vec<News> {
        let mut news = Vec::new();
        if self.complained.is_none_or(|at| now.duration_since(at) >= COMPLAIN) {
            self.complained = Some(now);
            news.push(News::Silent(reason.to_owned()));
        }
        if !self.is_stale && now.duration_since(self.last_report) >= settings.stale {
            self.is_stale = true;
            self.smoothed = None;
            self.standing = Standing { admin: self.standing.admin, ..Standing::default() };
            news.push(News::Stale);
        }
        news
    }
}

impl Settings {
    /// The next share after `share` when the reports say `wanted`.
    fn next_share(&self, share: u16, wanted: f64) -> u16 {
        let wanted = wanted.clamp(f64::from(self.floor), f64::from(self.ceiling));
        let grain = f64::from(GRAIN);
        let wanted = ((wanted / grain).round() * grain) as u16;
        if wanted.abs_diff(share) < self.hysteresis {
            return share;
        }
        wanted.clamp(share.saturating_sub(self.step), share.saturating_add(self.step))
    }
}

/// From 0 to 1.
fn chance(due: Due) -> f64 {
    let mut hasher = DefaultHasher::new();
    (due.address, due.round).hash(&mut hasher);
    f64::from(hasher.finish() as u16) / 65_536.0
}

#[cfg(test)]
mod tests;

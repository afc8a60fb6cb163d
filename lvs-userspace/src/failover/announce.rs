//! When the network is told that the VIPs are here: by gratuitous ARP and unsolicited neighbour
//! advertisements. Pure: time is a parameter.
//!
//! A burst when this director becomes master, because any of it may be lost; another a while later, for
//! switches and clients that were not ready; then, if that is wanted, one now and then. After a conflict
//! it begins anew: the other director has told them otherwise.

use std::time::{Duration, Instant};

/// From one announcement of a burst to the next.
const GAP: Duration = Duration::from_millis(20);
/// A conflict that goes on is no reason to announce more often than this.
const CALM: Duration = Duration::from_secs(1);

/// How it is announced: the `[failover.announce]` section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Announcements of a burst.
    pub burst: u32,
    /// The second burst comes so long after the first; zero: there is none.
    pub repeat_after: Duration,
    /// From then on once in so long; zero: never.
    pub refresh: Duration,
}

/// Five, and five more after five seconds, as keepalived does it.
impl Default for Settings {
    fn default() -> Self {
        Self { burst: 5, repeat_after: Duration::from_secs(5), refresh: Duration::ZERO }
    }
}

/// What is to be announced when.
#[derive(Debug)]
pub struct Schedule {
    settings: Settings,
    /// `None` when nothing more is to be announced.
    next: Option<Instant>,
    /// Announcements of this burst that are still to come.
    left: u32,
    repeats: bool,
    /// When it began the last time, or will.
    began: Option<Instant>,
}

impl Schedule {
    /// Nothing is to be announced.
    #[must_use]
    pub const fn new(settings: Settings) -> Self {
        Self { settings, next: None, left: 0, repeats: false, began: None }
    }

    /// Goes by other settings from the next announcement on.
    pub fn reconfigure(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// The VIPs are here from now on, or they still are after a conflict.
    pub fn start(&mut self, now: Instant) {
        if self.began.is_some_and(|it| it > now) {
            return; // It begins anew soon enough.
        }
        let first = self.began.map_or(now, |it| now.max(it + CALM));
        self.began = Some(first);
        self.next = Some(first);
        self.left = self.settings.burst;
        self.repeats = !self.settings.repeat_after.is_zero();
    }

    /// The VIPs are here no more.
    pub fn stop(&mut self) {
        self.next = None;
        self.began = None;
    }

    /// When the next announcement is due.
    #[must_use]
    pub const fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Whether to announce all VIPs now.
    pub fn take_due(&mut self, now: Instant) -> bool {
        let (Some(due), Some(began)) = (self.next, self.began) else { return false };
        if now < due {
            return false;
        }
        self.left = self.left.saturating_sub(1);
        self.next = if self.left > 0 {
            Some(now + GAP)
        } else if self.repeats {
            self.repeats = false;
            self.left = self.settings.burst;
            Some(now.max(began + self.settings.repeat_after))
        } else {
            let refresh = self.settings.refresh;
            Some(now + refresh).filter(|_| !refresh.is_zero())
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When it announces within a time, in milliseconds, if it looks every 5 ms.
    fn announcements(schedule: &mut Schedule, start: Instant, until: u64) -> Vec<u64> {
        (0..until)
            .step_by(5)
            .filter(|&ms| schedule.take_due(start + Duration::from_millis(ms)))
            .collect()
    }

    #[test]
    fn a_burst_a_repeat_and_a_refresh() {
        let start = Instant::now();
        let settings = Settings {
            burst: 3,
            repeat_after: Duration::from_secs(5),
            refresh: Duration::from_secs(60),
        };
        let mut schedule = Schedule::new(settings);
        assert!(!schedule.take_due(start));
        schedule.start(start);
        assert_eq!(
            announcements(&mut schedule, start, 130_000),
            [0, 20, 40, 5000, 5020, 5040, 65_040, 125_040]
        );
        schedule.stop();
        assert_eq!(schedule.next(), None);
        assert!(!schedule.take_due(start + Duration::from_secs(1000)));
    }

    #[test]
    fn once_and_no_more() {
        let start = Instant::now();
        let settings = Settings { burst: 1, repeat_after: Duration::ZERO, refresh: Duration::ZERO };
        let mut schedule = Schedule::new(settings);
        schedule.start(start);
        assert_eq!(announcements(&mut schedule, start, 100_000), [0]);
        assert_eq!(schedule.next(), None);
    }

    #[test]
    fn after_a_conflict_it_begins_anew_but_stays_calm() {
        let start = Instant::now();
        let mut schedule = Schedule::new(Settings { burst: 2, ..Settings::default() });
        schedule.start(start);
        let mut seen = Vec::new();
        // A conflict every 100 ms, for two and a half seconds.
        for ms in (0..20_000).step_by(5) {
            let now = start + Duration::from_millis(ms);
            if ms % 100 == 50 && ms < 2_500 {
                schedule.start(now);
            }
            if schedule.take_due(now) {
                seen.push(ms);
            }
        }
        assert_eq!(seen, [0, 20, 1000, 1020, 2000, 2020, 3000, 3020, 8000, 8020]);
    }

    #[test]
    fn who_becomes_master_again_announces_at_once() {
        let start = Instant::now();
        let mut schedule = Schedule::new(Settings::default());
        schedule.start(start);
        assert!(schedule.take_due(start));
        schedule.stop();
        schedule.start(start + Duration::from_millis(1));
        assert!(schedule.take_due(start + Duration::from_millis(1)));
    }
}

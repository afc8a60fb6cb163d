//! How late checks begin. Pure: time is a parameter.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// A check that begins so late says more about the director than about the real server.
const LATE: Duration = Duration::from_millis(100);
/// The latest is that of so long.
const RECENT: Duration = Duration::from_secs(60);

/// Counts what has begun, and when.
#[derive(Clone, Debug, Default)]
pub struct Punctuality {
    /// Checks that have begun.
    pub made: u64,
    /// Those of them that were late by more than 100 ms.
    pub late: u64,
    /// Those of them that this machine could not make.
    pub not_asked: u64,
    /// Each later than all that follow.
    latest: VecDeque<(Instant, Duration)>,
}

impl Punctuality {
    /// A check begins now that was due then; says whether that is late.
    pub(super) fn begins(&mut self, due: Instant, now: Instant) -> bool {
        let by = now.duration_since(due);
        self.made += 1;
        self.late += u64::from(by > LATE);
        while self.latest.back().is_some_and(|&(_, other)| other <= by) {
            self.latest.pop_back();
        }
        self.latest.push_back((now, by));
        while self.latest.front().is_some_and(|&(at, _)| now.duration_since(at) > RECENT) {
            self.latest.pop_front();
        }
        by > LATE
    }

    /// By how much the latest check of the last minute was late.
    #[must_use]
    pub fn latest(&self, now: Instant) -> Duration {
        let mut recent = self.latest.iter().filter(|(at, _)| now.duration_since(*at) <= RECENT);
        recent.next().map_or(Duration::ZERO, |&(_, by)| by)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_latest_is_that_of_the_last_minute(
            begins in prop::collection::vec((0u64..30_000, 0u64..300), 1..50),
        ) {
            let start = Instant::now() + Duration::from_secs(1);
            let mut punctuality = Punctuality::default();
            let mut all = Vec::new();
            let mut now = start;
            for (after, by) in begins {
                now += Duration::from_millis(after);
                let by = Duration::from_millis(by);
                prop_assert_eq!(punctuality.begins(now - by, now), by > LATE);
                all.push((now, by));
                let recent = all.iter().filter(|(at, _)| now - *at <= RECENT);
                prop_assert_eq!(Some(punctuality.latest(now)), recent.map(|it| it.1).max());
            }
            prop_assert_eq!(punctuality.made, all.len() as u64);
            prop_assert_eq!(punctuality.late, all.iter().filter(|it| it.1 > LATE).count() as u64);
            prop_assert_eq!(punctuality.latest(now + RECENT * 2), Duration::ZERO);
        }
    }
}

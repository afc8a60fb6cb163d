//! How late a message is heard: a follower that was stopped, or that has much to do, reads what was said
//! long ago, and what was seen "just now" then is not new. Pure.

use std::time::Duration;

/// For so long what was learned is gone by, and as long again: two clocks without a common time drift
/// apart by some milliseconds a minute.
const WINDOW: Duration = Duration::from_secs(30);

/// Of one conversation. The two clocks begin at different times; the message that was under way the
/// shortest time of late shows by how much.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lateness {
    /// When this window began, by the hearer's clock.
    since: Duration,
    /// What the speaker's clock is ahead of the hearer's, at least: by this window, and by the one before.
    ahead: [Option<i128>; 2],
}

impl Lateness {
    /// How much later than the quickest a message comes that was said then, by the speaker's clock, and
    /// is heard now, by the hearer's.
    pub(super) fn of(&mut self, said: Duration, heard: Duration) -> Duration {
        let ahead = milliseconds(said) - milliseconds(heard);
        // By one window, however long it was: whoever slept hears much late, and knows of before.
        if heard.saturating_sub(self.since) >= WINDOW {
            *self = Self { since: heard, ahead: [None, self.ahead[0]] };
        }
        self.ahead[0] = self.ahead[0].max(Some(ahead));
        let most = self.ahead.into_iter().flatten().fold(ahead, i128::max);
        u64::try_from(most - ahead).map_or(Duration::MAX, Duration::from_millis)
    }
}

fn milliseconds(time: Duration) -> i128 {
    i128::try_from(time.as_millis()).unwrap_or(i128::MAX / 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn who_was_asleep_hears_late() {
        let mut lateness = Lateness::default();
        let mut of = |said, heard| {
            let [said, heard] = [said, heard].map(Duration::from_millis);
            u64::try_from(lateness.of(said, heard).as_millis()).unwrap()
        };
        // The speaker has been there for long.
        assert_eq!(of(1_000_007, 10), 0);
        assert_eq!(of(1_000_107, 112), 2);
        // Quicker than the first.
        assert_eq!(of(1_000_205, 205), 0);
        assert_eq!(of(1_000_307, 310), 3);
        // Asleep for five seconds; then all at once.
        assert_eq!(of(1_000_400, 5_400), 5_000);
        assert_eq!(of(1_002_400, 5_401), 3_001);
        assert_eq!(of(1_005_400, 5_402), 2);
        // And for longer than a window.
        assert_eq!(of(1_006_000, 76_000), 70_000);
        assert_eq!(of(1_076_000, 76_001), 1);
    }

    #[test]
    fn clocks_may_drift() {
        let mut lateness = Lateness::default();
        for second in 0..86_400u64 {
            // The hearer's is faster by 100 parts in a million.
            let heard = Duration::from_millis(second * 1000 + second / 10);
            let late = lateness.of(Duration::from_secs(second), heard);
            assert!(late <= Duration::from_millis(7), "{late:?}");
        }
    }

    proptest! {
        #[test]
        fn any_clocks_will_do(times in prop::collection::vec((any::<u64>(), any::<u64>()), 1..20)) {
            let mut lateness = Lateness::default();
            for (said, heard) in times {
                let [said, heard] = [said, heard].map(Duration::from_millis);
                let late = lateness.of(said, heard);
                // Once more just then is as late; a second later is a second later.
                prop_assert_eq!(lateness.of(said, heard), late);
                let second = Duration::from_secs(1);
                prop_assert_eq!(lateness.of(said, heard + second), late.saturating_add(second));
            }
        }
    }
}

//! The program's clock: jiffies, shifted so that a unit is about a second.

use std::time::{Duration, Instant};

/// How often the kernel's clock ticks in a second (`CONFIG_HZ`).
const KNOWN_HZ: [u64; 6] = [100, 128, 250, 300, 1000, 1024];

/// How the program's clock goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// As long as the kernel makes it, in nanoseconds (`TICK_NSEC` in include/linux/jiffies.h), so that
    /// the two do not drift apart.
    tick: u64,
    shift: u32,
    /// Jiffies at a moment.
    jiffies: u64,
    at: Instant,
}

impl Clock {
    /// The clock of a kernel that ticks `hz` times a second and stands at `jiffies` now.
    #[must_use]
    pub fn new(hz: u64, jiffies: u64, now: Instant) -> Self {
        // The power of two that is nearest to a second.
        let shift = (0..16).min_by_key(|shift| (1u64 << shift).abs_diff(hz)).unwrap_or(8);
        Self { tick: (1_000_000_000 + hz / 2) / hz, shift, jiffies, at: now }
    }

    /// The known frequency that is nearest to what was seen: so many ticks in so long.
    #[must_use]
    pub fn hz(ticks: u64, passed: Duration) -> u64 {
        let seen = ticks as f64 / passed.as_secs_f64();
        let off = |hz: u64| ((seen / hz as f64).ln().abs() * 1e6) as u64;
        KNOWN_HZ.into_iter().min_by_key(|&hz| off(hz)).unwrap_or(250)
    }

    /// Of two that were read of the same clock, the one that is ahead. None is ever ahead of the kernel's,
    /// since it was read before it was noted when.
    #[must_use]
    pub fn ahead(self, other: Self) -> Self {
        let later = self.at.max(other.at);
        let nanos = |it: &Self| {
            u128::from(it.jiffies) * u128::from(it.tick) + later.duration_since(it.at).as_nanos()
        };
        if nanos(&other) > nanos(&self) { other } else { self }
    }

    /// So far jiffies are shifted.
    #[must_use]
    pub const fn shift(&self) -> u32 {
        self.shift
    }

    /// Jiffies at a moment.
    #[must_use]
    pub fn jiffies(&self, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.at);
        self.jiffies + (passed.as_nanos() / u128::from(self.tick)) as u64
    }

    /// The last jiffy that is surely over at a moment: what is good until then ends a tick early, or
    /// two, and never late. For [`jiffies`](Self::jiffies) can be behind the kernel's, by less than a tick.
    #[must_use]
    pub fn last_jiffy_before(&self, moment: Instant) -> u64 {
        self.jiffies(moment).saturating_sub(1)
    }

    /// How long a jiffy is.
    #[must_use]
    pub const fn tick(&self) -> Duration {
        Duration::from_nanos(self.tick)
    }

    /// What an entry of a connection table that is seen at this moment bears.
    #[must_use]
    pub fn stamp(&self, now: Instant) -> u16 {
        (self.jiffies(now) >> self.shift) as u16
    }

    /// The same with more bits, as where clients stay bears it.
    #[must_use]
    pub fn long_stamp(&self, now: Instant) -> u32 {
        (self.jiffies(now) >> self.shift) as u32
    }

    /// A time in units, rounded up.
    #[must_use]
    pub fn units(&self, time: Duration) -> u32 {
        let jiffies = time.as_nanos() / u128::from(self.tick);
        u32::try_from(jiffies.div_ceil(1 << self.shift)).unwrap_or(u32::MAX)
    }

    /// Units as a time.
    #[must_use]
    pub fn time(&self, units: u32) -> Duration {
        Duration::from_nanos((u64::from(units) << self.shift).saturating_mul(self.tick))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_about_a_second() {
        for hz in KNOWN_HZ {
            let clock = Clock::new(hz, 0, Instant::now());
            let unit = clock.time(1).as_secs_f64();
            assert!((0.7..1.4).contains(&unit), "{hz}: {unit}");
            assert!(clock.time(clock.units(Duration::from_secs(900))) >= Duration::from_secs(900));
        }
    }

    #[test]
    fn the_frequency_is_recognised() {
        for hz in KNOWN_HZ {
            let passed = Duration::from_millis(200);
            assert_eq!(Clock::hz(hz / 5, passed), hz);
        }
    }

    #[test]
    fn the_one_that_was_read_soonest_after_a_tick_is_ahead() {
        let now = Instant::now();
        let late = Clock::new(250, 1000, now + Duration::from_millis(3));
        let soon = Clock::new(250, 1001, now + Duration::from_millis(4));
        assert_eq!(late.ahead(soon), soon);
        assert_eq!(soon.ahead(late), soon);
    }

    #[test]
    fn it_goes_on() {
        let now = Instant::now();
        let clock = Clock::new(250, 1000, now);
        assert_eq!(clock.jiffies(now + Duration::from_secs(2)), 1500);
        assert_eq!(clock.stamp(now + Duration::from_millis(24)), 1006 >> 8);
    }
}

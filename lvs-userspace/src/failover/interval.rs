//! The time from one advertisement to the next, and the times that follow from it.

use std::time::Duration;

/// The time from one advertisement to the next, as far as a packet can say it: a number of
/// centiseconds in 12 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interval(u16);

impl Interval {
    /// 10 ms.
    pub const SHORTEST: Self = Self(1);
    /// 1 s, as all of VRRP has it.
    pub const USUAL: Self = Self(100);
    /// 40.95 s.
    pub const LONGEST: Self = Self(0xfff);

    /// So many centiseconds, if a packet can say that.
    #[must_use]
    pub const fn from_centiseconds(centiseconds: u16) -> Option<Self> {
        if centiseconds >= Self::SHORTEST.0 && centiseconds <= Self::LONGEST.0 {
            Some(Self(centiseconds))
        } else {
            None
        }
    }

    /// This time, if a packet can say it.
    #[must_use]
    pub fn from_duration(time: Duration) -> Option<Self> {
        let centiseconds = u16::try_from(time.as_nanos() / 10_000_000).ok()?;
        Self::from_centiseconds(centiseconds).filter(|it| it.duration() == time)
    }

    /// As a packet says it.
    #[must_use]
    pub const fn centiseconds(self) -> u16 {
        self.0
    }

    /// As a time.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0 as u64 * 10)
    }

    /// `Skew_Time`: the lower the priority, the later a backup acts, so that the best acts first
    /// (RFC 9568, section 6.1). To the nanosecond: whole centiseconds of it would be zero for any
    /// interval below 2.56 s, and all backups would act at once.
    #[must_use]
    pub fn skew(self, priority: u8) -> Duration {
        self.duration() * (256 - u32::from(priority)) / 256
    }

    /// `Active_Down_Interval`: after so long a silence the master is thought to be gone.
    #[must_use]
    pub fn master_down(self, priority: u8) -> Duration {
        3 * self.duration() + self.skew(priority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_rfc() {
        let ms = Duration::from_millis;
        for (interval, priority, skew, master_down) in [
            (ms(1000), 200, Duration::from_micros(218_750), Duration::from_micros(3_218_750)),
            (ms(1000), 100, Duration::from_micros(609_375), Duration::from_micros(3_609_375)),
            (ms(100), 200, Duration::from_nanos(21_875_000), Duration::from_nanos(321_875_000)),
            (ms(10), 254, Duration::from_nanos(78_125), Duration::from_nanos(30_078_125)),
        ] {
            let interval = Interval::from_duration(interval).unwrap();
            assert_eq!(interval.skew(priority), skew);
            assert_eq!(interval.master_down(priority), master_down);
        }
    }

    #[test]
    fn the_better_of_two_is_always_first() {
        for interval in [Interval::SHORTEST, Interval::LONGEST] {
            for priority in 1..=255 {
                assert!(interval.skew(priority) < interval.skew(priority - 1));
                assert!(interval.skew(priority) > Duration::ZERO);
            }
        }
    }

    #[test]
    fn only_what_a_packet_can_say() {
        let from = |ms| Interval::from_duration(Duration::from_millis(ms));
        assert_eq!(from(10), Some(Interval::SHORTEST));
        assert_eq!(from(40_950), Some(Interval::LONGEST));
        for ms in [0, 1, 5, 15, 99, 40_951, 40_960, 10_000_000] {
            assert_eq!(from(ms), None, "{ms}");
        }
    }
}

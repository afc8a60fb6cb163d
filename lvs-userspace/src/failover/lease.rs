//! How long the program may answer for the VIPs after an advertisement: the lease. Pure.
//!
//! A backup takes over when it has heard nothing for `3 * interval + skew`
//! ([`Interval::master_down`]), counted from when the last advertisement has reached it. So whoever
//! stops to send, for whatever reason, must have stopped to answer before that:
//!
//! ```text
//!  sent    + 1 interval     + 2 intervals     + 3 intervals
//!   |--------------|----------------|----------------|
//!   |<---------------- lease --------------->|margin |<- skew ->|
//!   ^ sent        ^ the next, if all is well          ^          ^ a backup takes over
//! ```
//!
//! - The lease counts from the moment *before* the advertisement was sent, the backup's time from
//!   the moment after it has arrived: the way between them is to the good.
//! - The backup's skew is taken for zero, however good its priority is: other implementations cut
//!   it off, and ours is never less.
//! - The margin is a sixteenth of an interval: a fiftieth of the lease. Clocks of two machines that
//!   differ by so much are broken (quartz is off by 0.01 % at most).
//! - The program's clock has ticks of a few milliseconds;
//!   [`Clock::last_jiffy_before`](crate::dataplane::Clock::last_jiffy_before) rounds down, so the
//!   lease can be two ticks shorter, and never longer.
//!
//! It is extended only when an advertisement has been sent, and after that: what could not be sent, or
//! what lvsd was stopped before it could send, extends nothing. It outlasts two advertisements that are
//! late or lost on their way out of this machine. Advertisements that the *network* loses it can't know
//! of: a backup that misses three in a row takes over from a living master, as in all of VRRP, and
//! [`machine`](super::machine) ends that at the next one that arrives.

use std::time::{Duration, Instant};

use super::Interval;

/// How much sooner the lease ends than it could.
#[must_use]
pub fn margin(interval: Interval) -> Duration {
    interval.duration() / 16
}

/// How long the lease lasts.
#[must_use]
pub fn length(interval: Interval) -> Duration {
    3 * interval.duration() - margin(interval)
}

/// Until when the program may answer, when the last advertisement was sent then.
#[must_use]
pub fn end(sent: Instant, interval: Interval) -> Instant {
    sent + length(interval)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dataplane::Clock;

    proptest! {
        /// By the program's clock, whatever its tick and phase, and though the peer's clock be off.
        #[test]
        fn it_ends_before_any_backup_takes_over(
            centiseconds in 1u16..0x1000,
            priority in 1u8..=255,
            hz in prop::sample::select(vec![100u64, 250, 300, 1000, 1024]),
            phase in 0.0..1.0f64,
            sent_after in 0u64..100_000_000,
            drift_ppm in -300i64..300,
        ) {
            let interval = Interval::from_centiseconds(centiseconds).unwrap();
            let tick = Duration::from_nanos((1_000_000_000 + hz / 2) / hz);
            // The kernel's jiffies change from 1000 to 1001 a tick after this.
            let changed = Instant::now();
            let jiffies = |at: Instant| {
                1000 + at.duration_since(changed).as_nanos() / tick.as_nanos()
            };
            let read = changed + tick.mul_f64(phase);
            let clock = Clock::new(hz, 1000, read);

            let sent = read + Duration::from_nanos(sent_after);
            let last = clock.last_jiffy_before(end(sent, interval));
            let waits = interval.master_down(priority);
            let waits = waits - waits.mul_f64(drift_ppm.unsigned_abs() as f64 / 1e6);
            prop_assert!(jiffies(sent + waits) > u128::from(last));
        }

        #[test]
        fn it_outlasts_two_intervals(centiseconds in 1u16..0x1000) {
            let interval = Interval::from_centiseconds(centiseconds).unwrap();
            prop_assert!(length(interval) > 2 * interval.duration());
        }
    }
}

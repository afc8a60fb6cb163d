//! How long the program may answer and forward for the VIPs: two words in memory that it looks at with
//! every packet.

use std::{fmt, sync::atomic::Ordering, time::Instant};

use super::{
    Clock,
    shared::{SharedArray, SharedSettings},
};

/// The program's lease. Each change is one word, or two in an order that never lets it answer without
/// forwarding.
pub struct Lease {
    settings: SharedArray<SharedSettings>,
    clock: Clock,
}

impl Lease {
    pub(super) const fn new(settings: SharedArray<SharedSettings>, clock: Clock) -> Self {
        Self { settings, clock }
    }

    /// It answers and forwards until then.
    pub fn renew(&self, end: Instant) {
        self.set(self.clock.last_jiffy_before(end));
    }

    /// One that has no end, as that of a director without others, ends now. One that has runs out by
    /// itself, and nobody takes over before.
    pub fn bound(&self) {
        let is_without_end =
            |it: &SharedSettings| it.active_until.load(Ordering::Acquire) == u64::MAX;
        if self.settings.get(0).is_some_and(is_without_end) {
            self.end();
        }
    }

    /// It answers and forwards for ever: there is no other director.
    pub fn without_end(&self) {
        self.set(u64::MAX);
    }

    /// It answers no more, and forwards as long as it would have.
    pub fn silence(&self) {
        if let Some(settings) = self.settings.get(0) {
            settings.answers_until.store(0, Ordering::Release);
        }
    }

    /// TCP of connections that it does not know is dropped until then, and sent again: another director
    /// may just be telling of them.
    pub fn hold_strays(&self, end: Instant) {
        if let Some(settings) = self.settings.get(0) {
            settings.strays_until.store(self.clock.jiffies(end), Ordering::Release);
        }
    }

    /// It neither answers nor forwards.
    pub fn end(&self) {
        self.silence();
        if let Some(settings) = self.settings.get(0) {
            settings.active_until.store(0, Ordering::Release);
        }
    }

    /// How long a tick of the program's clock is, by which a lease may be shorter than it was renewed for,
    /// twice.
    #[must_use]
    pub const fn tick(&self) -> std::time::Duration {
        self.clock.tick()
    }

    fn set(&self, jiffy: u64) {
        if let Some(settings) = self.settings.get(0) {
            settings.active_until.store(jiffy, Ordering::Release);
            settings.answers_until.store(jiffy, Ordering::Release);
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("clock", &self.clock).finish_non_exhaustive()
    }
}

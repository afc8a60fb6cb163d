//! Keeps the maps what they should be: places what is wanted, writes the difference, tries again what
//! has failed, and looks whether anybody else has changed them.

use std::{
    collections::BTreeMap,
    io,
    time::{Duration, Instant},
};

use super::{Clock, Dataplane, Placement, PlacementError, Service, Tables, plan};
use crate::model::MacAddr;

/// How long to wait before writes that failed are tried again: at first, and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Why the maps are not what they should be.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// There is no room.
    #[error("the configuration does not fit into the maps: {0}")]
    Placement(#[from] PlacementError),
    /// The kernel has refused a write.
    #[error("can't write the maps: {0}")]
    Write(io::Error),
}

/// That the maps are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutOfSync {
    /// Why.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried again.
    pub retry_at: Instant,
}

/// Knows what the maps hold.
#[derive(Debug)]
pub struct Synchroniser {
    placement: Placement,
    actual: Tables,
    out_of_sync: Option<OutOfSync>,
}

impl Synchroniser {
    /// For maps that hold this.
    #[must_use]
    pub fn new(max_real_servers: u32, actual: Tables) -> Self {
        let placement = Placement::restore(max_real_servers, &actual);
        Self { placement, actual, out_of_sync: None }
    }

    /// Who has which place.
    #[must_use]
    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// What the maps hold.
    #[must_use]
    pub fn actual(&self) -> &Tables {
        &self.actual
    }

    /// What is wrong, if the maps are not what they should be.
    #[must_use]
    pub fn out_of_sync(&self) -> Option<&OutOfSync> {
        self.out_of_sync.as_ref()
    }

    /// Whether it is time to try again.
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        self.out_of_sync.as_ref().is_some_and(|it| now >= it.retry_at)
    }

    /// Lets go of removed real servers without connections; says whether any left.
    pub fn release(&mut self, has_connections: impl Fn(u32) -> bool) -> bool {
        self.placement.release(has_connections)
    }

    /// Whether the maps have room for these services.
    ///
    /// # Errors
    /// What they have no room for.
    pub fn would_fit(
        &self,
        services: &[Service],
        clock: &Clock,
        now: Instant,
    ) -> Result<(), SyncError> {
        let (_, placed) = self.placement.clone().place(services, &BTreeMap::new(), clock, now);
        Ok(placed?)
    }

    /// Makes the maps hold these services and interfaces. What fails is noted, to be tried again.
    ///
    /// # Errors
    /// Why they do not; what was written is as it should be.
    pub fn synchronise(
        &mut self,
        services: &[Service],
        interfaces: &BTreeMap<u32, MacAddr>,
        clock: &Clock,
        dataplane: &mut impl Dataplane,
        now: Instant,
    ) -> Result<(), SyncError> {
        let result = self.write(services, interfaces, clock, dataplane, now);
        self.out_of_sync = result.as_ref().err().map(|error| {
            let attempts = self.out_of_sync.as_ref().map_or(0, |it| it.attempts) + 1;
            let wait = RETRY.0.saturating_mul(1 << (attempts - 1).min(16)).min(RETRY.1);
            OutOfSync { reason: error.to_string(), attempts, retry_at: now + wait }
        });
        result
    }

    fn write(
        &mut self,
        services: &[Service],
        interfaces: &BTreeMap<u32, MacAddr>,
        clock: &Clock,
        dataplane: &mut impl Dataplane,
        now: Instant,
    ) -> Result<(), SyncError> {
        let (wanted, placed) = self.placement.place(services, interfaces, clock, now);
        for write in plan(&wanted, &self.actual) {
            dataplane.write(&write).map_err(SyncError::Write)?;
            self.actual.note(&write);
        }
        Ok(placed?)
    }

    /// Looks what the maps really hold; says how many entries are otherwise than they were written.
    /// The next [`synchronise`](Self::synchronise) repairs them.
    ///
    /// # Errors
    /// When the maps can't be read.
    pub fn compare(&mut self, dataplane: &impl Dataplane) -> io::Result<usize> {
        let held = dataplane.read(&mut self.actual.real_servers.keys().copied())?;
        let differences = self.actual.differences(&held);
        if differences > 0 {
            self.actual = held;
        }
        Ok(differences)
    }
}

#[cfg(test)]
mod tests;

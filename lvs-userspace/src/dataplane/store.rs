//! The connections as another director tells of them, and is told: looked up by name, recorded with what
//! was heard of them, gone through a part at a time.
//!
//! It is the same memory that the program uses, and each change one compare-and-swap, as there; so it
//! needs no lock, and may be done in any thread.

mod family;

use std::{
    net::IpAddr,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use lvs_common::{
    abi::{ConnectionKey, ConnectionKeyV6, tells},
    connections::{Entry, Secrets, state},
    flow::Flow,
};

use super::{
    Clock,
    shared::{SharedArray, SharedBucket, SharedBucketV6, SharedLoad, SharedSettings},
};
use crate::model::{Protocol, ServiceId};
use family::Family;

/// The connection tables and the loads, which lvsd shares with the program.
#[derive(Debug)]
pub(super) struct SharedMaps {
    pub(super) loads: SharedArray<SharedLoad>,
    pub(super) connections: SharedArray<SharedBucket>,
    pub(super) half_open: SharedArray<SharedBucket>,
    pub(super) connections_v6: SharedArray<SharedBucketV6>,
    pub(super) half_open_v6: SharedArray<SharedBucketV6>,
}

/// What names a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowName {
    /// Of IPv4.
    V4(Flow<[u8; 4]>),
    /// Of IPv6.
    V6(Flow<[u8; 16]>),
}

/// What is known of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Which it is.
    pub flow: FlowName,
    /// Index of its real server.
    pub real_server: u32,
    /// One of [`state`].
    pub state: u8,
    /// How long ago a packet of it was seen, to about a second.
    pub age: Duration,
}

/// What became of what was heard of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is known now.
    Recorded,
    /// It was known, and is as was heard.
    Updated,
    /// What was known is newer.
    Older,
    /// There was no place for it to be had.
    NoRoom,
}

/// How far one has gone through the tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    table: usize,
    bucket: usize,
}

/// The connections in memory that the program shares.
#[derive(Clone, Debug)]
pub struct ConnectionStore {
    maps: Arc<SharedMaps>,
    settings: Arc<SharedArray<SharedSettings>>,
    secrets: Secrets,
    clock: Clock,
}

impl FlowName {
    /// Its protocol; `None` if it is neither TCP nor UDP.
    #[must_use]
    pub fn protocol(&self) -> Option<Protocol> {
        let number = match self {
            Self::V4(flow) => flow.protocol,
            Self::V6(flow) => flow.protocol,
        };
        Protocol::ALL.into_iter().find(|it| u32::from(it.number()) == number)
    }

    /// The service that it was opened to, if there is one for exactly its port.
    #[must_use]
    pub fn service(&self) -> Option<ServiceId> {
        let protocol = self.protocol()?;
        Some(match self {
            Self::V4(Flow { key: ConnectionKey { vip, port, .. }, .. }) => {
                ServiceId { protocol, address: (*vip).into(), port: u16::from_be_bytes(*port) }
            }
            Self::V6(Flow { key: ConnectionKeyV6 { vip, port, .. }, .. }) => {
                ServiceId { protocol, address: (*vip).into(), port: u16::from_be_bytes(*port) }
            }
        })
    }

    /// Of which address family it is.
    #[must_use]
    pub fn is_like(&self, address: IpAddr) -> bool {
        matches!(self, Self::V4(_)) == address.is_ipv4()
    }
}

impl ConnectionStore {
    pub(super) const fn new(
        maps: Arc<SharedMaps>,
        settings: Arc<SharedArray<SharedSettings>>,
        secrets: Secrets,
        clock: Clock,
    ) -> Self {
        Self { maps, settings, secrets, clock }
    }

    fn v4(&self) -> Family<'_, SharedBucket> {
        let SharedMaps { connections, half_open, .. } = &*self.maps;
        Family { established: connections, half_open, secrets: &self.secrets }
    }

    fn v6(&self) -> Family<'_, SharedBucketV6> {
        let SharedMaps { connections_v6, half_open_v6, .. } = &*self.maps;
        Family { established: connections_v6, half_open: half_open_v6, secrets: &self.secrets }
    }

    /// What is known of a connection.
    #[must_use]
    pub fn find(&self, flow: FlowName, now: Instant) -> Option<Known> {
        let entry = match &flow {
            FlowName::V4(flow) => self.v4().find(flow),
            FlowName::V6(flow) => self.v6().find(flow),
        };
        Some(self.known(flow, entry?, self.clock.stamp(now)))
    }

    /// Takes in what another director knows of a connection, unless it is older than what is known here.
    /// What is as old is taken in, too, unless the `own` program is to know better.
    pub fn put(&self, known: &Known, own_is_better: bool, now: Instant) -> Put {
        let now = self.clock.stamp(now);
        let age = u16::try_from(self.clock.units(known.age)).unwrap_or(u16::MAX);
        let Known { real_server, state, .. } = *known;
        let entry = Entry { real_server, seen: now.wrapping_sub(age), state, tag: 0 };
        let loads = |old: Entry, new: Entry| self.recount(old, new);
        match &known.flow {
            FlowName::V4(flow) => self.v4().put(flow, entry, (now, own_is_better), loads),
            FlowName::V6(flow) => self.v6().put(flow, entry, (now, own_is_better), loads),
        }
    }

    /// Shows what is in the next `buckets` buckets that were seen within `within`; says whether there are
    /// more.
    pub fn walk(
        &self,
        cursor: &mut Cursor,
        buckets: usize,
        within: Duration,
        now: Instant,
        visit: &mut impl FnMut(Known),
    ) -> bool {
        let now = self.clock.stamp(now);
        let within = u16::try_from(self.clock.units(within)).unwrap_or(u16::MAX);
        let range = cursor.bucket..cursor.bucket.saturating_add(buckets);
        let length = {
            let mut visit = |flow, entry: Entry| {
                if age(entry, now) <= within {
                    visit(self.known(flow, entry, now));
                }
            };
            let maps = &*self.maps;
            match cursor.table {
                0 => family::each(&maps.connections, range, &mut |k, e| visit(named_v4(k, e), e)),
                1 => family::each(&maps.half_open, range, &mut |k, e| visit(named_v4(k, e), e)),
                2 => {
                    family::each(&maps.connections_v6, range, &mut |k, e| visit(named_v6(k, e), e))
                }
                3 => family::each(&maps.half_open_v6, range, &mut |k, e| visit(named_v6(k, e), e)),
                _ => return false,
            }
        };
        cursor.bucket = cursor.bucket.saturating_add(buckets);
        if cursor.bucket >= length {
            *cursor = Cursor { table: cursor.table + 1, bucket: 0 };
        }
        cursor.table < 4
    }

    /// Whether the program is to say what begins and changes.
    pub fn tell(&self, changes: bool, beginnings: bool) {
        let bit = |wanted, bit| if wanted { bit } else { 0 };
        let tells = bit(changes, tells::CHANGES) | bit(beginnings, tells::BEGINNINGS);
        if let Some(settings) = self.settings.get(0) {
            settings.tells.store(tells, Ordering::Release);
        }
    }

    /// New connections go to whom the scheduler picks until then; for ever, if there is nobody to tell of
    /// them.
    pub fn schedule_until(&self, moment: Option<Instant>) {
        let until = moment.map_or(u64::MAX, |it| self.clock.jiffies(it));
        if let Some(settings) = self.settings.get(0) {
            settings.scheduled_until.store(until, Ordering::Release);
        }
    }

    /// So many CPUs share the room among the half-open connections from now on.
    pub(super) fn share_among(&self, cpus: u32) {
        if let Some(settings) = self.settings.get(0) {
            settings.cpus.store(cpus, Ordering::Release);
        }
    }

    /// When where a client stays was noted.
    #[must_use]
    pub fn age_of_template(&self, seen: u32, now: Instant) -> Duration {
        let age = self.clock.long_stamp(now).wrapping_sub(seen);
        // Noted just now, it may be ahead of this clock.
        self.clock.time(if age < u32::MAX / 2 { age } else { 0 })
    }

    /// What bears so old a note of where a client stays.
    #[must_use]
    pub fn stamp_of_template(&self, age: Duration, now: Instant) -> u32 {
        self.clock.long_stamp(now).wrapping_sub(self.clock.units(age))
    }

    fn known(&self, flow: FlowName, entry: Entry, now: u16) -> Known {
        let age = age(entry, now);
        let Entry { real_server, state, .. } = entry;
        Known { flow, real_server, state, age: self.clock.time(age.into()) }
    }

    /// Keeps the counts of connections right, as the program does.
    fn recount(&self, old: Entry, new: Entry) {
        for (entry, more) in [(old, u32::MAX), (new, 1)] {
            if let Some(load) = self.maps.loads.get(entry.real_server as usize)
                && entry.is_live()
            {
                let count =
                    if state::is_active(entry.state) { &load.active } else { &load.inactive };
                // Adding the greatest number takes one away.
                count.fetch_add(more, Ordering::AcqRel);
            }
        }
    }
}

/// How long ago a packet was seen. One just now may bear a time that is ahead of this.
fn age(entry: Entry, now: u16) -> u16 {
    if entry.age(now) < u16::MAX / 2 { entry.age(now) } else { 0 }
}

fn protocol(entry: Entry) -> u32 {
    let protocol = if state::is_udp(entry.state) { Protocol::Udp } else { Protocol::Tcp };
    protocol.number().into()
}

fn named_v4(key: ConnectionKey, entry: Entry) -> FlowName {
    FlowName::V4(Flow { key, protocol: protocol(entry) })
}

fn named_v6(key: ConnectionKeyV6, entry: Entry) -> FlowName {
    FlowName::V6(Flow { key, protocol: protocol(entry) })
}

#[cfg(test)]
mod tests;

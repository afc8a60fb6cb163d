//! Keeps the connection tables true: forgets connections that were silent for too long or whose
//! real server is gone, and counts those that are left.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use lvs_common::connections::{Entry, state};

use super::{
    clock::Clock,
    shared::{Connections, Ends},
};
use crate::{config::Timeouts, model::Protocol};

/// How often the tables are swept.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// The connections of a real server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// In use.
    pub active: u32,
    /// Opening, ending, or of UDP.
    pub inactive: u32,
}

/// How long a connection may be silent, by its state, in units of the program's clock.
#[derive(Clone, Copy, Debug)]
pub struct Limits([u16; state::COUNT + 1]);

impl Limits {
    /// What the configuration says, in units of `clock`.
    #[must_use]
    pub fn new(timeouts: &Timeouts, clock: &Clock) -> Self {
        let units = |time| u16::try_from(clock.units(time)).unwrap_or(u16::MAX);
        let mut limits = [0; state::COUNT + 1];
        limits[usize::from(state::SYN_RECEIVED)] = units(timeouts.syn_received);
        limits[usize::from(state::ESTABLISHED)] = units(timeouts.established);
        limits[usize::from(state::FIN_WAIT)] = units(timeouts.fin_wait);
        limits[usize::from(state::TIME_WAIT)] = units(timeouts.time_wait);
        limits[usize::from(state::CLOSED)] = units(timeouts.closed);
        limits[usize::from(state::DATAGRAM)] = units(timeouts.udp);
        limits[usize::from(state::DATAGRAMS)] = units(timeouts.udp);
        Self(limits)
    }

    /// So long a connection in this state may be silent.
    #[must_use]
    pub fn of(&self, state: u8) -> u16 {
        self.0.get(usize::from(state)).copied().unwrap_or_default()
    }
}

/// What a sweep goes by.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// How long connections may be silent.
    pub limits: &'a Limits,
    /// The time, as entries bear it.
    pub now: u16,
}

/// What a sweep has found.
#[derive(Clone, Debug, Default)]
pub struct Swept {
    /// The connections that are left, by the index of their real server.
    pub counts: HashMap<u32, Count>,
    /// Those that were forgotten, by the index of their real server.
    pub forgotten: HashMap<u32, Count>,
    /// How many are left in each table: IPv4, and of that half-open; the same of IPv6.
    pub left: [u32; 4],
}

/// A connection, as lvsctl shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Protocol.
    pub protocol: Protocol,
    /// State, as ipvsadm names it.
    pub state: &'static str,
    /// Who has opened it.
    pub client: SocketAddr,
    /// What it was opened to.
    pub virtual_address: SocketAddr,
    /// Index of the real server that holds it.
    pub real_server: u32,
    /// When it will be forgotten if it stays silent.
    pub expires_in: Duration,
}

/// Sweeps buckets, and says how many connections are left in them; `is_vacant` is asked whether a
/// real server is gone.
pub(super) fn sweep<'a, B: Connections + 'a>(
    buckets: impl Iterator<Item = &'a B>,
    rules: Rules<'_>,
    is_vacant: &impl Fn(u32) -> bool,
    swept: &mut Swept,
) -> u32 {
    let mut left = 0;
    for bucket in buckets {
        bucket.each(|way, entry, _| {
            let is_over = entry.age(rules.now) > rules.limits.of(entry.state)
                // A packet just now may bear a time that this sweep does not know yet.
                && entry.age(rules.now) < u16::MAX / 2;
            let ends = is_over || is_vacant(entry.real_server);
            let counts = if ends && bucket.forget(way, entry) {
                &mut swept.forgotten
            } else {
                left += 1;
                &mut swept.counts
            };
            let count = counts.entry(entry.real_server).or_default();
            if state::is_active(entry.state) {
                count.active += 1;
            } else {
                count.inactive += 1;
            }
        });
    }
    left
}

/// Shows each connection of some buckets.
pub(super) fn list<'a, B: Connections + 'a>(
    buckets: impl Iterator<Item = &'a B>,
    rules: Rules<'_>,
    clock: &Clock,
    visit: &mut impl FnMut(Connection),
) {
    for bucket in buckets {
        bucket.each(|_, entry, ends| visit(connection(entry, ends, rules, clock)));
    }
}

/// When a connection will be forgotten if it stays silent.
pub(super) fn expires_in(entry: Entry, rules: Rules<'_>, clock: &Clock) -> Duration {
    clock.time(rules.limits.of(entry.state).saturating_sub(entry.age(rules.now)).into())
}

fn connection(entry: Entry, ends: Ends, rules: Rules<'_>, clock: &Clock) -> Connection {
    Connection {
        protocol: if state::is_udp(entry.state) { Protocol::Udp } else { Protocol::Tcp },
        state: state::name(entry.state),
        client: ends.client,
        virtual_address: ends.virtual_address,
        real_server: entry.real_server,
        expires_in: expires_in(entry, rules, clock),
    }
}

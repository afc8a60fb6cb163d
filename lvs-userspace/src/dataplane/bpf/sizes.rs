//! How large the maps are.

use aya::maps::{MapError, MapInfo};
use lvs_common::{abi, limits, names};

use super::{TableUse, pins::Pins};
use crate::config::{self, Config};

/// How large the maps are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Buckets of each table.
    pub(super) buckets: u32,
    pub(super) half_open: u32,
    pub(super) buckets_v6: u32,
    pub(super) half_open_v6: u32,
    /// Places of real servers; the first is never used.
    pub(super) real_servers: u32,
}

/// Those of a configuration that says nothing about them.
impl Default for Sizes {
    fn default() -> Self {
        Self::of(&config::Connections::default(), limits::REAL_SERVERS as u32)
    }
}

impl Sizes {
    /// Room for what the configuration says.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self::of(&config.connections, config.director.max_real_servers)
    }

    /// Room for so many connections and real servers.
    #[must_use]
    pub fn of(connections: &config::Connections, max_real_servers: u32) -> Self {
        Self {
            real_servers: max_real_servers + 1,
            buckets: buckets(connections.size),
            half_open: buckets(connections.half_open),
            buckets_v6: buckets(connections.ipv6_size),
            half_open_v6: buckets(connections.ipv6_half_open),
        }
    }

    /// Those of the maps that are pinned.
    pub(super) fn pinned(pins: &Pins) -> Result<Self, MapError> {
        let size = |name| MapInfo::from_pin(pins.path(name)).map(|map| map.max_entries());
        Ok(Self {
            buckets: size(names::CONNECTIONS)?,
            half_open: size(names::HALF_OPEN)?,
            buckets_v6: size(names::CONNECTIONS_V6)?,
            half_open_v6: size(names::HALF_OPEN_V6)?,
            real_servers: size(names::REAL_SERVERS)?,
        })
    }

    /// The maps that are not of the same size each.
    pub(super) const fn maps(&self) -> [(&'static str, u32); 7] {
        [
            (names::CONNECTIONS, self.buckets),
            (names::HALF_OPEN, self.half_open),
            (names::CONNECTIONS_V6, self.buckets_v6),
            (names::HALF_OPEN_V6, self.half_open_v6),
            (names::REAL_SERVERS, self.real_servers),
            (names::REAL_SERVER_TRAFFIC, self.real_servers),
            (names::LOADS, self.real_servers),
        ]
    }

    /// How full the tables are with so many connections in each, in the order of
    /// [`Swept::left`](crate::dataplane::sweep::Swept::left).
    #[must_use]
    pub fn uses(&self, left: [u32; 4]) -> [TableUse; 4] {
        let [v4, half_open, v6, half_open_v6] = left;
        let table_use =
            |of, key, used, buckets| TableUse { of, key, used, size: connections(buckets) };
        [
            table_use("IPv4 connections", "size", v4, self.buckets),
            table_use("half-open IPv4 connections", "half_open", half_open, self.half_open),
            table_use("IPv6 connections", "ipv6_size", v6, self.buckets_v6),
            table_use(
                "half-open IPv6 connections",
                "ipv6_half_open",
                half_open_v6,
                self.half_open_v6,
            ),
        ]
    }

    /// Real servers there is room for.
    #[must_use]
    pub const fn max_real_servers(&self) -> u32 {
        self.real_servers - 1
    }

    /// Memory of the connection tables, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        (self.buckets + self.half_open) as usize * size_of::<abi::Bucket>()
            + (self.buckets_v6 + self.half_open_v6) as usize * size_of::<abi::BucketV6>()
    }
}

/// Buckets for so many connections: of the three places in each, half are taken then, so that hardly
/// a flow finds both its buckets full, nor any that could move
/// ([`make_room`](lvs_common::connections::make_room)).
fn buckets(connections: u32) -> u32 {
    connections.div_ceil(3) * 2
}

/// So many connections they are made for.
const fn connections(buckets: u32) -> u32 {
    buckets / 2 * 3
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn there_is_room_for_what_was_asked(wanted in 1..=100_000_000_u32) {
            let room = connections(buckets(wanted));
            assert!(room >= wanted && room < wanted + 3, "{room} for {wanted}");
        }
    }
}

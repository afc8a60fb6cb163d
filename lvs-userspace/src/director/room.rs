//! What a configuration may come to need.

use std::time::Instant;

use super::{Director, Start};
use crate::{
    config::Config,
    dataplane::{self, Neighbour},
    model::MacAddr,
};

/// Where somebody is who is nowhere yet.
const SOMEWHERE: Neighbour =
    Neighbour { mac: MacAddr([0; 6]), interface: 0, source_mac: MacAddr([0; 6]), vlan: None };

impl Director {
    /// The services of a configuration with everybody there, up and at its whole weight: if the maps
    /// have room for these, they have room for whatever becomes of the real servers.
    #[must_use]
    pub fn at_most(config: Config, now: Instant) -> Vec<dataplane::Service> {
        let mut director = Self::new(config, Start::Trusting, now);
        let everybody = director.real_server_addresses();
        director.neighbours = everybody.into_iter().map(|it| (it, SOMEWHERE)).collect();
        director.wanted(now)
    }
}

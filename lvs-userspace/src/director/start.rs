//! What is known when lvsd starts: nothing, or what the lvsd before has left in the maps.

use std::collections::BTreeMap;

use super::{Director, effective::parts};
use crate::{
    dataplane::Restored,
    health::{Health, Target},
    load::{Admin, Standing},
};

/// What is known at the start of the real servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// Nothing: those that are checked are out of service until their first success.
    Checking,
    /// They are up until a check says otherwise.
    Trusting,
    /// What the lvsd before has left in the maps.
    From(Vec<Restored>),
}

impl Director {
    pub(super) fn start(&mut self, start: Start) {
        let target = |(service, address)| Target { service, real_server: address };
        match start {
            Start::Checking => {}
            Start::Trusting => {
                let all: Vec<_> =
                    self.all().map(|(service, it)| (service.id, it.address)).collect();
                self.health.extend(all.into_iter().map(|it| (target(it), Health::Up)));
            }
            Start::From(before) => {
                let before: BTreeMap<_, _> =
                    before.into_iter().map(|it| ((it.service, it.address), it)).collect();
                let mut found = Vec::new();
                for (service, real_server) in self.all() {
                    let name = (service.id, real_server.address);
                    let Some(before) = before.get(&name) else { continue };
                    let whole = u32::from(real_server.weight.0) * parts(service);
                    // Without weight it failed, unless it is to have none, or was drained.
                    let is_out = before.weight == 0 && whole > 0 && !real_server.drain;
                    let is_drained = is_out && service.follow_load && !service.inhibit_on_failure;
                    let failed = before.is_down || (is_out && !is_drained);
                    let standing = service.follow_load.then(|| Standing {
                        share: share(before.weight, whole),
                        admin: if is_drained { Admin::Drain } else { Admin::Ready },
                        is_down: false,
                    });
                    found.push((name, failed, standing));
                }
                for (name, failed, standing) in found {
                    let health = if failed { Health::Down } else { Health::Up };
                    self.health.insert(target(name), health);
                    if let Some(standing) = standing.filter(|_| !failed) {
                        self.standings.insert(name.1, standing);
                    }
                }
            }
        }
    }
}

/// The share of a weight that is in force, in percent; all of it if there is none.
fn share(weight: u32, whole: u32) -> u16 {
    match (weight * 100).checked_div(whole) {
        Some(share @ 1..=100) => share as u16,
        Some(_) | None => 100,
    }
}

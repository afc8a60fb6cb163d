//! Whether a service has enough real servers. With too few, its sorry server takes all new
//! connections, so that those few are not run over.

use std::net::IpAddr;

use super::{Change, Director, State};
use crate::{config::VirtualService, model::ServiceId};

impl Director {
    /// Notes the services that have come to have enough real servers, or too few: those with one at an
    /// address, or all.
    pub(super) fn find_quorums(&mut self, address: Option<IpAddr>, reason: &str) {
        let services: Vec<_> = match address {
            Some(address) => self.services_at(address).collect(),
            None => self.config.virtual_services.iter().collect(),
        };
        let mut changes = Vec::new();
        for service in services {
            let had = !self.without_quorum.contains(&service.id);
            let weight = self.weight_up(service);
            // Different limits for the two ways, so that one real server that comes and goes does
            // not have all clients move to and fro.
            let has = if had {
                weight + service.quorum_hysteresis >= service.quorum
            } else {
                // Who has a quorum no longer can't be without it.
                service.quorum == 0 || weight >= service.quorum + service.quorum_hysteresis
            };
            if has != had {
                changes.push((service.id, has, weight, service.quorum));
            }
        }
        for (service, has, weight, quorum) in changes {
            let (from, to) = if has {
                self.without_quorum.remove(&service);
                (State::NoQuorum, State::Quorum)
            } else {
                self.without_quorum.insert(service);
                (State::Quorum, State::NoQuorum)
            };
            let reason =
                format!("real servers of weight {weight} are up, the quorum is {quorum}: {reason}");
            self.changes.push(Change { service, real_server: None, from, to, reason });
        }
    }

    /// Whether a service has enough real servers.
    #[must_use]
    pub fn has_quorum(&self, service: &ServiceId) -> bool {
        !self.without_quorum.contains(service)
    }

    /// Whether the sorry server serves instead of the few real servers that are up.
    pub(super) fn is_replaced(&self, service: &VirtualService) -> bool {
        service.sorry_server.is_some() && !self.has_quorum(&service.id)
    }

    /// The configured weights of all that are up, summed.
    fn weight_up(&self, service: &VirtualService) -> u32 {
        let up = service.real_servers.iter().filter(|it| self.state(service, it) == State::Up);
        up.map(|it| u32::from(it.weight.0)).sum()
    }
}

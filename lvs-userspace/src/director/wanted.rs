//! What all that is known comes to: services, as the maps should have them.

use std::{net::IpAddr, time::Instant};

use super::Director;
use crate::{
    config::{RealServer, VirtualService},
    dataplane::{self, Remembered},
    health::{Health, Target},
    model::Weight,
};

impl Director {
    /// The services as the maps should have them.
    #[must_use]
    pub fn wanted(&self, now: Instant) -> Vec<dataplane::Service> {
        let services = self.config.virtual_services.iter();
        services.map(|service| self.wanted_service(service, now)).collect()
    }

    fn wanted_service(&self, service: &VirtualService, now: Instant) -> dataplane::Service {
        dataplane::Service {
            id: service.id,
            scheduler: service.scheduler,
            persistence: service.persistence,
            one_packet: service.one_packet,
            stateless: service.stateless,
            lost_connections: service.lost_connections,
            sorry_server: service.sorry_server.and_then(|it| self.wanted_sorry_server(it)),
            has_quorum: self.has_quorum(&service.id),
            real_servers: service
                .real_servers
                .iter()
                .map(|it| self.wanted_real_server(service, it, now))
                .collect(),
        }
    }

    fn wanted_real_server(
        &self,
        service: &VirtualService,
        real_server: &RealServer,
        now: Instant,
    ) -> dataplane::RealServer {
        let RealServer { address, upper_threshold, lower_threshold, .. } = *real_server;
        let target = Target { service: service.id, real_server: address };
        let effective = self.effective(service, real_server, now);
        dataplane::RealServer {
            address,
            weight: effective.fine_weight,
            upper_threshold,
            lower_threshold,
            latency_us: self.latency_us.get(&target).copied(),
            is_down: effective.is_down,
            neighbour: self.neighbours.get(&address).copied(),
            remembered: self.remembered(service, real_server, now),
        }
    }

    /// What the next lvsd must know of a real server.
    fn remembered(
        &self,
        service: &VirtualService,
        real_server: &RealServer,
        now: Instant,
    ) -> Remembered {
        let target = Target { service: service.id, real_server: real_server.address };
        let recovery = self.recovered.get(&target);
        let risen = recovery.map_or(100, |it| it.share_at(now, service.slow_start));
        Remembered {
            health: match real_server.check {
                Some(_) => self.health(&target),
                None => Health::Up,
            },
            standing: self.standings.get(&real_server.address).copied().unwrap_or_default(),
            risen: u8::try_from(risen).unwrap_or(100),
        }
    }

    /// The sorry server, if it can be reached.
    fn wanted_sorry_server(&self, address: IpAddr) -> Option<dataplane::RealServer> {
        let neighbour = *self.neighbours.get(&address)?;
        Some(dataplane::RealServer {
            address,
            weight: Weight(1),
            upper_threshold: 0,
            lower_threshold: 0,
            latency_us: None,
            is_down: false,
            neighbour: Some(neighbour),
            remembered: Remembered::default(),
        })
    }
}

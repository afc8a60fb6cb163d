//! What the program has explained, in words that people know.

use std::time::Instant;

use lvs_common::{abi, connections::state, forward, schedule};

use crate::{
    config::{RealServer, VirtualService},
    control::api::{Ended, Question, Reason, Receiver, Remembered, Unavailable, Why},
    dataplane::{Synchroniser, bpf::BpfDataplane, sweep},
    director::Director,
    model::{MacAddr, ServiceId},
    net,
};

/// What there is to know of packets besides.
pub(super) struct Known<'a> {
    pub(super) director: &'a Director,
    pub(super) tables: &'a Synchroniser,
    pub(super) dataplane: &'a BpfDataplane,
    pub(super) limits: &'a sweep::Limits,
}

impl Known<'_> {
    /// Why the program does with a packet what it has explained.
    pub(super) fn why(&self, packet: Question, explained: &forward::Explanation) -> Why {
        let fate = explained.fate();
        let service = self.service(&packet);
        Why {
            packet,
            forwarded: fate.is_none(),
            fate: fate.map(|it| Ended { name: it.name().into(), meaning: it.meaning().into() }),
            real_server: self.receiver(explained.real_server),
            reason: explained.reason().map(|reason| match reason {
                forward::Reason::Connection => Reason::Connection,
                forward::Reason::Stray => Reason::Stray,
                forward::Reason::Persistence => Reason::Persistence,
                forward::Reason::Scheduler => Reason::Scheduler,
                forward::Reason::SorryServer => Reason::SorryServer,
                forward::Reason::Unrecorded => Reason::Unrecorded,
            }),
            connection: explained.connection.is_live().then(|| Remembered {
                state: state::name(explained.connection.state).to_owned(),
                real_server: self
                    .tables
                    .placement()
                    .real_server_at(explained.connection.real_server),
                expires_in_s: self
                    .dataplane
                    .expires_in(explained.connection, self.limits)
                    .as_secs(),
            }),
            service: service.map(|it| it.id),
            scheduler: service.map(|it| it.scheduler),
            unavailable: service.map(|it| self.unavailable(it)).unwrap_or_default(),
        }
    }

    /// The virtual service of a packet: with its port, or with all ports.
    fn service(&self, packet: &Question) -> Option<&VirtualService> {
        let services = &self.director.config().virtual_services;
        let with_port = |port| {
            let (protocol, address) = (packet.protocol, packet.virtual_address.ip());
            services.iter().find(move |it| it.id == ServiceId { protocol, address, port })
        };
        with_port(packet.virtual_address.port()).or_else(|| with_port(0))
    }

    fn receiver(&self, index: u32) -> Option<Receiver> {
        let address = self.tables.placement().real_server_at(index)?;
        let place = self.tables.actual().real_servers.get(&index);
        let way = place.filter(|it: &&abi::RealServer| it.interface != 0);
        Some(Receiver {
            address,
            mac: way.map(|it| MacAddr(it.mac).to_string()),
            interface: way.and_then(|it| net::interface_name(it.interface)),
        })
    }

    fn unavailable(&self, service: &VirtualService) -> Vec<Unavailable> {
        let real_servers = service.real_servers.iter();
        real_servers
            .filter_map(|it| {
                let why = self.why_unavailable(service, it)?;
                Some(Unavailable { address: it.address, why })
            })
            .collect()
    }

    fn why_unavailable(
        &self,
        service: &VirtualService,
        real_server: &RealServer,
    ) -> Option<String> {
        let effective = self.director.effective(service, real_server, Instant::now());
        if effective.weight == 0 {
            return Some(effective.why.unwrap_or_else(|| "its weight is 0".to_owned()));
        }
        let index = self.tables.placement().real_server(&service.id, real_server.address)?;
        let load = self.dataplane.load_of(index).filter(schedule::exceeds)?;
        let connections = load.active.saturating_add(load.inactive);
        Some(match load.overloaded {
            0 => format!("{connections} connections, of {} at most", load.upper_threshold),
            _ => format!(
                "{connections} connections; having reached {}, it gets new ones below {}",
                load.upper_threshold, load.lower_threshold
            ),
        })
    }
}

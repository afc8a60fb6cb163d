//! What lvsd tells about itself.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv6Addr},
    time::Instant,
};

use lvs_common::fate::Fate;

use super::{
    agent::AttachedLink,
    counts::Counts,
    rates::{Rate, Rates},
};
use crate::{
    config::{Config, RealServer, VirtualService},
    control::api,
    dataplane::{
        Dataplane, OutOfSync, Placement,
        bpf::{AttachedAs, BpfDataplane},
        sweep,
    },
    director::{Change, Director, State},
    health::Punctuality,
    model::ServiceId,
};

/// The table, with its counters.
pub(super) fn services(
    director: &Director,
    placement: &Placement,
    dataplane: &impl Dataplane,
    counts: &Counts,
) -> io::Result<api::Services> {
    let services = director
        .config()
        .virtual_services
        .iter()
        .map(|it| service(it, director, placement, dataplane, counts))
        .collect::<io::Result<_>>()?;
    Ok(api::Services { services })
}

fn service(
    service: &VirtualService,
    director: &Director,
    placement: &Placement,
    dataplane: &impl Dataplane,
    counts: &Counts,
) -> io::Result<api::Service> {
    let traffic = match placement.service(&service.id) {
        Some(id) => dataplane.service_traffic(id)?,
        None => Default::default(),
    };
    let all = counts.service_zeros.since(service.id, traffic.all);
    let real_server = |real_server: &RealServer| {
        let index = placement.real_server(&service.id, real_server.address);
        let traffic = index.and_then(|index| traffic.real_servers.get(&index).copied());
        let of = (service.id, real_server.address);
        let traffic = counts.real_server_zeros.since(of, traffic.unwrap_or_default());
        let now =
            index.and_then(|index| counts.connections.get(&index)).copied().unwrap_or_default();
        let effective = director.effective(service, real_server, Instant::now());
        let health = match effective.state {
            State::Up | State::Drained | State::Quorum | State::NoQuorum => api::Health::Up,
            State::Checking | State::Down | State::Maintenance => api::Health::Down,
        };
        api::RealServer {
            address: real_server.address,
            port: service.id.port,
            weight: real_server.weight.0.into(),
            effective_weight: effective.weight,
            forwarding: api::Forwarding::Dr,
            health,
            state: match effective.state {
                State::Up | State::Down | State::Quorum | State::NoQuorum => None,
                State::Checking | State::Drained | State::Maintenance => {
                    Some(effective.state.to_string())
                }
            },
            why: effective.why,
            upper_threshold: real_server.upper_threshold,
            lower_threshold: real_server.lower_threshold,
            persistent_connections: 0,
            active_connections: now.active.into(),
            inactive_connections: now.inactive.into(),
            connections: traffic.connections,
            packets_in: traffic.packets,
            bytes_in: traffic.bytes,
        }
    };
    Ok(api::Service {
        protocol: service.id.protocol,
        address: service.id.address,
        port: service.id.port,
        scheduler: service.scheduler,
        persistence_timeout_s: service.persistence.map(|it| it.timeout.as_secs()),
        persistence_granularity: service.persistence.map(|it| it.granularity),
        one_packet: service.one_packet,
        stateless: service.stateless,
        connections: all.connections,
        packets_in: all.packets,
        bytes_in: all.bytes,
        real_servers: service.real_servers.iter().map(real_server).collect(),
    })
}

impl From<Change> for api::What {
    fn from(change: Change) -> Self {
        let Change { service, real_server, from, to, reason } = change;
        let ServiceId { protocol, address, port } = service;
        let (from, to) = (from.to_string(), to.to_string());
        Self::State { protocol, address, port, real_server, from, to, reason }
    }
}

/// How fast the counters go.
pub(super) fn rates(
    config: &Config,
    services: &Rates<ServiceId>,
    real_servers: &Rates<(ServiceId, IpAddr)>,
) -> api::Rates {
    let rounded = |rate: Rate| api::Rate {
        connections_per_s: rate.connections.round() as u64,
        packets_in_per_s: rate.packets.round() as u64,
        bytes_in_per_s: rate.bytes.round() as u64,
    };
    let real_server = |id: ServiceId, address| api::RealServerRates {
        address,
        port: id.port,
        rate: rounded(real_servers.get(&(id, address))),
    };
    let service = |service: &VirtualService| api::ServiceRates {
        protocol: service.id.protocol,
        address: service.id.address,
        port: service.id.port,
        rate: rounded(services.get(&service.id)),
        real_servers: service
            .real_servers
            .iter()
            .map(|it| real_server(service.id, it.address))
            .collect(),
    };
    api::Rates { services: config.virtual_services.iter().map(service).collect() }
}

/// The director itself.
pub(super) fn status(
    config: &Config,
    file: api::File,
    links: &[AttachedLink],
    dataplane: &impl Dataplane,
    out_of_sync: Option<&OutOfSync>,
    checks: &Punctuality,
    failover: Option<api::Failover>,
) -> io::Result<api::Status> {
    let interfaces = links
        .iter()
        .map(|attached| api::Interface {
            name: attached.link.name.clone(),
            mac: attached.link.mac.to_string(),
            xdp_mode: attached.attached_as.map_or("none", AttachedAs::name).to_owned(),
        })
        .collect();
    let fates = Fate::ALL
        .iter()
        .map(|&fate| {
            Ok(api::FateCount {
                name: fate.name().to_owned(),
                meaning: fate.meaning().to_owned(),
                packets: dataplane.fate(fate)?,
            })
        })
        .collect::<io::Result<_>>()?;
    Ok(api::Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        director: config.director.name.clone(),
        connection_table_size: config.connections.size,
        interfaces,
        out_of_sync: out_of_sync.map(|it| it.reason.clone()),
        failover,
        timeouts: api::Timeouts {
            tcp_established_s: config.connections.timeouts.established.as_secs(),
            tcp_fin_wait_s: config.connections.timeouts.fin_wait.as_secs(),
            udp_s: config.connections.timeouts.udp.as_secs(),
        },
        file,
        checks: api::Checks {
            made: checks.made,
            late: checks.late,
            not_asked: checks.not_asked,
            latest_ms: checks.latest(Instant::now()).as_millis().try_into().unwrap_or(u64::MAX),
        },
        unrecorded: dataplane.unrecorded()?,
        fates,
    })
}

/// Every connection that is meant.
pub(super) fn connections(
    placement: &Placement,
    dataplane: &BpfDataplane,
    limits: &sweep::Limits,
    filter: &api::Filter,
) -> api::Connections {
    let api::Filter { client, real_server: server, state } = filter;
    let mut connections = Vec::new();
    dataplane.connections(limits, &mut |connection| {
        let Some(real_server) = placement.real_server_at(connection.real_server) else { return };
        let is_meant = client.is_none_or(|it| it == connection.client.ip())
            && server.is_none_or(|it| it == real_server)
            && state.as_ref().is_none_or(|it| it.eq_ignore_ascii_case(connection.state));
        if !is_meant {
            return;
        }
        connections.push(api::Connection {
            protocol: connection.protocol,
            state: connection.state.to_owned(),
            client: connection.client,
            virtual_address: connection.virtual_address,
            real_server,
            expires_in_s: connection.expires_in.as_secs(),
        });
    });
    connections.sort_by_key(|it| (it.virtual_address, it.client, it.protocol));
    api::Connections { connections }
}

/// Where clients stay.
pub(super) fn persistence(
    config: &Config,
    placement: &Placement,
    dataplane: &BpfDataplane,
    now: Instant,
) -> api::Persistence {
    let clock = dataplane.clock();
    let services: HashMap<_, _> = config
        .virtual_services
        .iter()
        .filter_map(|it| {
            let timeout = clock.units(it.persistence?.timeout);
            Some((placement.service(&it.id)?, (it.id, timeout)))
        })
        .collect();
    let now = clock.long_stamp(now);
    let mut clients: Vec<_> = dataplane
        .templates()
        .filter_map(|(key, template)| {
            let &(ServiceId { protocol, address, port }, timeout) = services.get(&key.service)?;
            let left = timeout.checked_sub(now.wrapping_sub(template.seen))?;
            let real_server = placement.real_server_at(template.real_server)?;
            let client = Ipv6Addr::from(key.client);
            let client = match address {
                IpAddr::V4(_) => client.to_ipv4_mapped().map_or(client.into(), IpAddr::V4),
                IpAddr::V6(_) => client.into(),
            };
            let expires_in_s = clock.time(left).as_secs();
            Some(api::Stay { protocol, client, address, port, real_server, expires_in_s })
        })
        .collect();
    clients.sort_by_key(|it| (it.protocol, it.address, it.port, it.client));
    api::Persistence { clients }
}

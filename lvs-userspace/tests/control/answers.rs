//! What the daemon's loop answers: of one real server, and of a packet or two.

use lvs_userspace::{
    config::{Config, difference},
    control::api,
    doctor::{Diagnosis, Finding, Name, Severity},
    model::{Protocol, Scheduler, ServiceId},
};

pub(super) fn services() -> api::Services {
    let real_server = api::RealServer {
        address: "10.77.0.11".parse().unwrap(),
        port: 80,
        weight: 3,
        effective_weight: 3,
        forwarding: api::Forwarding::Dr,
        health: api::Health::Up,
        state: None,
        why: None,
        upper_threshold: 0,
        lower_threshold: 0,
        persistent_connections: 0,
        active_connections: 0,
        inactive_connections: 6,
        connections: 6,
        packets_in: 35,
        bytes_in: 2100,
    };
    let service = api::Service {
        protocol: Protocol::Tcp,
        address: "10.77.0.100".parse().unwrap(),
        port: 80,
        scheduler: Scheduler::Wrr,
        persistence_timeout_s: None,
        persistence_granularity: None,
        one_packet: false,
        stateless: false,
        connections: 12,
        packets_in: 70,
        bytes_in: 4200,
        real_servers: vec![real_server],
    };
    api::Services { services: vec![service] }
}

/// A datagram would be forwarded, and TCP not.
pub(super) fn why(packet: api::Question) -> api::Why {
    let forwarded = packet.protocol == Protocol::Udp;
    let (name, meaning) = ("dropped_no_room".to_owned(), "Dropped: no room.".to_owned());
    api::Why {
        packet,
        forwarded,
        fate: (!forwarded).then_some(api::Ended { name, meaning }),
        real_server: None,
        reason: forwarded.then_some(api::Reason::Scheduler),
        connection: None,
        service: None,
        scheduler: None,
        unavailable: vec![],
    }
}

pub(super) fn status() -> api::Status {
    api::Status {
        checks: api::Checks::default(),
        version: "1.2.3".to_owned(),
        director: "midas".to_owned(),
        connection_table_size: 4096,
        interfaces: vec![],
        out_of_sync: None,
        failover: None,
        timeouts: api::Timeouts { tcp_established_s: 900, tcp_fin_wait_s: 120, udp_s: 300 },
        file: api::File { path: "/etc/lvs/lvs.toml".to_owned(), differs: Some(false) },
        unrecorded: 0,
        fates: vec![],
    }
}

pub(super) const CONFIG: &str = r#"
    director = { name = "midas", interfaces = ["eth0"] }
    [[virtual_service]]
    address = "192.0.2.10"
    port = 80
    protocol = "tcp"
    [[virtual_service.real_server]]
    address = "192.0.2.11"
    weight = 3
"#;

/// What lvsd does with a configuration that it is sent.
pub(super) fn adopted(
    config: &mut Config,
    next: Result<Config, String>,
    out_of_sync: Option<String>,
) -> Result<api::Edited, api::ApiError> {
    let next = next.map_err(|error| api::ApiError { error })?;
    let changes = difference(config, &next).changes;
    *config = next;
    Ok(api::Edited { changes, out_of_sync })
}

/// A dry run finds changes; for the rest the file has two errors.
pub(super) fn reloaded(reload: api::Reload) -> Result<api::Reloaded, api::ApiError> {
    if !reload.dry_run {
        return Err(api::ApiError { error: "lvs.toml:1:1: no\nlvs.toml:2:1: nor this".to_owned() });
    }
    Ok(api::Reloaded {
        changes: vec!["+ tcp 10.77.0.100:81: scheduler wrr".to_owned()],
        needs_restart: vec!["[director]: restart lvsd".to_owned()],
        out_of_sync: None,
    })
}

pub(super) fn rates() -> api::Rates {
    let rate = api::Rate { connections_per_s: 1, packets_in_per_s: 5, bytes_in_per_s: 300 };
    let [service] = services().services.try_into().expect("one service");
    let api::Service { protocol, address, port, .. } = service;
    api::Rates {
        services: vec![api::ServiceRates { protocol, address, port, rate, real_servers: vec![] }],
    }
}

pub(super) fn connections(filter: &api::Filter) -> api::Connections {
    if *filter != api::Filter::default() {
        let state = Some("established".to_owned());
        let client = "10.0.0.7".parse().ok();
        assert_eq!(*filter, api::Filter { client, real_server: None, state });
    }
    let connection = api::Connection {
        protocol: Protocol::Tcp,
        state: "ESTABLISHED".to_owned(),
        client: "10.0.0.7:51234".parse().unwrap(),
        virtual_address: "192.168.0.100:80".parse().unwrap(),
        real_server: "192.168.0.11".parse().unwrap(),
        expires_in_s: 898,
    };
    api::Connections { connections: vec![connection] }
}

/// Two clients stay.
pub(super) fn persistence() -> api::Persistence {
    let stay = |client: &str| api::Stay {
        protocol: Protocol::Tcp,
        client: client.parse().unwrap(),
        address: "10.77.0.100".parse().unwrap(),
        port: 80,
        real_server: "10.77.0.11".parse().unwrap(),
        expires_in_s: 61,
    };
    api::Persistence { clients: vec![stay("10.0.0.7"), stay("10.0.0.8")] }
}

pub(super) fn zero(service: Option<ServiceId>) -> Result<api::Zeroed, api::ApiError> {
    match service {
        Some(id) if id.port != 80 => Err(api::ApiError { error: "No such service".to_owned() }),
        Some(_) | None => Ok(api::Zeroed { services: 1 }),
    }
}

pub(super) fn diagnosis() -> Diagnosis {
    let real_server = "192.0.2.11".parse().unwrap();
    Diagnosis {
        checks: 12,
        findings: vec![
            Finding {
                name: Name::VipMissing,
                severity: Severity::Problem,
                what: "192.0.2.11 does not have the VIP 192.0.2.10".to_owned(),
                evidence: "no answer".to_owned(),
                advice: "ip addr add 192.0.2.10/32 dev lo".to_owned(),
                real_servers: vec![real_server],
            },
            Finding {
                name: Name::ClockNotSynchronised,
                severity: Severity::Warning,
                what: "nothing keeps the clock right".to_owned(),
                evidence: "it may be off by 16s".to_owned(),
                advice: "run chrony".to_owned(),
                real_servers: vec![],
            },
        ],
    }
}

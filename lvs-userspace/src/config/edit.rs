//! Changes of a running configuration, one service or real server at a time. Pure.

use std::{net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Config, LostConnections, Persistence, RealServer, VirtualService};
use crate::model::{Scheduler, ServiceId, Weight};

/// A change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Edit {
    /// A new virtual service.
    AddService(ServiceId, ServiceKeys),
    /// Other keys of a virtual service; those that are not given stay.
    EditService(ServiceId, ServiceKeys),
    /// A virtual service less, with its real servers.
    DeleteService(ServiceId),
    /// A new real server of a virtual service.
    AddRealServer(ServiceId, IpAddr, RealServerKeys),
    /// Other keys of a real server; those that are not given stay.
    EditRealServer(ServiceId, IpAddr, RealServerKeys),
    /// A real server less.
    DeleteRealServer(ServiceId, IpAddr),
    /// No virtual services at all.
    Clear,
}

/// Keys of a virtual service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceKeys {
    /// Scheduler.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<Scheduler>,
    /// So many seconds after its last connection a client stays with its real server; 0: it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistence_timeout_s: Option<u64>,
    /// Clients that share so many leading bits of their address are one to persistence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistence_granularity: Option<u8>,
    /// Whether every datagram is scheduled for itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub one_packet: Option<bool>,
}

/// Keys of a real server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RealServerKeys {
    /// Weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u16>,
    /// With so many connections it gets no new ones; 0: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upper_threshold: Option<u32>,
    /// With fewer than so many it gets new ones again; 0: three quarters of the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lower_threshold: Option<u32>,
}

/// Why a change can't be made; in the words of libipvs where it has some.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// There is a service of that name.
    #[error("Service already exists")]
    ServiceExists,
    /// There is none.
    #[error("No such service")]
    NoService,
    /// There is none that the real server could be of.
    #[error("Service not defined")]
    ServiceNotDefined,
    /// The service has a real server of that address.
    #[error("Destination already exists")]
    RealServerExists,
    /// It has none.
    #[error("No such destination")]
    NoRealServer,
    /// What would come out makes no sense.
    #[error("{0}")]
    Invalid(String),
}

impl Config {
    /// This configuration with a change.
    ///
    /// # Errors
    /// Why it can't be made; then nothing has changed.
    pub fn edit(&mut self, edit: &Edit) -> Result<(), EditError> {
        let services = &mut self.virtual_services;
        let at = |services: &[VirtualService], id| services.iter().position(|it| it.id == id);
        match edit {
            Edit::Clear => services.clear(),
            Edit::AddService(id, keys) => {
                if at(services, *id).is_some() {
                    return Err(EditError::ServiceExists);
                }
                services.push(with_keys(empty(*id), keys)?);
            }
            Edit::EditService(id, keys) => {
                let at = at(services, *id).ok_or(EditError::NoService)?;
                services[at] = with_keys(services[at].clone(), keys)?;
            }
            Edit::DeleteService(id) => {
                let at = at(services, *id).ok_or(EditError::NoService)?;
                services.remove(at);
            }
            Edit::AddRealServer(id, address, keys) => {
                let at = at(services, *id).ok_or(EditError::ServiceNotDefined)?;
                let mut service = services[at].clone();
                if service.real_servers.iter().any(|it| it.address == *address) {
                    return Err(EditError::RealServerExists);
                }
                let new = RealServer {
                    address: *address,
                    weight: Weight(1),
                    upper_threshold: 0,
                    lower_threshold: 0,
                    check: service.check.clone(),
                };
                service.real_servers.push(with_limits(new, keys));
                services[at] = checked(service)?;
            }
            Edit::EditRealServer(id, address, keys) => {
                let at = at(services, *id).ok_or(EditError::ServiceNotDefined)?;
                let mut service = services[at].clone();
                let real_server = service.real_servers.iter_mut().find(|it| it.address == *address);
                let real_server = real_server.ok_or(EditError::NoRealServer)?;
                *real_server = with_limits(real_server.clone(), keys);
                services[at] = checked(service)?;
            }
            Edit::DeleteRealServer(id, address) => {
                let at = at(services, *id).ok_or(EditError::ServiceNotDefined)?;
                let real_servers = &mut services[at].real_servers;
                let there = real_servers.iter().position(|it| it.address == *address);
                real_servers.remove(there.ok_or(EditError::NoRealServer)?);
            }
        }
        Ok(())
    }
}

fn empty(id: ServiceId) -> VirtualService {
    VirtualService {
        id,
        // ipvsadm's default.
        scheduler: Scheduler::Wlc,
        persistence: None,
        one_packet: false,
        lost_connections: LostConnections::default(),
        sorry_server: None,
        inhibit_on_failure: false,
        follow_load: false,
        slow_start: Duration::ZERO,
        quorum: 0,
        quorum_hysteresis: 0,
        check: None,
        real_servers: Vec::new(),
    }
}

fn with_keys(mut service: VirtualService, keys: &ServiceKeys) -> Result<VirtualService, EditError> {
    let ServiceKeys { scheduler, persistence_timeout_s, persistence_granularity, one_packet } =
        keys;
    service.scheduler = scheduler.unwrap_or(service.scheduler);
    service.one_packet = one_packet.unwrap_or(service.one_packet);
    let whole = if service.id.address.is_ipv4() { 32 } else { 128 };
    let before = service.persistence;
    let timeout = persistence_timeout_s.map_or(before.map(|it| it.timeout), |seconds| {
        (seconds > 0).then(|| Duration::from_secs(seconds))
    });
    let granularity = persistence_granularity.or(before.map(|it| it.granularity)).unwrap_or(whole);
    service.persistence = timeout.map(|timeout| Persistence { timeout, granularity });
    checked(service)
}

fn with_limits(real_server: RealServer, keys: &RealServerKeys) -> RealServer {
    let RealServerKeys { weight, upper_threshold, lower_threshold } = keys;
    let upper = upper_threshold.unwrap_or(real_server.upper_threshold);
    let lower = match lower_threshold {
        Some(lower) if *lower > 0 => *lower,
        None if upper_threshold.is_none() => real_server.lower_threshold,
        // As IPVS: three quarters of the upper one.
        Some(_) | None => upper - upper / 4,
    };
    RealServer {
        weight: weight.map_or(real_server.weight, Weight),
        upper_threshold: upper,
        lower_threshold: lower,
        ..real_server
    }
}

/// The service, if a file might say this.
fn checked(service: VirtualService) -> Result<VirtualService, EditError> {
    let text =
        format!("director = {{ name = \"x\", interfaces = [\"x\"] }}\n{}", service.to_toml());
    match Config::parse(&text, "") {
        Ok(_) => Ok(service),
        Err(errors) => {
            let problem = |error: super::ConfigError| {
                let key = error.key.rsplit('.').next().unwrap_or_default().to_owned();
                format!("{key}: {}", error.message)
            };
            let problems: Vec<_> = errors.0.into_iter().map(problem).collect();
            Err(EditError::Invalid(problems.join("; ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Protocol;

    fn config() -> Config {
        let text = r#"
            director = { name = "midas", interfaces = ["eth0"] }
            [[virtual_service]]
            address = "192.0.2.10"
            port = 80
            protocol = "tcp"
            check = { type = "tcp" }
            [[virtual_service.real_server]]
            address = "192.0.2.11"
            weight = 3
        "#;
        Config::parse(text, "").unwrap()
    }

    fn id(port: u16) -> ServiceId {
        ServiceId { protocol: Protocol::Tcp, address: [192, 0, 2, 10].into(), port }
    }

    fn server(host: u8) -> IpAddr {
        [192, 0, 2, host].into()
    }

    #[test]
    fn services_and_real_servers_come_change_and_go() {
        let mut config = config();
        let keys = ServiceKeys { persistence_timeout_s: Some(300), ..ServiceKeys::default() };
        config.edit(&Edit::AddService(id(81), keys)).unwrap();
        let service = &config.virtual_services[1];
        assert_eq!(
            (service.scheduler, service.persistence.unwrap().granularity),
            (Scheduler::Wlc, 32)
        );
        let keys = ServiceKeys { scheduler: Some(Scheduler::Rr), ..ServiceKeys::default() };
        config.edit(&Edit::EditService(id(81), keys)).unwrap();
        assert!(config.virtual_services[1].persistence.is_some(), "what is not said stays");

        let keys =
            RealServerKeys { weight: Some(5), upper_threshold: Some(100), lower_threshold: None };
        config.edit(&Edit::AddRealServer(id(80), server(12), keys)).unwrap();
        let new = &config.virtual_services[0].real_servers[1];
        assert_eq!((new.weight, new.lower_threshold), (Weight(5), 75));
        assert!(new.check.is_some(), "checked as the others are");
        let keys = RealServerKeys { weight: Some(0), ..RealServerKeys::default() };
        config.edit(&Edit::EditRealServer(id(80), server(12), keys)).unwrap();
        let new = &config.virtual_services[0].real_servers[1];
        assert_eq!((new.weight, new.upper_threshold), (Weight(0), 100));

        config.edit(&Edit::DeleteRealServer(id(80), server(11))).unwrap();
        config.edit(&Edit::DeleteService(id(81))).unwrap();
        assert_eq!(config.virtual_services.len(), 1);
        config.edit(&Edit::Clear).unwrap();
        assert_eq!(config.virtual_services, []);
    }

    #[test]
    fn what_can_not_be_changes_nothing() {
        let (services, servers) = (ServiceKeys::default(), RealServerKeys::default());
        let cases = [
            (Edit::AddService(id(80), services.clone()), "Service already exists"),
            (Edit::EditService(id(81), services.clone()), "No such service"),
            (Edit::DeleteService(id(81)), "No such service"),
            (Edit::AddRealServer(id(81), server(11), servers.clone()), "Service not defined"),
            (
                Edit::AddRealServer(id(80), server(11), servers.clone()),
                "Destination already exists",
            ),
            (Edit::EditRealServer(id(80), server(12), servers.clone()), "No such destination"),
            (Edit::DeleteRealServer(id(80), server(12)), "No such destination"),
            (
                Edit::AddRealServer(id(80), server(10), servers.clone()),
                "address: this is the virtual address; expected the real server's own",
            ),
            (
                Edit::AddRealServer(id(80), "2001:db8::1".parse().unwrap(), servers),
                "address: found 2001:db8::1; expected an IPv4 address, as the service has",
            ),
            (
                Edit::AddService(id(82), ServiceKeys { one_packet: Some(true), ..services }),
                "one_packet: only for UDP",
            ),
        ];
        for (edit, error) in cases {
            let mut config = config();
            assert_eq!(config.edit(&edit).unwrap_err().to_string(), error);
            assert_eq!(config, self::config());
        }
    }

    fn some_edit() -> impl Strategy<Value = Edit> {
        let id = (78u16..82).prop_map(id);
        let server = (9u8..14).prop_map(server);
        let service_keys = (any::<bool>(), prop::option::of(0u64..400), prop::option::of(0u8..40))
            .prop_map(|(one_packet, persistence_timeout_s, persistence_granularity)| ServiceKeys {
                scheduler: None,
                persistence_timeout_s,
                persistence_granularity,
                one_packet: one_packet.then_some(false),
            });
        let server_keys =
            (prop::option::of(any::<u16>()), prop::option::of(0u32..9), prop::option::of(0u32..9))
                .prop_map(|(weight, upper_threshold, lower_threshold)| RealServerKeys {
                    weight,
                    upper_threshold,
                    lower_threshold,
                });
        (0..6, id, server, service_keys, server_keys).prop_map(
            |(which, id, server, service, keys)| match which {
                0 => Edit::AddService(id, service),
                1 => Edit::EditService(id, service),
                2 => Edit::DeleteService(id),
                3 => Edit::AddRealServer(id, server, keys),
                4 => Edit::EditRealServer(id, server, keys),
                _ => Edit::DeleteRealServer(id, server),
            },
        )
    }

    proptest! {
        /// Whatever is changed, a file might say it; and what is refused changes nothing.
        #[test]
        fn any_edits_leave_a_good_configuration(edits in prop::collection::vec(some_edit(), 0..30)) {
            let mut config = config();
            for edit in edits {
                let before = config.clone();
                if config.edit(&edit).is_err() {
                    prop_assert_eq!(&config, &before);
                }
                let again = Config::parse(&config.to_toml(), "");
                prop_assert_eq!(again.as_ref(), Ok(&config));
            }
        }
    }
}

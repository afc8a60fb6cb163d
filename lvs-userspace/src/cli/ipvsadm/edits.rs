//! ipvsadm's commands that change something: what their options mean, and how `-S` prints them.

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use super::{Service, UsageError};
use crate::{
    cli::names::named,
    config::{Config, Edit, Keys},
    model::{Scheduler, ServiceId},
};

/// What `-p` alone means, in seconds; as with ipvsadm 1.31.
const PERSISTENCE: u64 = 360;

/// A command that changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    AddService,
    EditService,
    DeleteService,
    AddServer,
    EditServer,
    DeleteServer,
    Clear,
}

impl Verb {
    pub(super) fn of(option: &str) -> Option<Self> {
        Some(match option {
            "-A" | "--add-service" => Self::AddService,
            "-E" | "--edit-service" => Self::EditService,
            "-D" | "--delete-service" => Self::DeleteService,
            "-a" | "--add-server" => Self::AddServer,
            "-e" | "--edit-server" => Self::EditServer,
            "-d" | "--delete-server" => Self::DeleteServer,
            "-C" | "--clear" => Self::Clear,
            _ => return None,
        })
    }

    const fn name(self) -> &'static str {
        match self {
            Self::AddService => "add-service",
            Self::EditService => "edit-service",
            Self::DeleteService => "delete-service",
            Self::AddServer => "add-server",
            Self::EditServer => "edit-server",
            Self::DeleteServer => "delete-server",
            Self::Clear => "clear",
        }
    }

    /// The options that this has besides the service and the real server.
    const fn options(self) -> &'static [&'static str] {
        match self {
            Self::AddService | Self::EditService => {
                &["scheduler", "persistent", "netmask", "one-packet"]
            }
            Self::AddServer | Self::EditServer => {
                &["forwarding-method", "weight", "u-threshold", "l-threshold"]
            }
            Self::DeleteService | Self::DeleteServer | Self::Clear => &[],
        }
    }

    const fn is_about_server(self) -> bool {
        matches!(self, Self::AddServer | Self::EditServer | Self::DeleteServer)
    }
}

/// The options that were given.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) service: Option<Service>,
    server: Option<String>,
    scheduler: Option<Scheduler>,
    persistence: Option<u64>,
    mask: Option<String>,
    one_packet: bool,
    weight: Option<u16>,
    upper: Option<u32>,
    lower: Option<u32>,
    /// Their names.
    names: Vec<&'static str>,
}

impl Given {
    /// Takes in an option; `value` and `optional` give its value. Says whether it is one of these.
    pub(super) fn take(
        &mut self,
        option: &str,
        value: impl FnOnce(bool) -> Option<String>,
    ) -> Result<bool, UsageError> {
        let missing = || UsageError::NeedsValue(option.to_owned());
        let bad = |text: String| UsageError::BadValue(option.to_owned(), text);
        let name = match option {
            "-s" | "--scheduler" => {
                let text = value(true).ok_or_else(missing)?;
                let known = Scheduler::ALL.into_iter().find(|it| it.name() == text);
                self.scheduler = Some(known.ok_or(UsageError::NoScheduler(text))?);
                "scheduler"
            }
            "-p" | "--persistent" => {
                self.persistence = Some(match value(false) {
                    Some(text) => text.parse().map_err(|_| bad(text))?,
                    None => PERSISTENCE,
                });
                "persistent"
            }
            "-M" | "--netmask" => {
                self.mask = Some(value(true).ok_or_else(missing)?);
                "netmask"
            }
            "-o" | "--ops" => {
                self.one_packet = true;
                "one-packet"
            }
            "-r" | "--real-server" => {
                self.server = Some(value(true).ok_or_else(missing)?);
                return Ok(true);
            }
            "-g" | "--gatewaying" => "forwarding-method",
            "-i" | "--ipip" | "-m" | "--masquerading" => {
                return Err(UsageError::Forwarding(option.to_owned()));
            }
            "-w" | "--weight" => {
                let text = value(true).ok_or_else(missing)?;
                self.weight = Some(text.parse().map_err(|_| bad(text))?);
                "weight"
            }
            "-x" | "--u-threshold" => {
                let text = value(true).ok_or_else(missing)?;
                self.upper = Some(text.parse().map_err(|_| bad(text))?);
                "u-threshold"
            }
            "-y" | "--l-threshold" => {
                let text = value(true).ok_or_else(missing)?;
                self.lower = Some(text.parse().map_err(|_| bad(text))?);
                "l-threshold"
            }
            _ => return Ok(false),
        };
        self.names.push(name);
        Ok(true)
    }

    /// Whether options were given that only change something.
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty() && self.server.is_none()
    }

    /// The change that a command means with these.
    pub(super) fn edit(self, verb: Verb) -> Result<Edit, UsageError> {
        let illegal = self.names.iter().find(|name| !verb.options().contains(name));
        if let Some(name) = illegal {
            return Err(UsageError::Illegal((*name).to_owned(), verb.name().to_owned()));
        }
        let needs = |option: &str| UsageError::Needs(option.to_owned(), verb.name().to_owned());
        if verb == Verb::Clear {
            return match self.service {
                None => Ok(Edit::Clear),
                Some(_) => Err(UsageError::Illegal("service".to_owned(), verb.name().to_owned())),
            };
        }
        let service = self.service.ok_or_else(|| needs("service-address"))?;
        let id = service.id();
        let server = match (&self.server, verb.is_about_server()) {
            (Some(text), true) => Some(server(text)?),
            (None, true) => return Err(needs("server-address")),
            (Some(_), false) => {
                return Err(UsageError::Illegal("real-server".to_owned(), verb.name().to_owned()));
            }
            (None, false) => None,
        };
        // What ipvsadm is not told has its default, also when it edits.
        let service_keys = || -> Result<Keys, UsageError> {
            let granularity = match &self.mask {
                Some(mask) => Some(
                    prefix(mask)
                        .ok_or_else(|| UsageError::BadValue("-M".to_owned(), mask.clone()))?,
                ),
                None => None,
            };
            let persistence = self.persistence.filter(|&it| it > 0);
            Ok(Keys::default()
                .with("scheduler", self.scheduler.unwrap_or(Scheduler::Wlc).name())
                .with("persistence_timeout", persistence.map(|it| format!("{it}s")))
                .with("persistence_granularity", persistence.and(granularity))
                .with("one_packet", self.one_packet))
        };
        let server_keys = || {
            Keys::default()
                .with("weight", self.weight.unwrap_or(1))
                .with("upper_threshold", self.upper.unwrap_or(0))
                .with("lower_threshold", self.lower.unwrap_or(0))
        };
        Ok(match (verb, server) {
            (Verb::AddService, _) => Edit::AddService { service: id, keys: service_keys()? },
            (Verb::EditService, _) => Edit::EditService { service: id, keys: service_keys()? },
            (Verb::AddServer, Some(real_server)) => {
                Edit::AddRealServer { service: id, real_server, keys: server_keys() }
            }
            (Verb::EditServer, Some(real_server)) => {
                Edit::EditRealServer { service: id, real_server, keys: server_keys() }
            }
            (Verb::DeleteServer, Some(real_server)) => {
                Edit::DeleteRealServer { service: id, real_server }
            }
            (Verb::DeleteService, _) => Edit::DeleteService { service: id },
            (Verb::AddServer | Verb::EditServer | Verb::DeleteServer | Verb::Clear, _) => {
                return Err(needs("server-address"));
            }
        })
    }
}

/// A real server with a port or without: direct routing can't change the port, so ipvsadm, too, takes
/// the service's whatever stands there.
fn server(text: &str) -> Result<IpAddr, UsageError> {
    let with_port = || {
        let (address, port) = text.rsplit_once(':')?;
        port.parse::<u16>().ok()?;
        address.parse().ok()
    };
    let address = text.parse::<SocketAddr>().ok().map(|it| it.ip());
    let bare = || text.trim_matches(['[', ']']).parse().ok();
    let address = address.or_else(bare).or_else(with_port);
    address.ok_or_else(|| UsageError::BadServer(text.to_owned()))
}

/// A mask as `255.255.255.0`, or the length of a prefix.
fn prefix(mask: &str) -> Option<u8> {
    if let Ok(mask) = mask.parse::<Ipv4Addr>() {
        let bits = u32::from(mask);
        return (bits.leading_ones() + bits.trailing_zeros() >= 32)
            .then(|| bits.count_ones() as u8);
    }
    mask.parse().ok().filter(|&length| length <= 128)
}

/// What `-S` prints: a command for each service and real server, to be read by `-R`.
pub(in crate::cli) fn save(config: &Config, numeric: bool) -> String {
    let mut text = String::new();
    for service in &config.virtual_services {
        let ServiceId { protocol, address, port } = service.id;
        let show = |address: IpAddr| {
            let address = SocketAddr::new(address, port);
            if numeric { address.to_string() } else { named(address, protocol) }
        };
        let name = format!("-{} {}", &protocol.name()[..1], show(address));
        write!(text, "-A {name} -s {}", service.scheduler).ok();
        if let Some(persistence) = service.persistence {
            write!(text, " -p {}", persistence.timeout.as_secs()).ok();
            let length = persistence.granularity;
            if address.is_ipv6() && length < 128 {
                write!(text, " -M {length}").ok();
            } else if address.is_ipv4() && length < 32 {
                let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
                write!(text, " -M {}", Ipv4Addr::from(mask)).ok();
            }
        }
        text += if service.one_packet { " -o\n" } else { "\n" };
        for it in &service.real_servers {
            write!(text, "-a {name} -r {} -g -w {}", show(it.address), it.weight).ok();
            if it.upper_threshold > 0 {
                write!(text, " -x {} -y {}", it.upper_threshold, it.lower_threshold).ok();
            }
            text.push('\n');
        }
    }
    text
}

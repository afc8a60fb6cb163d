//! ipvsadm's commands that change something: what their options mean.

use std::net::IpAddr;

use super::{
    Failure,
    options::Given,
    rules::Command,
    values::{netmask, number, real_server, service},
};
use crate::{
    config::{self, Edit},
    model::{Protocol, Scheduler, ServiceId},
};

/// What `-p` alone means, in seconds; as with ipvsadm 1.31 (its manual says 300).
const PERSISTENCE: u32 = 360;

/// The longest time that a client can stay with its real server, in seconds: 31 days.
const MOST: u32 = 31 * 86_400;

/// The schedulers of IPVS that are not here.
const OTHERS: [&str; 5] = ["lblc", "lblcr", "fo", "ovf", "twos"];

/// What was said of services and real servers.
#[derive(Debug, Default)]
pub(super) struct Keys {
    pub(super) service: Option<ServiceId>,
    server: Option<(IpAddr, Option<u16>)>,
    scheduler: Option<String>,
    persistence: Option<u32>,
    mask: Option<String>,
    one_packet: bool,
    weight: Option<u32>,
    upper: Option<u32>,
    lower: Option<u32>,
}

impl Keys {
    /// Notes an option, and gives the name by which messages call it.
    pub(super) fn take(&mut self, option: &Given) -> Result<&'static str, Failure> {
        let value = option.value.as_deref().unwrap_or_default();
        let or = |message: &str| Failure::usage(message.to_owned());
        Ok(match option.name {
            name @ ("tcp-service" | "udp-service") => {
                let protocol = if name == "tcp-service" { Protocol::Tcp } else { Protocol::Udp };
                let illegal = "illegal virtual server address[:port] specified";
                // The first counts, and the second is too much.
                self.service.get_or_insert(service(protocol, value).ok_or_else(|| or(illegal))?);
                "service-address"
            }
            "scheduler" => {
                self.scheduler = Some(value.to_owned());
                "scheduler"
            }
            "persistent" => {
                self.persistence = Some(match &option.value {
                    Some(text) => number(text, 1, MOST).ok_or_else(|| {
                        Failure::usage(format!("invalid timeout value `{text}' specified"))
                    })?,
                    None => PERSISTENCE,
                });
                "persistent"
            }
            "netmask" => {
                self.mask = Some(value.to_owned());
                "netmask"
            }
            "ops" => {
                self.one_packet = true;
                "ops"
            }
            "real-server" => {
                let illegal = "illegal real server address[:port] specified";
                self.server = Some(real_server(value).ok_or_else(|| or(illegal))?);
                "real-server"
            }
            "gatewaying" => "forwarding-method",
            "weight" => {
                let weight = number(value, 0, u16::MAX.into());
                self.weight = Some(weight.ok_or_else(|| or("illegal weight specified"))?);
                "weight"
            }
            "u-threshold" => {
                let upper = number(value, 0, i32::MAX as u32);
                self.upper = Some(upper.ok_or_else(|| or("illegal u_threshold specified"))?);
                "u-threshold"
            }
            "l-threshold" => {
                let lower = number(value, 0, i32::MAX as u32);
                self.lower = Some(lower.ok_or_else(|| or("illegal l_threshold specified"))?);
                "l-threshold"
            }
            "ipip" | "tun-info" | "tun-type" | "tun-port" | "tun-nocsum" | "tun-csum"
            | "tun-remcsum" => return Err(Failure::without("tunnelling")),
            "masquerading" => return Err(Failure::without("masquerading")),
            "fwmark-service" | "ipv6" => return Err(Failure::without("firewall mark")),
            "sctp-service" => return Err(Failure::without("SCTP")),
            "pe" => return Err(Failure::without("persistence engine")),
            "sched-flags" => {
                return Err(Failure::usage(
                    "there are no scheduler flags here: sh and mh hash the client's address, and \
                     leave out who does not take connections",
                ));
            }
            "syncid" | "sync-maxlen" | "mcast-interface" | "mcast-group" | "mcast-port"
            | "mcast-ttl" => return Err(Failure::without("sync daemon")),
            // A second command.
            _ => return Err(Failure::usage(format!("invalid option `{}'", option.written))),
        })
    }

    /// The change that a command means with these.
    pub(super) fn edit(self, command: Command) -> Result<Edit, Failure> {
        if command == Command::Clear {
            return Ok(Edit::Clear);
        }
        let missing = || Failure::usage("no service is given");
        let service = self.service.ok_or_else(missing)?;
        let server = || {
            let (server, port) = self.server.ok_or_else(missing)?;
            // Direct routing can't change the port: who adds or edits gets the service's, whatever stands
            // there, and there is none with another to be deleted.
            let is_other = port.is_some_and(|it| it != service.port);
            if command == Command::DeleteServer && is_other {
                return Err(Failure::refused("No such destination"));
            }
            if server.is_ipv4() == service.address.is_ipv4() {
                return Ok(server);
            }
            Err(Failure::usage("Different address family is allowed only for tunneling servers"))
        };
        Ok(match command {
            Command::AddService => Edit::AddService { service, keys: self.service_keys(service)? },
            Command::EditService => {
                Edit::EditService { service, keys: self.service_keys(service)? }
            }
            Command::DeleteService => Edit::DeleteService { service },
            Command::AddServer => {
                Edit::AddRealServer { service, real_server: server()?, keys: self.server_keys() }
            }
            Command::EditServer => {
                Edit::EditRealServer { service, real_server: server()?, keys: self.server_keys() }
            }
            Command::DeleteServer => Edit::DeleteRealServer { service, real_server: server()? },
            Command::Clear
            | Command::List
            | Command::Set
            | Command::Restore
            | Command::Save
            | Command::Zero => return Err(missing()),
        })
    }

    /// What ipvsadm is not told has its default, also when it edits.
    fn service_keys(&self, service: ServiceId) -> Result<config::Keys, Failure> {
        if service.port == 0 && self.persistence.is_none() {
            return Err(Failure::usage("Zero port specified for non-persistent service"));
        }
        if self.one_packet && service.protocol != Protocol::Udp {
            return Err(Failure::usage("One-Packet Scheduling is only for UDP virtual services"));
        }
        let granularity = match &self.mask {
            None => None,
            Some(mask) if service.address.is_ipv4() => Some(netmask(mask).ok_or_else(|| {
                Failure::usage("illegal virtual server persistent mask specified")
            })?),
            Some(mask) => {
                let length = number(mask, 1, 128).and_then(|it| u8::try_from(it).ok());
                let illegal = || Failure::usage("illegal ipv6 netmask specified");
                Some(length.ok_or_else(illegal)?)
            }
        };
        let scheduler = self.scheduler.as_deref().unwrap_or(Scheduler::Wlc.name());
        if OTHERS.contains(&scheduler) {
            let names = Scheduler::ALL.map(Scheduler::name).join(", ");
            return Err(Failure::usage(format!(
                "there is no scheduler {scheduler} here, but {names}"
            )));
        }
        if !Scheduler::ALL.iter().any(|it| it.name() == scheduler) {
            return Err(Failure::refused("Scheduler or persistence engine not found"));
        }
        Ok(config::Keys::default()
            .with("scheduler", scheduler)
            .with("persistence_timeout", self.persistence.map(|it| format!("{it}s")))
            .with("persistence_granularity", self.persistence.and(granularity))
            .with("one_packet", self.one_packet))
    }

    fn server_keys(&self) -> config::Keys {
        config::Keys::default()
            .with("weight", self.weight.unwrap_or(1))
            .with("upper_threshold", self.upper.unwrap_or(0))
            .with("lower_threshold", self.lower.unwrap_or(0))
    }
}

/// The timeouts that `--set` names, in their order.
const TIMEOUTS: [&str; 3] = ["tcp_established", "tcp_fin_wait", "udp"];

/// What `--set` means with these words.
pub(super) fn set(words: &[&str]) -> Result<Edit, Failure> {
    let (tcp, fin, udp) = match words {
        [tcp, fin, udp] => (tcp, fin, udp),
        [_, _, _, word, ..] => return Err(Failure::usage(format!("unexpected argument {word}"))),
        _ => return Err(Failure::usage("--set option requires 3 timeout values")),
    };
    let mut keys = config::Keys::default();
    for (key, text) in TIMEOUTS.into_iter().zip([tcp, fin, udp]) {
        let seconds = number(text, 0, i32::MAX as u32)
            .ok_or_else(|| Failure::usage(format!("invalid timeout value `{text}' specified")))?;
        // 0 leaves it as it is.
        if seconds > 0 {
            keys = keys.with(key, format!("{seconds}s"));
        }
    }
    Ok(Edit::EditConnections { keys })
}

//! The verbs that change services and real servers.

use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCompleter;

use super::Json;
use crate::{
    cli::{complete, names},
    config::{Edit, Keys},
    model::{Protocol, ServiceId},
};

/// A virtual service, as `tcp 192.0.2.10:80`.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct ServiceName {
    /// tcp or udp
    #[arg(value_parser = names::protocol, add = ArgValueCompleter::new(complete::protocols))]
    protocol: Protocol,
    /// Address and port, like 192.0.2.10:80, `[2001:db8::10]:80` or www:http
    #[arg(add = ArgValueCompleter::new(complete::services))]
    address: String,
}

impl ServiceName {
    pub(in crate::cli) fn id(&self) -> Result<ServiceId, String> {
        let address = names::socket_address(&self.address, self.protocol)?;
        Ok(ServiceId { protocol: self.protocol, address: address.ip(), port: address.port() })
    }
}

/// A real server of a virtual service.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct ServerName {
    #[command(flatten)]
    pub(in crate::cli) service: ServiceName,
    /// The real server's address
    #[arg(add = ArgValueCompleter::new(complete::real_servers))]
    pub(in crate::cli) real_server: String,
}

/// Keys of a virtual service; the rest of what a file can say is set by --set.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct ServiceOptions {
    /// rr, wrr, lc, wlc, sed, nq, sh, dh, mh or fastest
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(complete::schedulers))]
    scheduler: Option<String>,
    /// So long a client stays with its real server, like 5m; 0: not at all
    #[arg(long, value_name = "TIME")]
    persistence_timeout: Option<String>,
    /// Clients that share so many leading bits of their address are one
    #[arg(long, value_name = "BITS")]
    persistence_granularity: Option<u8>,
    /// Whether every datagram is scheduled for itself
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    one_packet: Option<bool>,
    /// Whether no connection is remembered, and a hash says where each packet goes (sh, mh and dh)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    stateless: Option<bool>,
    #[command(flatten)]
    others: Others,
}

/// Any key of the configuration file.
#[derive(Clone, Debug, Args)]
struct Others {
    /// Any key of the configuration file, with its value as there: --set 'check={type="http"}'
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Take a key away, so that its default holds
    #[arg(long, value_name = "KEY")]
    unset: Vec<String>,
}

/// Keys of a real server.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct ServerOptions {
    /// What it can take relative to the others; 0: no new connections
    #[arg(long, allow_negative_numbers = true)]
    weight: Option<i64>,
    /// With so many connections it gets no new ones; 0: no limit
    #[arg(long, value_name = "CONNECTIONS")]
    upper_threshold: Option<u32>,
    /// With fewer than so many it gets new ones again
    #[arg(long, value_name = "CONNECTIONS")]
    lower_threshold: Option<u32>,
    #[command(flatten)]
    others: Others,
}

impl ServiceOptions {
    fn keys(self) -> Result<Keys, String> {
        let mut keys = Keys::default();
        if let Some(scheduler) = self.scheduler {
            keys = keys.with("scheduler", scheduler);
        }
        if let Some(time) = self.persistence_timeout {
            // A number alone is one of seconds, as with ipvsadm.
            keys = keys.with(
                "persistence_timeout",
                match time.parse::<u64>() {
                    Ok(0) => None,
                    Ok(seconds) => Some(format!("{seconds}s")),
                    Err(_) => Some(time),
                },
            );
        }
        if let Some(bits) = self.persistence_granularity {
            keys = keys.with("persistence_granularity", bits);
        }
        if let Some(one_packet) = self.one_packet {
            keys = keys.with("one_packet", one_packet);
        }
        if let Some(stateless) = self.stateless {
            keys = keys.with("stateless", stateless);
        }
        self.others.add_to(keys)
    }
}

impl ServerOptions {
    fn keys(self) -> Result<Keys, String> {
        let Self { weight, upper_threshold, lower_threshold, others } = self;
        let mut keys = Keys::default();
        for (key, value) in [
            ("weight", weight),
            ("upper_threshold", upper_threshold.map(i64::from)),
            ("lower_threshold", lower_threshold.map(i64::from)),
        ] {
            if let Some(value) = value {
                keys = keys.with(key, value);
            }
        }
        others.add_to(keys)
    }
}

impl Others {
    fn add_to(self, mut keys: Keys) -> Result<Keys, String> {
        for text in self.set {
            let (key, value) = text
                .split_once('=')
                .ok_or_else(|| format!("--set {text}: expected KEY=VALUE, like quorum=2"))?;
            keys = keys.with(key.trim(), value_of(value.trim())?);
        }
        for key in self.unset {
            keys = keys.with(&key, serde_json::Value::Null);
        }
        Ok(keys)
    }
}

/// A value as in the file; what is none is a word that needs no quotes on a command line.
fn value_of(text: &str) -> Result<serde_json::Value, String> {
    let Ok(mut table) = format!("value = {text}").parse::<toml::Table>() else {
        return Ok(text.into());
    };
    let value = table.remove("value").unwrap_or_else(|| text.into());
    serde_json::to_value(value).map_err(|error| format!("{text}: {error}"))
}

/// What to do with a virtual service.
#[derive(Clone, Debug, Subcommand)]
pub(in crate::cli) enum ServiceVerb {
    /// Add it, without real servers
    Add {
        #[command(flatten)]
        service: ServiceName,
        #[command(flatten)]
        options: ServiceOptions,
    },
    /// Change what is given, and leave the rest
    Edit {
        #[command(flatten)]
        service: ServiceName,
        #[command(flatten)]
        options: ServiceOptions,
    },
    /// Delete it with its real servers
    Delete {
        #[command(flatten)]
        service: ServiceName,
    },
    /// Show them all
    List(Json),
}

/// What to do with a real server.
#[derive(Clone, Debug, Subcommand)]
pub(in crate::cli) enum ServerVerb {
    /// Add it; it is checked as the service says
    Add {
        #[command(flatten)]
        server: ServerName,
        #[command(flatten)]
        options: ServerOptions,
    },
    /// Change what is given, and leave the rest
    Edit {
        #[command(flatten)]
        server: ServerName,
        #[command(flatten)]
        options: ServerOptions,
    },
    /// Delete it
    Delete {
        #[command(flatten)]
        server: ServerName,
    },
    /// Give it no new connections; those that it has go on, and its weight is kept
    Drain {
        #[command(flatten)]
        server: ServerName,
        /// Wait until it has no connections left
        #[arg(long)]
        wait: bool,
        /// Wait no longer than this, like 10m; then exit with 1
        #[arg(long, value_name = "TIME", requires = "wait", value_parser = humantime::parse_duration)]
        timeout: Option<std::time::Duration>,
    },
    /// Give it new connections again
    Resume {
        #[command(flatten)]
        server: ServerName,
    },
}

impl ServiceVerb {
    /// The change that is meant; `None` if nothing is to be changed.
    pub(in crate::cli) fn edit(self) -> Result<Option<Edit>, String> {
        Ok(Some(match self {
            Self::Add { service, options } => {
                Edit::AddService { service: service.id()?, keys: options.keys()? }
            }
            Self::Edit { service, options } => {
                Edit::EditService { service: service.id()?, keys: options.keys()? }
            }
            Self::Delete { service } => Edit::DeleteService { service: service.id()? },
            Self::List(_) => return Ok(None),
        }))
    }
}

impl ServerVerb {
    /// The change that is meant.
    pub(in crate::cli) fn edit(&self) -> Result<Edit, String> {
        let (Self::Add { server, .. }
        | Self::Edit { server, .. }
        | Self::Delete { server }
        | Self::Drain { server, .. }
        | Self::Resume { server }) = self;
        let service = server.service.id()?;
        let real_server = names::real_server(&server.real_server, &service)?;
        Ok(match self {
            Self::Add { options, .. } => {
                Edit::AddRealServer { service, real_server, keys: options.clone().keys()? }
            }
            Self::Edit { options, .. } => {
                Edit::EditRealServer { service, real_server, keys: options.clone().keys()? }
            }
            Self::Delete { .. } => Edit::DeleteRealServer { service, real_server },
            Self::Drain { .. } => Edit::EditRealServer {
                service,
                real_server,
                keys: Keys::default().with("drain", true),
            },
            Self::Resume { .. } => Edit::EditRealServer {
                service,
                real_server,
                keys: Keys::default().with("drain", serde_json::Value::Null),
            },
        })
    }
}

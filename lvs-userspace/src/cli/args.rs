//! lvsctl's nouns and verbs.

use std::{
    env,
    ffi::{OsStr, OsString},
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use clap::{Parser, Subcommand};

use crate::{
    config::{Edit, RealServerKeys, ServiceKeys},
    import::Format,
    model::{Protocol, Scheduler, ServiceId},
};

/// Shows what the director does, and changes it.
///
/// ipvsadm's own options work too: lvsctl -L -n --stats.
///
/// The status is 0 when all is done, 1 when the answer is no, 2 for an error.
#[derive(Debug, Parser)]
#[command(name = "lvsctl", version)]
pub(super) struct Args {
    /// Control socket of lvsd
    #[arg(long, env = "LVS_SOCKET", value_name = "PATH", default_value = super::SOCKET, global = true)]
    pub(super) socket: PathBuf,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Show the virtual services, their real servers and counters
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show how fast connections, packets and bytes come
    Rates {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show the connections that the director remembers
    Connections {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Add, change or delete a virtual service, until lvsd reads its file again (see save)
    Service {
        /// What to do
        #[command(subcommand)]
        what: ServiceVerb,
    },
    /// Add, change or delete a real server, until lvsd reads its file again (see save)
    Server {
        /// What to do
        #[command(subcommand)]
        what: ServerVerb,
    },
    /// Write the running configuration to lvsd's file; the comments there are lost
    Save {
        /// Another file; - for stdout
        file: Option<PathBuf>,
    },
    /// Have lvsd read its configuration file again: all of it, or if it has errors nothing
    Reload {
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print our configuration for what another program's says
    Import {
        /// What kind of file it is
        format: Format,
        /// The file; - for stdin
        file: PathBuf,
    },
    /// Show the director: interfaces, and what became of packets that were not forwarded
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// A virtual service, as `tcp 192.0.2.10:80`.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct ServiceName {
    /// tcp or udp
    #[arg(value_parser = protocol)]
    protocol: Protocol,
    /// Address and port, like 192.0.2.10:80 or [2001:db8::10]:80
    address: SocketAddr,
}

impl ServiceName {
    fn id(self) -> ServiceId {
        let Self { protocol, address } = self;
        ServiceId { protocol, address: address.ip(), port: address.port() }
    }
}

/// Keys of a virtual service.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ServiceOptions {
    /// rr, wrr, lc, wlc, sed, nq, sh, dh, mh or fastest
    #[arg(long, value_parser = scheduler)]
    scheduler: Option<Scheduler>,
    /// So many seconds a client stays with its real server; 0: not at all
    #[arg(long, value_name = "SECONDS")]
    persistence_timeout: Option<u64>,
    /// Clients that share so many leading bits of their address are one
    #[arg(long, value_name = "BITS")]
    persistence_granularity: Option<u8>,
    /// Whether every datagram is scheduled for itself
    #[arg(long, value_name = "BOOL")]
    one_packet: Option<bool>,
}

impl From<ServiceOptions> for ServiceKeys {
    fn from(options: ServiceOptions) -> Self {
        Self {
            scheduler: options.scheduler,
            persistence_timeout_s: options.persistence_timeout,
            persistence_granularity: options.persistence_granularity,
            one_packet: options.one_packet,
        }
    }
}

/// Keys of a real server.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ServerOptions {
    /// What it can take relative to the others; 0: no new connections
    #[arg(long)]
    weight: Option<u16>,
    /// With so many connections it gets no new ones; 0: no limit
    #[arg(long, value_name = "CONNECTIONS")]
    upper_threshold: Option<u32>,
    /// With fewer than so many it gets new ones again
    #[arg(long, value_name = "CONNECTIONS")]
    lower_threshold: Option<u32>,
}

impl From<ServerOptions> for RealServerKeys {
    fn from(options: ServerOptions) -> Self {
        let ServerOptions { weight, upper_threshold, lower_threshold } = options;
        Self { weight, upper_threshold, lower_threshold }
    }
}

/// What to do with a virtual service.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum ServiceVerb {
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
}

impl ServiceVerb {
    pub(super) fn edit(self) -> Edit {
        match self {
            Self::Add { service, options } => Edit::AddService(service.id(), options.into()),
            Self::Edit { service, options } => Edit::EditService(service.id(), options.into()),
            Self::Delete { service } => Edit::DeleteService(service.id()),
        }
    }
}

/// What to do with a real server.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum ServerVerb {
    /// Add it; it is checked as the service says
    Add {
        #[command(flatten)]
        service: ServiceName,
        /// Its address
        real_server: IpAddr,
        #[command(flatten)]
        options: ServerOptions,
    },
    /// Change what is given, and leave the rest
    Edit {
        #[command(flatten)]
        service: ServiceName,
        /// Its address
        real_server: IpAddr,
        #[command(flatten)]
        options: ServerOptions,
    },
    /// Delete it
    Delete {
        #[command(flatten)]
        service: ServiceName,
        /// Its address
        real_server: IpAddr,
    },
}

impl ServerVerb {
    pub(super) fn edit(self) -> Edit {
        match self {
            Self::Add { service, real_server, options } => {
                Edit::AddRealServer(service.id(), real_server, options.into())
            }
            Self::Edit { service, real_server, options } => {
                Edit::EditRealServer(service.id(), real_server, options.into())
            }
            Self::Delete { service, real_server } => {
                Edit::DeleteRealServer(service.id(), real_server)
            }
        }
    }
}

fn protocol(text: &str) -> Result<Protocol, String> {
    let known = Protocol::ALL.into_iter().find(|it| it.name() == text);
    known.ok_or_else(|| "expected tcp or udp".to_owned())
}

fn scheduler(text: &str) -> Result<Scheduler, String> {
    let known = Scheduler::ALL.into_iter().find(|it| it.name() == text);
    let names = || Scheduler::ALL.map(Scheduler::name).join(", ");
    known.ok_or_else(|| format!("expected one of {}", names()))
}

/// Takes `--socket` out of the arguments, wherever it stands, for both ways of speaking.
pub(super) fn take_socket(arguments: &mut Vec<OsString>) -> PathBuf {
    let default = || env::var_os("LVS_SOCKET").unwrap_or_else(|| super::SOCKET.into()).into();
    let Some(at) = arguments
        .iter()
        .position(|it| it == "--socket" || it.as_encoded_bytes().starts_with(b"--socket="))
    else {
        return default();
    };
    let given = arguments.get(at).and_then(|it| it.to_str()?.strip_prefix("--socket="));
    if let Some(path) = given.map(PathBuf::from) {
        arguments.remove(at);
        return path;
    }
    match arguments.get(at + 1).map(OsStr::new).map(PathBuf::from) {
        Some(path) => {
            arguments.drain(at..=at + 1);
            path
        }
        None => default(), // The parser will say that its value is missing.
    }
}

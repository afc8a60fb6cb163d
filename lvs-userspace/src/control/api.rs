//! What goes over the control socket, version 1. Names and meanings stay; fields may be added.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::config::Edit;
use crate::model::{Protocol, Scheduler};

/// Path of `GET`: [`Services`].
pub const SERVICES: &str = "/v1/services";
/// Path of `GET`: [`Status`].
pub const STATUS: &str = "/v1/status";

/// Path of `GET`: [`Connections`].
pub const CONNECTIONS: &str = "/v1/connections";

/// Path of `GET`: [`Rates`].
pub const RATES: &str = "/v1/rates";

/// Path of `POST`: a [`Reload`], answered with a [`Reloaded`].
pub const RELOAD: &str = "/v1/reload";

/// Path of `POST`: [`Edits`], answered with [`Edited`].
pub const EDITS: &str = "/v1/edits";

/// Path of `GET`: the running configuration, as a [`Configuration`].
pub const CONFIGURATION: &str = "/v1/configuration";

/// The table: every virtual service with its real servers and counters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Services {
    /// In the order of the configuration.
    pub services: Vec<Service>,
}

/// A virtual service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Transport protocol.
    pub protocol: Protocol,
    /// Virtual IP address.
    pub address: IpAddr,
    /// Port.
    pub port: u16,
    /// Scheduler.
    pub scheduler: Scheduler,
    /// Seconds that a client stays with its real server; `null` without persistence.
    pub persistence_timeout_s: Option<u64>,
    /// Connections begun.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Bytes from clients: IP packets without link-layer headers, as IPVS counts.
    pub bytes_in: u64,
    /// In the order of the configuration.
    pub real_servers: Vec<RealServer>,
}

/// A real server of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealServer {
    /// Real IP address.
    pub address: IpAddr,
    /// Port, the service's own.
    pub port: u16,
    /// Configured weight.
    pub weight: u32,
    /// Weight in force.
    pub effective_weight: u32,
    /// How packets get there.
    pub forwarding: Forwarding,
    /// Whether it can be used.
    pub health: Health,
    /// What it is, if `health` does not say it: `checking`, `drained` or `maintenance`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Why the effective weight is not the configured one; left out if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Connections in use.
    pub active_connections: u64,
    /// Connections that are ending, or of a protocol without an end.
    pub inactive_connections: u64,
    /// Connections begun.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
}

/// Forwarding method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Forwarding {
    /// Direct routing.
    Dr,
}

/// Whether a real server can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It can be reached, and passes its checks, if it has any.
    Up,
    /// Its MAC is not known, or it fails its checks.
    Down,
}

/// How fast the counters go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rates {
    /// In the order of the configuration.
    pub services: Vec<ServiceRates>,
}

/// How fast a virtual service's counters go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceRates {
    /// Transport protocol.
    pub protocol: Protocol,
    /// Virtual IP address.
    pub address: IpAddr,
    /// Port.
    pub port: u16,
    /// Its rates.
    #[serde(flatten)]
    pub rate: Rate,
    /// In the order of the configuration.
    pub real_servers: Vec<RealServerRates>,
}

/// How fast a real server's counters go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealServerRates {
    /// Real IP address.
    pub address: IpAddr,
    /// Port, the service's own.
    pub port: u16,
    /// Its rates.
    #[serde(flatten)]
    pub rate: Rate,
}

/// What goes through in a second, smoothed over some ten seconds and rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// Connections begun.
    pub connections_per_s: u64,
    /// Packets from clients.
    pub packets_in_per_s: u64,
    /// Bytes from clients.
    pub bytes_in_per_s: u64,
}

/// The connections that are remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connections {
    /// Ordered by virtual address and client.
    pub connections: Vec<Connection>,
}

/// A connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Transport protocol.
    pub protocol: Protocol,
    /// State, as ipvsadm names it.
    pub state: String,
    /// Who has opened it.
    pub client: SocketAddr,
    /// What it was opened to.
    pub virtual_address: SocketAddr,
    /// The real server that holds it.
    pub real_server: IpAddr,
    /// Seconds until it is forgotten if it stays silent.
    pub expires_in_s: u64,
}

/// The director itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Version of lvsd.
    pub version: String,
    /// Name of the director.
    pub director: String,
    /// Connections that there is room for.
    pub connection_table_size: u32,
    /// Where the XDP program is attached.
    pub interfaces: Vec<Interface>,
    /// Why the maps are not what they should be; `None` if they are.
    pub out_of_sync: Option<String>,
    /// Packets that were not forwarded, by what became of them.
    pub fates: Vec<FateCount>,
}

/// An interface with the XDP program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Name.
    pub name: String,
    /// MAC.
    pub mac: String,
    /// `native` or `generic`, or `none` as long as it is not.
    pub xdp_mode: String,
}

/// How many packets met a fate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FateCount {
    /// Name of the counter.
    pub name: String,
    /// What it means.
    pub meaning: String,
    /// Packets.
    pub packets: u64,
}

/// To read the configuration file again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reload {
    /// Whether only to say what would change.
    pub dry_run: bool,
}

/// What the configuration file has changed, or would.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// A line for each change: `+` is new, `-` gone, `~` otherwise.
    pub changes: Vec<String>,
    /// What needs a restart of lvsd, and is not done.
    pub needs_restart: Vec<String>,
}

/// Changes of the running configuration, all of them or none, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edits {
    /// The changes.
    pub edits: Vec<Edit>,
}

/// What they have changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edited {
    /// A line for each change, as in [`Reloaded`].
    pub changes: Vec<String>,
}

/// The running configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// The text of a file that says it.
    pub toml: String,
    /// The file that lvsd was started with.
    pub file: String,
}

/// The body of every answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{error}")]
pub struct ApiError {
    /// What was wrong, with which input, and what to do.
    pub error: String,
}

/// A request on its way from the socket to the daemon's loop, with the way back.
#[derive(Debug)]
pub enum Request {
    /// [`SERVICES`].
    Services(oneshot::Sender<Result<Services, ApiError>>),
    /// [`RATES`].
    Rates(oneshot::Sender<Result<Rates, ApiError>>),
    /// [`CONNECTIONS`].
    Connections(oneshot::Sender<Result<Connections, ApiError>>),
    /// [`STATUS`].
    Status(oneshot::Sender<Result<Status, ApiError>>),
    /// [`RELOAD`].
    Reload(Reload, oneshot::Sender<Result<Reloaded, ApiError>>),
    /// [`EDITS`].
    Edit(Edits, oneshot::Sender<Result<Edited, ApiError>>),
    /// [`CONFIGURATION`].
    Configuration(oneshot::Sender<Result<Configuration, ApiError>>),
}

//! The table of virtual services: counters, how fast they go, and to count from zero again.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Protocol, Scheduler, ServiceId};

/// The table: every virtual service with its real servers and counters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Services {
    /// In the order of the configuration.
    pub services: Vec<Service>,
}

/// A virtual service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Clients that share so many leading bits of their address are one to persistence; left out without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistence_granularity: Option<u8>,
    /// Whether every datagram is scheduled for itself; left out if not.
    #[serde(default, skip_serializing_if = "is_default")]
    pub one_packet: bool,
    /// Whether no connection is remembered; left out if they are.
    #[serde(default, skip_serializing_if = "is_default")]
    pub stateless: bool,
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// With so many connections it gets no new ones; left out without a limit.
    #[serde(default, skip_serializing_if = "is_default")]
    pub upper_threshold: u32,
    /// With fewer than so many it gets new ones again; left out without a limit.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lower_threshold: u32,
    /// Clients that stay with it, where somebody has counted them.
    #[serde(default, skip_serializing_if = "is_default")]
    pub persistent_connections: u64,
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

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Forwarding method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Forwarding {
    /// Direct routing.
    Dr,
}

/// Whether a real server can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It can be reached, and passes its checks, if it has any.
    Up,
    /// Its MAC is not known, or it fails its checks.
    Down,
}

/// How fast the counters go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rates {
    /// In the order of the configuration.
    pub services: Vec<ServiceRates>,
}

/// How fast a virtual service's counters go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rate {
    /// Connections begun.
    pub connections_per_s: u64,
    /// Packets from clients.
    pub packets_in_per_s: u64,
    /// Bytes from clients.
    pub bytes_in_per_s: u64,
}

/// To count from zero again: what is shown, not what the maps hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Zero {
    /// The virtual service, with its real servers; `null` for all.
    pub service: Option<ServiceId>,
}

/// That it was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Zeroed {
    /// How many services count from zero.
    pub services: u64,
}

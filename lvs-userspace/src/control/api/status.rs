//! The director itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Failover;

/// The director itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// How long connections may be silent.
    pub timeouts: Timeouts,
    /// The configuration file.
    pub file: File,
    /// The checks of the real servers, and whether this machine is up to them.
    #[serde(default)]
    pub checks: Checks,
    /// What it is to other directors; left out if it is alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failover: Option<Failover>,
    /// SYNs that were forwarded and not recorded, because more began than there is room for among the
    /// half-open connections.
    #[serde(default)]
    pub unrecorded: u64,
    /// Packets that were not forwarded, by what became of them.
    pub fates: Vec<FateCount>,
}

/// The checks of the real servers since lvsd has started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Checks {
    /// How many have begun.
    pub made: u64,
    /// How many of them began more than 100 ms late.
    pub late: u64,
    /// How many of them this machine could not make, for want of something of its own.
    pub not_asked: u64,
    /// By how many milliseconds the latest of the last minute was late.
    pub latest_ms: u64,
}

/// An interface with the XDP program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Interface {
    /// Name.
    pub name: String,
    /// MAC.
    pub mac: String,
    /// `native` or `generic`, or `none` as long as it is not.
    pub xdp_mode: String,
}

/// How long connections may be silent, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Timeouts {
    /// TCP in use.
    pub tcp_established_s: u64,
    /// TCP after the client's FIN.
    pub tcp_fin_wait_s: u64,
    /// UDP.
    pub udp_s: u64,
}

/// The configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct File {
    /// Where it is.
    pub path: String,
    /// Whether it says something else than what is running; `null` if it can't be read.
    pub differs: Option<bool>,
}

/// How many packets met a fate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FateCount {
    /// Name of the counter.
    pub name: String,
    /// What it means.
    pub meaning: String,
    /// Packets.
    pub packets: u64,
}

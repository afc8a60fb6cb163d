//! What goes over the control socket, version 1. Names and meanings stay; fields may be added.

mod why;

use std::{
    net::{IpAddr, SocketAddr},
    time::SystemTime,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use why::{Ended, Reason, Receiver, Remembered, Unavailable, Why};

pub use crate::dataplane::{Flag, Question};
use crate::{
    config::Edit,
    failover::machine::State,
    model::{Protocol, Scheduler, ServiceId},
};

/// Path of `GET`: [`Services`].
pub const SERVICES: &str = "/v1/services";
/// Path of `GET`: [`Status`].
pub const STATUS: &str = "/v1/status";
/// Path of `GET`, with [`Filter`] as the query: [`Connections`].
pub const CONNECTIONS: &str = "/v1/connections";
/// Path of `GET`, with a [`Question`] as the query: [`Why`].
pub const WHY: &str = "/v1/why";
/// Path of `GET`: [`Rates`].
pub const RATES: &str = "/v1/rates";
/// Path of `GET`: where clients stay, as [`Persistence`].
pub const PERSISTENCE: &str = "/v1/persistence";
/// Path of `POST`: a [`Zero`], answered with [`Zeroed`].
pub const ZERO: &str = "/v1/zero";
/// Path of `GET`: a [`Diagnosis`](crate::doctor::Diagnosis), which takes a second or two.
pub const DOCTOR: &str = "/v1/doctor";
/// Path of `GET`: an [`Event`] a line, as they come.
pub const EVENTS: &str = "/v1/events";
/// Path of `GET`: the running configuration, as a [`Configuration`]; of `PUT`: a [`Restore`], answered
/// with [`Edited`].
pub const CONFIGURATION: &str = "/v1/configuration";
/// Path of `GET`: the [`Unsaved`] changes.
pub const DIFFERENCE: &str = "/v1/difference";
/// Path of `POST`: a [`Reload`], answered with a [`Reloaded`].
pub const RELOAD: &str = "/v1/reload";
/// Path of `POST`: [`Edits`], answered with [`Edited`].
pub const EDITS: &str = "/v1/edits";
/// Path of `POST`: a [`Save`], answered with [`Saved`].
pub const SAVE: &str = "/v1/save";
/// Path of `POST`: a [`HandOver`], answered with a [`HandedOver`].
pub const FAILOVER: &str = "/v1/failover";
/// Path of `GET`: all of this as an OpenAPI document.
pub const OPENAPI: &str = "/v1/openapi.json";

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

/// The connections that are remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Connections {
    /// Ordered by virtual address and client.
    pub connections: Vec<Connection>,
}

/// A connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

/// What a director is to others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failover {
    /// Its state, in VRRP's words; `claim` is the moment before `master`.
    pub role: State,
    /// Since when, in seconds.
    pub since_s: u64,
    /// The virtual router.
    pub vrid: u8,
    /// Its priority now.
    pub priority: u8,
    /// Whether it has taken over because its operator wanted that.
    pub by_hand: bool,
    /// Whether it has handed over because its operator wanted that: it takes over from no living master.
    pub has_resigned: bool,
    /// Whether advertisements are signed.
    pub signed: bool,
    /// What is wrong with it.
    pub wrong: Vec<String>,
    /// The others; a backup is silent.
    pub peers: Vec<FailoverPeer>,
    /// How they are reached.
    pub ways: Vec<FailoverWay>,
    /// Advertisements that were sent, each way for itself.
    pub sent: u64,
    /// Advertisements that were heard and believed.
    pub received: u64,
    /// Those that came late.
    pub late: u64,
    /// What was not taken for an advertisement.
    pub refused: Vec<Refused>,
    /// How often another was master at the same time.
    pub splits: u64,
    /// How often this director has become master.
    pub takeovers: u64,
    /// Gratuitous ARPs and neighbour advertisements for the VIPs.
    pub announcements: u64,
    /// How connections are told of; `null`: not at all.
    pub sync: Option<Synchronisation>,
}

/// What directors tell each other of connections and of where clients stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Synchronisation {
    /// Whose connections this director takes in; `null` for a master, or if none is heard.
    pub follows: Option<Followed>,
    /// Who takes in those of this director.
    pub followers: Vec<Follower>,
    /// Records that were told.
    pub told: u64,
    /// Records that were taken in.
    pub taken: u64,
    /// Records that were older than what was known.
    pub older: u64,
    /// Records of real servers that this director has not.
    pub unknown: u64,
    /// Records for which there was no room.
    pub no_room: u64,
    /// How often a follower was too slow and was told everything again.
    pub resyncs: u64,
    /// How often new connections were so many that only established ones were told.
    pub floods: u64,
}

/// A director whose connections are taken in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Followed {
    /// Address and port.
    pub address: String,
    /// Whether all that it knows is known.
    pub is_in_sync: bool,
    /// Why it is not followed just now.
    pub error: Option<String>,
    /// What it says of itself.
    pub director: Option<OtherDirector>,
}

/// A director that takes in the connections of this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Follower {
    /// Since when, in seconds.
    pub since_s: u64,
    /// What it says of itself.
    pub director: OtherDirector,
}

/// What another director says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OtherDirector {
    /// Address and port.
    pub address: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its state.
    pub role: State,
    /// Its virtual services.
    pub services: u32,
    /// Their real servers.
    pub real_servers: u32,
    /// Connections that it remembers.
    pub connections: u64,
    /// Whether it knows all that the master does, or is that.
    pub is_in_sync: bool,
    /// Whether its services are configured otherwise than those of this director.
    pub has_other_tables: bool,
}

/// Another director.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailoverPeer {
    /// Its address.
    pub address: IpAddr,
    /// Its priority, as of its last advertisement; `null` if it was never heard.
    pub priority: Option<u8>,
    /// How long ago that came, in milliseconds; `null` if it was never heard.
    pub last_advertisement_ms: Option<u64>,
    /// How many were heard.
    pub advertisements: u64,
    /// Whether it answers for other addresses than this director.
    pub has_other_vips: bool,
}

/// A way to other directors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailoverWay {
    /// The address of a peer, or an interface with the address family.
    pub name: String,
    /// Advertisements that were sent.
    pub sent: u64,
    /// Why the last was not sent; `null` if it was.
    pub error: Option<String>,
}

/// How many packets were not taken for advertisements, for a reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refused {
    /// Name of the reason.
    pub name: String,
    /// What it means.
    pub meaning: String,
    /// Packets.
    pub packets: u64,
}

/// To have another director take over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HandOver {
    /// Its name; `null` for whoever is next.
    pub to: Option<String>,
    /// Although it does not know all connections: they break then.
    pub force: bool,
}

/// What the director is that was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HandedOver {
    /// Its state at that moment.
    pub role: State,
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

/// To read the configuration file again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Reload {
    /// Whether only to say what would change.
    pub dry_run: bool,
}

/// What the configuration file has changed, or would.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reloaded {
    /// A line for each change: `+` is new, `-` gone, `~` otherwise.
    pub changes: Vec<String>,
    /// What needs a restart of lvsd, and is not done.
    pub needs_restart: Vec<String>,
}

/// Changes of the running configuration, all of them or none, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edits {
    /// The changes.
    pub edits: Vec<Edit>,
}

/// What they have changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Edited {
    /// A line for each change, as in [`Reloaded`].
    pub changes: Vec<String>,
}

/// The running configuration, whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Configuration {
    /// The text of a file that says it.
    pub toml: String,
    /// The file that lvsd was started with.
    pub file: String,
}

/// Another configuration in place of the running one: all of it or, if it has errors, nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Restore {
    /// The text of a configuration file.
    pub toml: String,
}

/// What is running and not in the configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unsaved {
    /// The file.
    pub file: String,
    /// What has changed since, a line for each change: `+` is new, `-` gone, `~` otherwise.
    pub changes: Vec<String>,
    /// What the file says otherwise, and only a restart of lvsd would follow.
    pub needs_restart: Vec<String>,
}

/// To write the running configuration to lvsd's file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Save {}

/// Where the running configuration was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Saved {
    /// The file.
    pub file: String,
    /// Where what stood there before is now; `null` if there was no file.
    pub before: Option<String>,
}

/// The clients that stay with a real server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Persistence {
    /// Ordered by virtual service and client.
    pub clients: Vec<Stay>,
}

/// Where a client stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stay {
    /// Protocol of the virtual service.
    pub protocol: Protocol,
    /// The client's address, as far as the granularity goes.
    pub client: IpAddr,
    /// Address of the virtual service.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// The real server.
    pub real_server: IpAddr,
    /// Seconds until that is forgotten if the client opens no connection.
    pub expires_in_s: u64,
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

/// Which connections are meant: those that everything given here is true of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// The client's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<IpAddr>,
    /// The real server's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub real_server: Option<IpAddr>,
    /// The state, as ipvsadm names it, in capitals or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

/// Something that has happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// When (RFC 3339, UTC).
    pub time: String,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

impl Event {
    /// It happens now.
    #[must_use]
    pub fn now(what: What) -> Self {
        Self { time: humantime::format_rfc3339_millis(SystemTime::now()).to_string(), what }
    }
}

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// The state of a real server, or of a service, is another.
    State {
        /// Protocol of the virtual service.
        protocol: Protocol,
        /// Its address.
        address: IpAddr,
        /// Its port.
        port: u16,
        /// The real server; `null` if it is about the service itself.
        real_server: Option<IpAddr>,
        /// What the state was.
        from: String,
        /// What it is.
        to: String,
        /// Why.
        reason: String,
    },
    /// The running configuration is another.
    Configuration {
        /// Who has changed it.
        by: String,
        /// A line as in [`Reloaded`].
        change: String,
    },
    /// The director is something else to the others.
    Role {
        /// What it was.
        from: String,
        /// What it is, or `split brain`.
        to: String,
        /// Why.
        reason: String,
    },
    /// The maps are not what they should be, or are again.
    Maps {
        /// Why they are not; `null` if they are.
        out_of_sync: Option<String>,
    },
    /// Who listens was too slow for some events.
    Missed {
        /// So many.
        events: u64,
    },
}

/// The body of every answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[error("{error}")]
pub struct ApiError {
    /// What was wrong, with which input, and what to do.
    pub error: String,
}

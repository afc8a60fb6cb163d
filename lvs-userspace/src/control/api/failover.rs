//! What a director is to others, what they tell each other of connections, and to have another take over.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::failover::machine::State;

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

//! Where a packet would go, and why.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    dataplane::Question,
    model::{Scheduler, ServiceId},
};

/// What would become of a packet now. It was asked of the program, and nothing has changed by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Why {
    /// The packet.
    pub packet: Question,
    /// Whether it is forwarded.
    pub forwarded: bool,
    /// What becomes of it otherwise; `null` if it is forwarded.
    pub fate: Option<Ended>,
    /// Where it goes; also if it ends on the way there.
    pub real_server: Option<Receiver>,
    /// Why it goes there.
    pub reason: Option<Reason>,
    /// What the director remembers of its connection. If the reason is not `connection`, a new one
    /// takes its place.
    pub connection: Option<Remembered>,
    /// The virtual service that it is for.
    pub service: Option<ServiceId>,
    /// How that picks the real servers of new connections.
    pub scheduler: Option<Scheduler>,
    /// The real servers of the service that get no new connections.
    pub unavailable: Vec<Unavailable>,
}

/// That a packet is not forwarded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ended {
    /// Name of the counter.
    pub name: String,
    /// What it means.
    pub meaning: String,
}

/// A real server, and the way there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Receiver {
    /// Its address.
    pub address: IpAddr,
    /// Its MAC, if it is known.
    pub mac: Option<String>,
    /// The interface that it is reached by.
    pub interface: Option<String>,
}

/// Why a packet goes to its real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Its connection is there.
    Connection,
    /// It is TCP of no connection, and opens none: the real server resets it, unless it knows it.
    Stray,
    /// Its client stays there.
    Persistence,
    /// The scheduler picks it.
    Scheduler,
    /// No other real server takes connections.
    SorryServer,
    /// Nothing is remembered of it: the hash of an address picks it.
    Unrecorded,
}

/// A connection that the director remembers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Remembered {
    /// State, as ipvsadm names it.
    pub state: String,
    /// The real server that holds it; `null` if that is gone.
    pub real_server: Option<IpAddr>,
    /// Seconds until it is forgotten if it stays silent.
    pub expires_in_s: u64,
}

/// A real server that gets no new connections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unavailable {
    /// Its address.
    pub address: IpAddr,
    /// Why it gets none.
    pub why: String,
}

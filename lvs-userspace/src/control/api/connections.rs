//! What is remembered of clients: their connections, and where they stay.

use std::net::{IpAddr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::Protocol;

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

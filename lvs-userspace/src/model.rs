//! The words of the domain, as types.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use lvs_common::{abi::scheduler, limits};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A transport protocol that a virtual service can have.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Tcp, Self::Udp];

    /// Its name in configuration, JSON and commands.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }

    /// Its number in an IP header.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => lvs_common::abi::TCP,
            Self::Udp => lvs_common::abi::UDP,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a virtual service picks the real server of a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scheduler {
    /// One after the other, whatever their weights (but never one of weight 0).
    Rr,
    /// In turns, as many as the weight, interleaved.
    Wrr,
    /// The one with the fewest connections.
    Lc,
    /// The one with the fewest connections for its weight.
    Wlc,
    /// The one with the shortest expected delay.
    Sed,
    /// One that is idle, else as `sed`.
    Nq,
    /// By a hash of the client's address.
    Sh,
    /// By a hash of the virtual address.
    Dh,
    /// By a hash of the client's address into a Maglev table.
    Mh,
    /// The one whose checks are answered fastest.
    Fastest,
}

impl Scheduler {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Rr,
        Self::Wrr,
        Self::Lc,
        Self::Wlc,
        Self::Sed,
        Self::Nq,
        Self::Sh,
        Self::Dh,
        Self::Mh,
        Self::Fastest,
    ];

    /// Its name in configuration, JSON and commands, as ipvsadm spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rr => "rr",
            Self::Wrr => "wrr",
            Self::Lc => "lc",
            Self::Wlc => "wlc",
            Self::Sed => "sed",
            Self::Nq => "nq",
            Self::Sh => "sh",
            Self::Dh => "dh",
            Self::Mh => "mh",
            Self::Fastest => "fastest",
        }
    }

    /// Whether all real servers are compared for each connection.
    #[must_use]
    pub const fn compares(self) -> bool {
        matches!(self, Self::Lc | Self::Wlc | Self::Sed | Self::Nq)
    }

    /// The most real servers that it can have in one service.
    #[must_use]
    pub const fn most_real_servers(self) -> usize {
        if self.compares() {
            limits::COMPARED_REAL_SERVERS as usize
        } else {
            limits::SLOTS_PER_SERVICE
        }
    }

    /// What the program does with the slots.
    #[must_use]
    pub const fn kind(self) -> u32 {
        match self {
            Self::Rr | Self::Wrr | Self::Fastest => scheduler::TURNS,
            Self::Sh | Self::Mh => scheduler::SOURCE,
            Self::Dh => scheduler::DESTINATION,
            Self::Lc => scheduler::LEAST,
            Self::Wlc => scheduler::WEIGHTED_LEAST,
            Self::Sed => scheduler::SHORTEST_DELAY,
            Self::Nq => scheduler::NEVER_QUEUE,
        }
    }
}

impl fmt::Display for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a real server can take, relative to the others of its service; 0 quiesces it: no new
/// connections, the old ones go on.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct Weight(pub u16);

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names a virtual service.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct ServiceId {
    /// Transport protocol.
    pub protocol: Protocol,
    /// Virtual IP address.
    pub address: IpAddr,
    /// Port, the same on the real servers: direct routing can't change it; 0 for all ports that
    /// have no service of their own.
    pub port: u16,
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.protocol, SocketAddr::new(self.address, self.port))
    }
}

/// An Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddr(pub [u8; 6]);

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MacAddr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut octets = [0; 6];
        let mut parts = text.split(':');
        for octet in &mut octets {
            *octet = parts
                .next()
                .filter(|part| part.len() == 2)
                .and_then(|part| u8::from_str_radix(part, 16).ok())
                .ok_or_else(|| format!("\"{text}\" is no MAC address (like 02:00:0a:4d:00:0b)"))?;
        }
        match parts.next() {
            None => Ok(Self(octets)),
            Some(_) => Err(format!("\"{text}\" is no MAC address: more than six octets")),
        }
    }
}

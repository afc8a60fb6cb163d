//! A packet that the program is asked about.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use etherparse::{PacketBuilder, PacketBuilderStep, TcpHeader, err::packet::BuildWriteError};
use serde::{Deserialize, Serialize};

use crate::model::Protocol;

/// Where would this packet go?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Transport protocol.
    pub protocol: Protocol,
    /// Who sends it.
    pub client: SocketAddr,
    /// What it is sent to.
    pub virtual_address: SocketAddr,
    /// What kind of TCP segment it is; left out for one that opens a connection, and for UDP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flag: Option<Flag>,
}

/// The flag by which a TCP segment is told from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flag {
    /// It opens a connection.
    Syn,
    /// It belongs to one.
    Ack,
    /// It ends what the client has to say.
    Fin,
    /// It ends it all.
    Rst,
}

impl Flag {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Syn, Self::Ack, Self::Fin, Self::Rst];

    /// Its name in JSON and commands.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Syn => "syn",
            Self::Ack => "ack",
            Self::Fin => "fin",
            Self::Rst => "rst",
        }
    }

    fn set(self, segment: PacketBuilderStep<TcpHeader>) -> PacketBuilderStep<TcpHeader> {
        match self {
            Self::Syn => segment.syn(),
            Self::Ack => segment.ack(0),
            Self::Fin => segment.fin().ack(0),
            Self::Rst => segment.rst(),
        }
    }
}

/// Why no such packet can be.
#[derive(Debug, thiserror::Error)]
pub enum QuestionError {
    /// The addresses are of two families.
    #[error("{0} and {1}: one is IPv4 and the other IPv6")]
    Families(SocketAddr, SocketAddr),
    /// UDP has no flags.
    #[error("udp has no flag {}", .0.name())]
    Flag(Flag),
    /// It can't be written down.
    #[error(transparent)]
    Build(#[from] BuildWriteError),
}

impl Question {
    /// The packet in a frame that comes from nowhere: its MACs are zero.
    ///
    /// # Errors
    /// When there can be no such packet.
    pub fn frame(&self) -> Result<Vec<u8>, QuestionError> {
        let Self { protocol, client, virtual_address, flag } = *self;
        let ethernet = PacketBuilder::ethernet2([0; 6], [0; 6]);
        let ip = match (client.ip(), virtual_address.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => ethernet.ipv4(from.octets(), to.octets(), 64),
            (IpAddr::V6(from), IpAddr::V6(to)) => ethernet.ipv6(from.octets(), to.octets(), 64),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
                return Err(QuestionError::Families(client, virtual_address));
            }
        };
        let (from, to) = (client.port(), virtual_address.port());
        let mut frame = Vec::new();
        match (protocol, flag) {
            (Protocol::Tcp, flag) => {
                let flag = flag.unwrap_or(Flag::Syn);
                flag.set(ip.tcp(from, to, 0, 0)).write(&mut frame, &[])?;
            }
            (Protocol::Udp, None) => ip.udp(from, to).write(&mut frame, &[])?,
            (Protocol::Udp, Some(flag)) => return Err(QuestionError::Flag(flag)),
        }
        Ok(frame)
    }
}

/// The packet, as `tcp 192.0.2.1:40000 -> 192.0.2.10:80`.
impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { protocol, client, virtual_address, flag } = self;
        write!(f, "{protocol} {client} -> {virtual_address}")?;
        match flag {
            Some(flag) => write!(f, " ({})", flag.name()),
            None => Ok(()),
        }
    }
}

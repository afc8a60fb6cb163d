//! A packet that the program is asked about.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use etherparse::{PacketBuilder, PacketBuilderStep, TcpHeader, err::packet::BuildWriteError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::Protocol;

/// Where would this packet go?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

#[cfg(test)]
mod tests {
    use etherparse::{SlicedPacket, TransportSlice};

    use super::*;

    fn question(protocol: Protocol, client: &str, vip: &str, flag: Option<Flag>) -> Question {
        let [client, virtual_address] = [client, vip].map(|it| it.parse().unwrap());
        Question { protocol, client, virtual_address, flag }
    }

    #[test]
    fn the_frame_has_what_was_asked_for() {
        for (client, vip) in
            [("192.0.2.1:40000", "192.0.2.10:80"), ("[2001:db8::1]:40000", "[2001:db8::10]:80")]
        {
            for flag in [None].into_iter().chain(Flag::ALL.map(Some)) {
                let frame = question(Protocol::Tcp, client, vip, flag).frame().unwrap();
                let packet = SlicedPacket::from_ethernet(&frame).unwrap();
                let Some(TransportSlice::Tcp(tcp)) = packet.transport else { panic!("{packet:?}") };
                assert_eq!((tcp.source_port(), tcp.destination_port()), (40000, 80));
                let flags = (tcp.syn(), tcp.ack(), tcp.fin(), tcp.rst());
                let expected = match flag {
                    None | Some(Flag::Syn) => (true, false, false, false),
                    Some(Flag::Ack) => (false, true, false, false),
                    Some(Flag::Fin) => (false, true, true, false),
                    Some(Flag::Rst) => (false, false, false, true),
                };
                assert_eq!(flags, expected, "{flag:?}");
            }
            let frame = question(Protocol::Udp, client, vip, None).frame().unwrap();
            let packet = SlicedPacket::from_ethernet(&frame).unwrap();
            let Some(TransportSlice::Udp(udp)) = packet.transport else { panic!("{packet:?}") };
            assert_eq!((udp.source_port(), udp.destination_port()), (40000, 80));
        }
    }

    #[test]
    fn what_can_not_be_is_refused() {
        let mixed = question(Protocol::Tcp, "192.0.2.1:1", "[2001:db8::10]:80", None);
        let flagged = question(Protocol::Udp, "192.0.2.1:1", "192.0.2.10:53", Some(Flag::Ack));
        let refused = |it: Question| it.frame().unwrap_err().to_string();
        assert_eq!(
            refused(mixed),
            "192.0.2.1:1 and [2001:db8::10]:80: one is IPv4 and the other IPv6"
        );
        assert_eq!(refused(flagged), "udp has no flag ack");
    }
}

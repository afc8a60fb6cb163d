//! The parts of the TCP (RFC 9293, section 3.1) and UDP (RFC 768) headers that matter here.
//!
//! ```text
//!  0       1       2       3
//! | source port   | dest. port    |     both
//! | sequence number               |     TCP, from here on
//! | acknowledgement number        |
//! |off|   | flags | window        |
//! ```

use crate::{abi, fate::Fate, frame::Frame};

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// What a packet means to its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Segment {
    /// TCP that opens a connection (and not the answer to that, which clients do not send).
    Syn,
    /// TCP that ends what the client has to say.
    Finish,
    /// TCP that ends it all.
    Reset,
    /// Any other TCP.
    Acknowledge,
    /// UDP.
    Datagram,
}

impl Segment {
    /// The segment with this number.
    #[inline(always)]
    #[must_use]
    pub fn from_number(number: u32) -> Self {
        match number {
            0 => Self::Syn,
            1 => Self::Finish,
            2 => Self::Reset,
            3 => Self::Acknowledge,
            _ => Self::Datagram,
        }
    }
}

/// Reads the header at `offset`, but for the ports.
#[inline(always)]
pub(crate) fn parse<F: Frame + ?Sized>(
    frame: &F,
    offset: usize,
    protocol: u8,
) -> Result<Segment, Fate> {
    match protocol {
        abi::TCP => {
            let [flags] = frame.read(offset + 13).ok_or(Fate::PassedMalformed)?;
            Ok(segment(flags))
        }
        abi::UDP => Ok(Segment::Datagram),
        _ => Err(Fate::PassedOtherProtocol),
    }
}

/// What the flags of a TCP header say. The order is IPVS's (tcp_state_idx in net/netfilter/ipvs/ip_vs_proto_tcp.c).
#[inline(always)]
pub(crate) fn segment(flags: u8) -> Segment {
    // Nearly all are; to ask for this first takes them eight instructions less.
    if flags & (FIN | SYN | RST | ACK) == ACK {
        Segment::Acknowledge
    } else if flags & RST != 0 {
        Segment::Reset
    } else if flags & (SYN | ACK) == SYN {
        Segment::Syn
    } else if flags & FIN != 0 {
        Segment::Finish
    } else {
        Segment::Acknowledge
    }
}

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
pub enum Segment {
    /// TCP that opens a connection: SYN and neither ACK, FIN nor RST.
    Syn,
    /// TCP that ends one: FIN or RST.
    Closing,
    /// Any other TCP.
    Established,
    /// UDP: any packet may be the first.
    Datagram,
}

/// The ports, network order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ports {
    pub(crate) source: [u8; 2],
    pub(crate) destination: [u8; 2],
}

/// Reads the header at `offset`.
#[inline(always)]
pub(crate) fn parse<F: Frame + ?Sized>(
    frame: &F,
    offset: usize,
    protocol: u8,
) -> Result<(Segment, Ports), Fate> {
    let ([s0, s1, d0, d1], segment) = match protocol {
        abi::TCP => {
            let header = frame.read::<14>(offset).ok_or(Fate::PassedMalformed)?;
            let [s0, s1, d0, d1, .., flags] = header;
            let segment = match flags & (SYN | ACK | FIN | RST) {
                SYN => Segment::Syn,
                others if others & (FIN | RST) != 0 => Segment::Closing,
                _ => Segment::Established,
            };
            ([s0, s1, d0, d1], segment)
        }
        abi::UDP => (frame.read::<4>(offset).ok_or(Fate::PassedMalformed)?, Segment::Datagram),
        _ => return Err(Fate::PassedOtherProtocol),
    };
    Ok((segment, Ports { source: [s0, s1], destination: [d0, d1] }))
}

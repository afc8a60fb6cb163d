//! Kinds of packets, of which there are as many flows as are wanted.

use crate::{
    frames::{self, ACK, SYN, v6},
    plan::{Plan, kind},
};

/// The shortest that Ethernet sends, without the checksum.
const SHORTEST: usize = 60;
/// What datagrams carry: with it they are as long as that over IPv4.
const QUERY: [u8; 18] = *b"who is example.org";
/// Odd: so all flows differ, and neither their addresses nor their ports are in any order.
const SCATTERED: u64 = 0x9e37_79b9_7f4a_7c15;
/// 65,536 flows of one client, then those of the next.
const BY_CLIENT: u64 = 1;

/// Flags of TCP, as in the header.
pub(crate) mod flags {
    pub(crate) const SYN: u8 = 0x02;
    pub(crate) const ACK: u8 = 0x10;
}

/// As long as the frame is when it comes from a wire.
pub(crate) fn padded(mut frame: Vec<u8>) -> Vec<u8> {
    frame.resize(frame.len().max(SHORTEST), 0);
    frame
}

/// Packets to one service, from any client.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    /// One of the packets.
    pub(crate) frame: Vec<u8>,
    kind: u32,
    multiplier: u64,
}

impl Stream {
    pub(crate) fn tcp(port: u16) -> Self {
        Self::of_tcp(frames::tcp(1000, port, SYN))
    }

    /// Packets like this one of TCP over IPv4.
    pub(crate) fn of_tcp(frame: Vec<u8>) -> Self {
        Self::new(frame, kind::TCP)
    }

    pub(crate) fn tcp_v6(port: u16) -> Self {
        Self::new(v6::tcp(1000, port, ACK), kind::TCP_V6)
    }

    pub(crate) fn udp(port: u16) -> Self {
        Self::new(frames::udp(1000, port, &QUERY), kind::UDP)
    }

    pub(crate) fn udp_v6(port: u16) -> Self {
        Self::new(v6::udp(1000, port, &QUERY), kind::UDP_V6)
    }

    /// The same, from few clients.
    pub(crate) fn by_client(self) -> Self {
        Self { multiplier: BY_CLIENT, ..self }
    }

    /// One frame again and again, whatever a program changes of it.
    pub(crate) fn of(frame: Vec<u8>) -> Self {
        Self::new(frame, kind::MACS)
    }

    /// The same for one that is answered.
    pub(crate) fn answered(frame: Vec<u8>) -> Self {
        Self::new(frame, kind::BODY)
    }

    fn new(frame: Vec<u8>, kind: u32) -> Self {
        Self { frame: padded(frame), kind, multiplier: SCATTERED }
    }

    /// So many flows (a power of two), from the first on, in turn.
    pub(crate) fn known(&self, flows: u64, flags: u8) -> Plan {
        assert!(flows.is_power_of_two(), "{flows}");
        Plan { mask: flows - 1, ..self.plan(flags) }
    }

    /// The same flows in another order: packets do not come in the order that their connections began in,
    /// which is that of the memory of a kernel's map.
    pub(crate) fn shuffled(&self, flows: u64, flags: u8) -> Plan {
        Plan { stride: SCATTERED, ..self.known(flows, flags) }
    }

    /// A new flow with each packet.
    pub(crate) fn new_ones(&self, first: u64, flags: u8) -> Plan {
        Plan { mask: u64::MAX, first, ..self.plan(flags) }
    }

    fn plan(&self, flags: u8) -> Plan {
        let words = |from: usize| move |at: usize| u32::from_ne_bytes(self.bytes(from + 4 * at));
        let transport = if matches!(self.kind, kind::TCP_V6 | kind::UDP_V6) { 54 } else { 34 };
        let [offset, _, window @ ..]: [u8; 4] = self.bytes(transport + 12);
        let [a, b] = window;
        Plan {
            macs: std::array::from_fn(words(0)),
            body: std::array::from_fn(words(20)),
            kind: self.kind,
            address: u32::from_be_bytes([10, 80, 0, 0]),
            port: 1024,
            to_port: self.bytes(transport + 2),
            flags: [offset, flags, a, b],
            stride: 1,
            multiplier: self.multiplier,
            ..Plan::default()
        }
    }

    fn bytes<const N: usize>(&self, at: usize) -> [u8; N] {
        self.frame[at..at + N].try_into().expect("so many bytes")
    }
}

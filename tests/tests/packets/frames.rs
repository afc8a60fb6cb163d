//! Frames as a client sends them, and as they should be after.

use etherparse::PacketBuilder;

use crate::world::{DIRECTOR_MAC, Place, VIP};

/// MAC of the client.
pub const CLIENT_MAC: [u8; 6] = [2, 0, 10, 77, 0, 2];
/// Address of the client.
pub const CLIENT: [u8; 4] = [10, 77, 0, 2];

/// Flags of a TCP segment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flags {
    pub syn: bool,
    pub ack: bool,
    pub fin: bool,
    pub rst: bool,
}

pub const SYN: Flags = Flags { syn: true, ack: false, fin: false, rst: false };
pub const ACK: Flags = Flags { syn: false, ack: true, fin: false, rst: false };
pub const FIN_ACK: Flags = Flags { syn: false, ack: true, fin: true, rst: false };
pub const RST: Flags = Flags { syn: false, ack: false, fin: false, rst: true };
pub const SYN_ACK: Flags = Flags { syn: true, ack: true, fin: false, rst: false };

/// TCP from a port of the client to a port of the VIP.
pub fn tcp(client_port: u16, port: u16, flags: Flags) -> Vec<u8> {
    tcp_to(VIP, client_port, port, flags, b"")
}

/// TCP with a payload.
pub fn tcp_data(client_port: u16, port: u16, payload: &[u8]) -> Vec<u8> {
    tcp_to(VIP, client_port, port, ACK, payload)
}

/// TCP to any address.
pub fn tcp_to(to: [u8; 4], from_port: u16, port: u16, flags: Flags, payload: &[u8]) -> Vec<u8> {
    let mut builder = PacketBuilder::ethernet2(CLIENT_MAC, DIRECTOR_MAC)
        .ipv4(CLIENT, to, 64)
        .tcp(from_port, port, 1000, 64240);
    if flags.syn {
        builder = builder.syn();
    }
    if flags.ack {
        builder = builder.ack(2000);
    }
    if flags.fin {
        builder = builder.fin();
    }
    if flags.rst {
        builder = builder.rst();
    }
    written(|bytes| builder.write(bytes, payload))
}

/// TCP with options in the IPv4 header: a whole number of words, 40 bytes at most.
pub fn tcp_with_ip_options(options: &[u8], client_port: u16, port: u16, flags: Flags) -> Vec<u8> {
    let mut frame = tcp(client_port, port, flags);
    frame[14] = 0x40 | (5 + options.len() / 4) as u8;
    let total = u16::from_be_bytes([frame[16], frame[17]]) + options.len() as u16;
    frame[16..18].copy_from_slice(&total.to_be_bytes());
    frame.splice(34..34, options.iter().copied());
    frame
}

/// UDP from a port of the client to a port of the VIP.
pub fn udp(client_port: u16, port: u16, payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(CLIENT_MAC, DIRECTOR_MAC)
        .ipv4(CLIENT, VIP, 64)
        .udp(client_port, port);
    written(|bytes| builder.write(bytes, payload))
}

/// An ICMP echo request.
pub fn ping(to: [u8; 4]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(CLIENT_MAC, DIRECTOR_MAC)
        .ipv4(CLIENT, to, 64)
        .icmpv4_echo_request(7, 1);
    written(|bytes| builder.write(bytes, b"ping"))
}

/// IPv6 TCP.
pub fn tcp_v6() -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(CLIENT_MAC, DIRECTOR_MAC)
        .ipv6([0xfd; 16], [0xfe; 16], 64)
        .tcp(1, 80, 1, 1)
        .syn();
    written(|bytes| builder.write(bytes, b""))
}

/// ARP, as a broadcast; `operation` 1 asks, 2 answers.
pub fn arp(operation: u8, target: [u8; 4]) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend(CLIENT_MAC);
    frame.extend([0x08, 0x06, 0, 1, 0x08, 0x00, 6, 4, 0, operation]);
    frame.extend(CLIENT_MAC);
    frame.extend(CLIENT);
    frame.extend([0; 6]);
    frame.extend(target);
    frame
}

/// The answer to [`arp`]: the director has it.
pub fn arp_reply(target: [u8; 4]) -> Vec<u8> {
    let mut frame = CLIENT_MAC.to_vec();
    frame.extend(DIRECTOR_MAC);
    frame.extend([0x08, 0x06, 0, 1, 0x08, 0x00, 6, 4, 0, 2]);
    frame.extend(DIRECTOR_MAC);
    frame.extend(target);
    frame.extend(CLIENT_MAC);
    frame.extend(CLIENT);
    frame
}

/// The same frame, on its way to a real server: only the MACs have changed.
pub fn forwarded(frame: &[u8], to: Place) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[..6].copy_from_slice(&to.mac());
    frame[6..12].copy_from_slice(&DIRECTOR_MAC);
    frame
}

/// The frame with some bytes changed.
pub fn patched(mut frame: Vec<u8>, offset: usize, bytes: &[u8]) -> Vec<u8> {
    frame[offset..offset + bytes.len()].copy_from_slice(bytes);
    frame
}

/// Length of the IPv4 packet in a frame, as its header says.
pub fn ip_length(frame: &[u8]) -> u64 {
    u16::from_be_bytes([frame[16], frame[17]]).into()
}

fn written<E: std::fmt::Debug>(write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut bytes).expect("a frame that can be built");
    bytes
}

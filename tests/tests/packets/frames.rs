//! Frames as a client sends them, and as they should be after.

#[path = "frames/v6.rs"] // So that the benchmark finds it, too.
pub mod v6;

use etherparse::{PacketBuilder, PacketBuilderStep, TcpHeader};

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
    let builder = PacketBuilder::ethernet2(CLIENT_MAC, DIRECTOR_MAC)
        .ipv4(CLIENT, to, 64)
        .tcp(from_port, port, 1000, 64240);
    let builder = with_flags(builder, flags);
    written(|bytes| builder.write(bytes, payload))
}

fn with_flags(
    mut builder: PacketBuilderStep<TcpHeader>,
    flags: Flags,
) -> PacketBuilderStep<TcpHeader> {
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
    builder
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

/// The frame with a VLAN tag; on one that is tagged, an outer one.
pub fn tagged(mut frame: Vec<u8>, id: u16) -> Vec<u8> {
    let ethertype = if frame[12..14] == [0x81, 0] { [0x88, 0xa8] } else { [0x81, 0] };
    let [a, b] = id.to_be_bytes();
    frame.splice(12..12, [ethertype[0], ethertype[1], a, b]);
    frame
}

/// The frame without its outer VLAN tag.
pub fn untagged(mut frame: Vec<u8>) -> Vec<u8> {
    frame.drain(12..16);
    frame
}

/// The fragments of a UDP datagram: the first with the header, and one more.
pub fn fragments(client_port: u16, port: u16, id: u16) -> [Vec<u8>; 2] {
    let [i, d] = id.to_be_bytes();
    let whole = patched(udp(client_port, port, &[7; 48]), 18, &[i, d]);
    let part = |payload: &[u8], flags: [u8; 2]| {
        let mut frame = patched(whole[..34].to_vec(), 20, &flags);
        frame.extend(payload);
        let length = (frame.len() - 14) as u16;
        patched(frame, 16, &length.to_be_bytes())
    };
    [part(&whole[34..66], [0x20, 0]), part(&whole[66..], [0, 4])]
}

/// An ICMP error of a router about a packet that a real server sent from the VIP.
pub fn icmp_error(kind: u8, code: u8, protocol: u8, client_port: u16, port: u16) -> Vec<u8> {
    let mut quoted = vec![0x45, 0, 5, 220, 0, 1, 0x40, 0, 63, protocol, 0, 0];
    quoted.extend(VIP);
    quoted.extend(CLIENT);
    quoted.extend(port.to_be_bytes());
    quoted.extend(client_port.to_be_bytes());
    quoted.extend([0; 4]);
    let builder = PacketBuilder::ethernet2(CLIENT_MAC, DIRECTOR_MAC)
        .ipv4([10, 77, 0, 1], VIP, 64)
        .icmpv4_raw(kind, code, [0, 0, 2, 0]);
    written(|bytes| builder.write(bytes, &quoted))
}

/// The answer to [`ping`] of the VIP, with a new time to live and right checksums.
pub fn pong(request: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(DIRECTOR_MAC, CLIENT_MAC)
        .ipv4(VIP, CLIENT, 64)
        .icmpv4_echo_reply(7, 1);
    let mut frame = written(|bytes| builder.write(bytes, b"ping"));
    frame[18..22].copy_from_slice(&request[18..22]);
    let sum = checksum(&patched(frame.clone(), 24, &[0, 0])[14..34]);
    patched(frame, 24, &sum.to_be_bytes())
}

/// The Internet checksum (RFC 1071).
pub fn checksum(bytes: &[u8]) -> u16 {
    let sum: u32 = bytes.chunks(2).map(|it| u32::from(u16::from_be_bytes([it[0], it[1]]))).sum();
    !((sum & 0xffff) + (sum >> 16)) as u16
}

/// The frame with another time to live, and the checksum for it.
pub fn with_ttl(frame: Vec<u8>, ttl: u8) -> Vec<u8> {
    let frame = patched(patched(frame, 22, &[ttl]), 24, &[0, 0]);
    let sum = checksum(&frame[14..34]);
    patched(frame, 24, &sum.to_be_bytes())
}

/// An ICMP echo request.
pub fn ping(to: [u8; 4]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(CLIENT_MAC, DIRECTOR_MAC)
        .ipv4(CLIENT, to, 64)
        .icmpv4_echo_request(7, 1);
    written(|bytes| builder.write(bytes, b"ping"))
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

/// Length of the IP packet in a frame, as its header says.
pub fn ip_length(frame: &[u8]) -> u64 {
    let mut ip = 14;
    while matches!(frame[ip - 2..ip], [0x81, 0] | [0x88, 0xa8]) {
        ip += 4;
    }
    if frame[ip - 2..ip] == [0x86, 0xdd] {
        return 40 + u64::from(u16::from_be_bytes([frame[ip + 4], frame[ip + 5]]));
    }
    u16::from_be_bytes([frame[ip + 2], frame[ip + 3]]).into()
}

fn written<E: std::fmt::Debug>(write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut bytes).expect("a frame that can be built");
    bytes
}

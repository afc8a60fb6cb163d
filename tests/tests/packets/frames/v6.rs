//! Frames of IPv6.

use etherparse::PacketBuilder;

use super::{CLIENT_MAC, Flags, patched, with_flags, written};
use crate::world::{DIRECTOR_MAC, VIP_V6};

/// Address of the client.
pub const CLIENT: [u8; 16] = [0xfd, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
/// Another address than any VIP: the director's own.
pub const DIRECTOR: [u8; 16] = [0xfd, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3];

/// Where the IPv6 header starts in a frame without tags, and where it ends.
const IP: usize = 14;
const PAYLOAD: usize = IP + 40;

/// TCP from a port of the client to a port of the VIP.
pub fn tcp(client_port: u16, port: u16, flags: Flags) -> Vec<u8> {
    tcp_to(VIP_V6, client_port, port, flags)
}

/// TCP to any address.
pub fn tcp_to(to: [u8; 16], from_port: u16, port: u16, flags: Flags) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(CLIENT_MAC, DIRECTOR_MAC)
        .ipv6(CLIENT, to, 64)
        .tcp(from_port, port, 1000, 64240);
    let builder = with_flags(builder, flags);
    written(|bytes| builder.write(bytes, b""))
}

/// UDP from a port of the client to a port of the VIP.
pub fn udp(client_port: u16, port: u16, payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(CLIENT_MAC, DIRECTOR_MAC)
        .ipv6(CLIENT, VIP_V6, 64)
        .udp(client_port, port);
    written(|bytes| builder.write(bytes, payload))
}

/// An ICMPv6 echo request.
pub fn ping(to: [u8; 16]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(CLIENT_MAC, DIRECTOR_MAC)
        .ipv6(CLIENT, to, 3)
        .icmpv6_echo_request(7, 1);
    written(|bytes| builder.write(bytes, b"ping"))
}

/// The answer to [`ping`] of the VIP.
pub fn pong() -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(DIRECTOR_MAC, CLIENT_MAC)
        .ipv6(VIP_V6, CLIENT, 64)
        .icmpv6_echo_reply(7, 1);
    written(|bytes| builder.write(bytes, b"ping"))
}

/// The frame with an extension header, of which `bytes` is all but the first byte, before what it
/// has.
pub fn extended(frame: Vec<u8>, kind: u8, bytes: &[u8]) -> Vec<u8> {
    let next = frame[IP + 6];
    let mut frame = with_length(patched(frame, IP + 6, &[kind]), 1 + bytes.len() as i32);
    frame.splice(PAYLOAD..PAYLOAD, [&[next], bytes].concat());
    frame
}

/// The fragments of a UDP datagram: the first with the header, and one more.
pub fn fragments(client_port: u16, port: u16, id: u32) -> [Vec<u8>; 2] {
    let whole = udp(client_port, port, &[7; 48]);
    let part = |payload: &[u8], offset: u16, more: u16| {
        let mut header = vec![0];
        header.extend((offset | more).to_be_bytes());
        header.extend(id.to_be_bytes());
        let cut = payload.len() as i32 - (whole.len() - PAYLOAD) as i32;
        let frame = with_length([&whole[..PAYLOAD], payload].concat(), cut);
        extended(frame, 44, &header)
    };
    [part(&whole[PAYLOAD..PAYLOAD + 32], 0, 1), part(&whole[PAYLOAD + 32..], 32, 0)]
}

/// An ICMPv6 error of a router about a packet that a real server sent from the VIP.
pub fn icmp_error(kind: u8, code: u8, protocol: u8, client_port: u16, port: u16) -> Vec<u8> {
    let mut quoted = vec![0x60, 0, 0, 0, 5, 0, protocol, 63];
    quoted.extend(VIP_V6);
    quoted.extend(CLIENT);
    quoted.extend(port.to_be_bytes());
    quoted.extend(client_port.to_be_bytes());
    quoted.extend([0; 4]);
    let builder = PacketBuilder::ethernet2(CLIENT_MAC, DIRECTOR_MAC)
        .ipv6(DIRECTOR, VIP_V6, 64)
        .icmpv6_raw(kind, code, [0, 0, 5, 0]);
    written(|bytes| builder.write(bytes, &quoted))
}

/// A neighbour solicitation for `target`, with these options.
pub fn solicitation(sender: [u8; 16], target: [u8; 16], options: &[u8]) -> Vec<u8> {
    let [.., a, b, c] = target;
    let group = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c];
    solicitation_to(([0x33, 0x33, 0xff, a, b, c], group), sender, target, options)
}

/// The same, sent to these addresses.
pub fn solicitation_to(
    (mac, to): ([u8; 6], [u8; 16]),
    sender: [u8; 16],
    target: [u8; 16],
    options: &[u8],
) -> Vec<u8> {
    let builder =
        PacketBuilder::ethernet2(CLIENT_MAC, mac).ipv6(sender, to, 255).icmpv6_raw(135, 0, [0; 4]);
    written(|bytes| builder.write(bytes, &[&target[..], options].concat()))
}

/// The option of a [`solicitation`] that says who asks.
pub fn source_mac() -> Vec<u8> {
    [&[1, 1], &CLIENT_MAC[..]].concat()
}

/// The answer to a solicitation for the VIP: the director has it.
pub fn advertisement(to_mac: [u8; 6], to: [u8; 16], flags: u8) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(DIRECTOR_MAC, to_mac).ipv6(VIP_V6, to, 255).icmpv6_raw(
        136,
        0,
        [flags, 0, 0, 0],
    );
    let option = [&[2, 1], &DIRECTOR_MAC[..]].concat();
    written(|bytes| builder.write(bytes, &[&VIP_V6[..], &option].concat()))
}

/// The frame with a payload that is longer by so much.
fn with_length(frame: Vec<u8>, by: i32) -> Vec<u8> {
    let length = i32::from(u16::from_be_bytes([frame[IP + 4], frame[IP + 5]])) + by;
    patched(frame, IP + 4, &(length as u16).to_be_bytes())
}

/// The first bytes of a frame, with a payload length that fits.
pub fn cut(mut frame: Vec<u8>, length: usize) -> Vec<u8> {
    let by = length as i32 - frame.len() as i32;
    frame.truncate(length);
    with_length(frame, by)
}

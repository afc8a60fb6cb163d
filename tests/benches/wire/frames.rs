//! What goes over the cable: the smallest frames, all alike but for the client.

use etherparse::PacketBuilder;
use lvs_tests::lab::{Host, VIP};

use super::cable::mac;

/// Length of a frame, without the checksum that ends it on a real wire.
pub(crate) const LENGTH: usize = 64;
/// The port of the virtual service.
pub(crate) const PORT: u16 = 80;

/// A kind of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Opens a connection.
    Syn,
    /// Belongs to one.
    Ack,
}

/// The frame, as it would be from address and port 0.
pub(crate) fn frame(kind: Kind) -> [u8; LENGTH] {
    let builder = PacketBuilder::ethernet2(mac(Host::Client), mac(Host::Director))
        .ipv4([0; 4], VIP.octets(), 64)
        .tcp(0, PORT, 1000, 64240);
    let builder = match kind {
        Kind::Syn => builder.syn(),
        Kind::Ack => builder.ack(2000),
    };
    let payload = [0; LENGTH - 14 - 20 - 20];
    let mut frame = Vec::with_capacity(LENGTH);
    builder.write(&mut frame, &payload).expect("a Vec takes all");
    frame.try_into().expect("of that length")
}

//! What packets `prepare` makes, and in what time. The benchmark has this file, too.

/// Packets of one kind. Each differs from the last in its client, which is made of a number that
/// goes up by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Plan {
    /// Both MACs, as they lie in the frame.
    pub(crate) macs: [u32; 3],
    /// What else there is to write, one of [`kind`].
    pub(crate) kind: u32,
    /// The last four bytes of the address of the client with number 0, in host order.
    pub(crate) address: u32,
    /// Its port, in host order.
    pub(crate) port: u16,
    /// The port that packets go to, as it lies in the frame.
    pub(crate) to_port: [u8; 2],
    /// The word of TCP's header that has the flags, as it lies in the frame.
    pub(crate) flags: [u8; 4],
    /// 1 if every other packet is of the second plan, 0 if there is only this one.
    pub(crate) alternates: u32,
    /// The number of the first packet.
    pub(crate) first: u64,
    /// So far it is from one number to the next.
    pub(crate) stride: u64,
    /// What of the number makes a difference: 0 for one client, 2^n - 1 for 2^n clients, all ones for a
    /// new one each time.
    pub(crate) mask: u64,
    /// Numbers are multiplied by it; then their lowest 16 bits are added to the port, the next 32 to
    /// the address. Odd, and they are all different.
    pub(crate) multiplier: u64,
    /// The frame from its byte 20 on, for [`kind::BODY`]: there is what an answer changes.
    pub(crate) body: [u32; 6],
}

/// What there has been on a CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Run {
    /// So many packets.
    pub(crate) packets: u64,
    /// The number of the last one, from 0 on.
    pub(crate) last: u64,
    /// When the first came, in nanoseconds.
    pub(crate) begin: u64,
    /// When the last did.
    pub(crate) end: u64,
}

/// What is written past the MACs.
pub(crate) mod kind {
    /// Nothing.
    pub(crate) const MACS: u32 = 0;
    /// The client and the flags of TCP over IPv4.
    pub(crate) const TCP: u32 = 1;
    /// The same over IPv6.
    pub(crate) const TCP_V6: u32 = 2;
    /// The client of UDP over IPv4.
    pub(crate) const UDP: u32 = 3;
    /// The same over IPv6.
    pub(crate) const UDP_V6: u32 = 4;
    /// All that an answer to ARP or to an echo request changes.
    pub(crate) const BODY: u32 = 5;
}

//! What names a flow.

use crate::connections::{Hash, Secrets};

/// A flow, as its client's packets show it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow<A> {
    /// Client's IP address.
    pub client: A,
    /// Virtual IP address.
    pub vip: A,
    /// Client's port, network order.
    pub client_port: [u8; 2],
    /// Port of the virtual service, network order.
    pub port: [u8; 2],
    /// IP protocol number.
    pub protocol: u8,
}

/// An IP address, as it is on the wire.
pub trait Address: Copy + Eq + core::fmt::Debug {
    /// A flow's key in 32-bit words, each as it lies in memory: client, VIP, both ports.
    type Words: Copy + Eq;

    /// The words of a flow.
    fn words(flow: &Flow<Self>) -> Self::Words;
    /// Their hash.
    fn hash(words: &Self::Words, secrets: &Secrets) -> Hash;
    /// As an IPv6 address; IPv4 as `::ffff:a.b.c.d`.
    fn to_v6(self) -> [u8; 16];
}

impl Address for [u8; 4] {
    type Words = [u32; 3];

    #[inline(always)]
    fn words(flow: &Flow<Self>) -> Self::Words {
        [u32::from_ne_bytes(flow.client), u32::from_ne_bytes(flow.vip), ports(flow)]
    }

    #[inline(always)]
    fn hash(words: &Self::Words, secrets: &Secrets) -> Hash {
        Hash::of(words, secrets)
    }

    #[inline(always)]
    fn to_v6(self) -> [u8; 16] {
        let [a, b, c, d] = self;
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d]
    }
}

#[inline(always)]
fn ports<A>(flow: &Flow<A>) -> u32 {
    let [a, b] = flow.client_port;
    let [c, d] = flow.port;
    u32::from_ne_bytes([a, b, c, d])
}

//! What names a flow, for both address families.

use crate::{
    abi::{ConnectionKey, ConnectionKeyV6, ServiceKey},
    connections::{Hash, Secrets},
    vip_filter,
};

/// A flow, as its client's packets show it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow<A: Address> {
    /// Client, VIP and ports, as they name its connection.
    pub key: A::Key,
    /// IP protocol number.
    pub protocol: u32,
}

impl<A: Address> Flow<A> {
    /// Names the virtual service of the flow's VIP with a port.
    #[inline(always)]
    #[must_use]
    pub fn service(&self, [high, low]: [u8; 2]) -> ServiceKey {
        let [a, b, c, d] = A::vip_words(&self.key);
        let last = u32::from_ne_bytes([high, low, self.protocol as u8, 0]);
        bytemuck::must_cast([a, b, c, d, last])
    }
}

/// An IP address, as it is on the wire.
pub trait Address: Copy + Eq + core::fmt::Debug {
    /// Names a connection.
    type Key: Copy + Eq + core::fmt::Debug;

    /// The key of a connection.
    fn key(client: Self, vip: Self, client_port: [u8; 2], port: [u8; 2]) -> Self::Key;
    /// The client of a connection.
    fn client(key: &Self::Key) -> Self;
    /// The VIP of a connection.
    fn vip(key: &Self::Key) -> Self;
    /// The VIP's port of a connection, network order.
    fn port(key: &Self::Key) -> [u8; 2];
    /// The VIP of a connection as an IPv6 address, in words.
    fn vip_words(key: &Self::Key) -> [u32; 4];
    /// Where a connection is in the table.
    fn hash(key: &Self::Key, secrets: &Secrets) -> Hash;
    /// In one word, which others may share.
    fn fold(self) -> u32;
    /// Whether a packet to this address may ask for another: multicast of IPv6 (RFC 4861, section 4.3).
    fn may_ask_for_another(self) -> bool;
    /// As an IPv6 address; IPv4 as `::ffff:a.b.c.d`.
    fn to_v6(self) -> [u8; 16];
}

macro_rules! address {
    ($bytes:literal, $key:ident, $words_of_v6:expr) => {
        impl Address for [u8; $bytes] {
            type Key = $key;

            #[inline(always)]
            fn key(client: Self, vip: Self, client_port: [u8; 2], port: [u8; 2]) -> $key {
                $key { client, vip, client_port, port }
            }

            #[inline(always)]
            fn client(key: &$key) -> Self {
                key.client
            }

            #[inline(always)]
            fn vip(key: &$key) -> Self {
                key.vip
            }

            #[inline(always)]
            fn port(key: &$key) -> [u8; 2] {
                key.port
            }

            #[inline(always)]
            fn vip_words(key: &$key) -> [u32; 4] {
                $words_of_v6(bytemuck::must_cast(key.vip))
            }

            #[inline(always)]
            fn hash(key: &$key, secrets: &Secrets) -> Hash {
                let words: &[u32; size_of::<$key>() / 4] = bytemuck::must_cast_ref(key);
                Hash::of(words, secrets)
            }

            #[inline(always)]
            fn fold(self) -> u32 {
                let words: [u32; $bytes / 4] = bytemuck::must_cast(self);
                vip_filter::fold(words)
            }

            #[inline(always)]
            fn may_ask_for_another(self) -> bool {
                $bytes == 16 && self[0] == 0xff
            }

            #[inline(always)]
            fn to_v6(self) -> [u8; 16] {
                let words: [u32; 4] = $words_of_v6(bytemuck::must_cast(self));
                bytemuck::must_cast(words)
            }
        }
    };
}

// In words: bytes would be cleared by a call first, which takes as long as a look-up.
address!(4, ConnectionKey, |[word]: [u32; 1]| [0, 0, u32::from_ne_bytes([0, 0, 0xff, 0xff]), word]);
address!(16, ConnectionKeyV6, |words| words);

//! The keys and values of the BPF maps.

mod values;

use core::mem::offset_of;

use bytemuck::{Pod, Zeroable};

pub use self::values::*;
pub use crate::connections::Entry;
use crate::{
    connections::{Secrets, WAYS},
    limits,
};

/// The IP protocol number of TCP.
pub const TCP: u8 = 6;
/// The IP protocol number of UDP.
pub const UDP: u8 = 17;

macro_rules! abi {
    ($($(#[$meta:meta])* pub struct $name:ident = $size:literal {
        $($(#[$doc:meta])* pub $field:ident: $type:ty,)*
    })+) => {
        $(
            $(#[$meta])*
            #[repr(C)]
            #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
            pub struct $name { $($(#[$doc])* pub $field: $type,)* }

            const _: () = assert!(size_of::<$name>() == $size);
        )+

        /// Every type with its fields, as text.
        const SHAPE: &str = concat!(
            $(stringify!($name), $(stringify!($field: $type),)*)+
        );
    };
}

/// What the maps' content means beyond its shape: states, hashes, flags. Raised by hand when any of
/// that changes.
const MEANING: u32 = 1;

/// Names the layout of the maps: another number for any change of a type, of a map's size or of
/// what they mean. A program can take over the maps of another only if both have the same.
pub const LAYOUT: u32 = {
    let mut hash = fnv(0x811c_9dc5 ^ MEANING, SHAPE.as_bytes());
    let sizes = [
        limits::SERVICES,
        limits::SERVICE_COPIES,
        limits::SLOTS,
        limits::TEMPLATES,
        limits::FRAGMENTS,
        limits::VIPS,
        limits::INTERFACES,
        crate::fate::Fate::ALL.len(),
        // What SHAPE only names.
        WAYS,
        size_of::<Secrets>(),
        size_of::<Entry>(),
        offset_of!(Entry, real_server),
        offset_of!(Entry, seen),
        offset_of!(Entry, state),
        offset_of!(Entry, tag),
    ];
    let mut at = 0;
    while at < sizes.len() {
        hash = fnv(hash, &(sizes[at] as u32).to_le_bytes());
        at += 1;
    }
    // Zero is what a map has before anything is written to it.
    if hash == 0 { 1 } else { hash }
};

/// The hash of Fowler, Noll and Vo (FNV-1a).
const fn fnv(mut hash: u32, bytes: &[u8]) -> u32 {
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    hash
}

abi! {
    /// Names a virtual service: what a client sends to.
    #[repr(align(4))]
    pub struct ServiceKey = 20 {
        /// Virtual IP address; IPv4 as `::ffff:a.b.c.d`.
        pub vip: [u8; 16],
        /// Port, network order; 0 for all that have no service of their own.
        pub port: [u8; 2],
        /// IP protocol number: [`TCP`] or [`UDP`].
        pub protocol: u8,
        /// Zero.
        pub reserved: u8,
    }

    /// A virtual service. It is replaced whole, so that no packet sees half of a change.
    pub struct Service = 28 {
        /// Index into `TURNS` and `PAST_TRAFFIC`.
        pub id: u32,
        /// Where its slots start in `SLOTS`.
        pub first_slot: u32,
        /// How many slots it has; none means that no real server can take a connection.
        pub n_slots: u32,
        /// Index of the real server that takes connections when no other does; 0 for none.
        pub sorry_server: u32,
        /// How long a client stays with its real server, in units of the clock; 0: it does not.
        pub persistence: u32,
        /// One of [`scheduler`].
        pub scheduler: u32,
        /// Bits of [`service_flags`].
        pub flags: u16,
        /// Clients that share so many leading bits of their address are one to persistence.
        pub granularity: u16,
    }

    /// A copy of a virtual service; see [`service_copy`](crate::service_copy).
    pub struct ServiceCopy = 64 {
        /// Bits of [`service_place`]. With [`IS_COPY`](service_place::IS_COPY), nothing that follows changes.
        pub place: u32,
        /// Names the service.
        pub key: ServiceKey,
        /// The service.
        pub service: Service,
        /// Zero.
        pub reserved: [u32; 3],
    }

    /// One real server of one virtual service, in a cache line of its own.
    pub struct RealServer = 64 {
        /// Where its frames go: the MAC of the real server.
        pub mac: [u8; 6],
        /// Where they come from: the MAC of the director on that interface.
        pub source_mac: [u8; 6],
        /// Interface that it is reached by.
        pub interface: u32,
        /// One of [`real_server_state`].
        pub state: u32,
        /// Id of its virtual service.
        pub service: u32,
        /// VLAN of its frames: an id, 0 for no tag, or [`SAME_VLAN`].
        pub vlan: u32,
        /// Weight in force, for who reads a dump; the program goes by `LOADS`.
        pub weight: u32,
        /// Real IP address, for who reads a dump; IPv4 as `::ffff:a.b.c.d`.
        pub address: [u8; 16],
        /// What its checks say: one of [`real_server_health`]. This and what follows is for the next
        /// lvsd, which goes on with it; the program does not care.
        pub health: u8,
        /// What it reports of itself: bits of [`real_server_reports`].
        pub reports: u8,
        /// The share of its weight that follows from its load reports, in percent.
        pub load_share: u8,
        /// The share that it has again since it is back from a failure, in percent.
        pub risen: u8,
        /// Zero.
        pub reserved: [u32; 3],
    }

    /// How busy a real server is. lvsd writes the limits; the program counts, and lvsd mends the
    /// counts from what the connection tables really hold.
    pub struct Load = 24 {
        /// Connections in use.
        pub active: u32,
        /// Connections that are opening or ending, or of UDP.
        pub inactive: u32,
        /// Weight in force; 0 means no new connections.
        pub weight: u32,
        /// With so many connections it gets no new ones; 0: without limit.
        pub upper_threshold: u32,
        /// With fewer than so many it gets new ones again.
        pub lower_threshold: u32,
        /// 1 from when the upper threshold is reached until the lower is passed.
        pub overloaded: u32,
    }

    /// Names an IPv4 connection, next to its [`Entry`].
    #[repr(align(4))]
    pub struct ConnectionKey = 12 {
        /// Client's IP address.
        pub client: [u8; 4],
        /// Virtual IP address.
        pub vip: [u8; 4],
        /// Client's port, network order.
        pub client_port: [u8; 2],
        /// Port of the virtual service, network order.
        pub port: [u8; 2],
    }

    /// Names an IPv6 connection, next to its [`Entry`].
    #[repr(align(4))]
    pub struct ConnectionKeyV6 = 36 {
        /// Client's IP address.
        pub client: [u8; 16],
        /// Virtual IP address.
        pub vip: [u8; 16],
        /// Client's port, network order.
        pub client_port: [u8; 2],
        /// Port of the virtual service, network order.
        pub port: [u8; 2],
    }

    /// Three IPv4 connections in one cache line; see [`connections`](crate::connections).
    pub struct Bucket = 64 {
        /// What is remembered of them.
        pub entries: [Entry; WAYS],
        /// Their names.
        pub keys: [ConnectionKey; WAYS],
        /// Bit 0: locked. Bit 1: a flow was sent to its second bucket.
        pub guard: u32,
    }

    /// Three IPv6 connections in three cache lines, the first of them all in the first line.
    pub struct BucketV6 = 192 {
        /// What is remembered of them.
        pub entries: [Entry; WAYS],
        /// Bit 0: locked. Bit 1: a flow was sent to its second bucket.
        pub guard: u32,
        /// Name of the first.
        pub first: ConnectionKeyV6,
        /// Zero.
        pub reserved: [u32; 7],
        /// Name of the second.
        pub second: ConnectionKeyV6,
        /// Zero.
        pub reserved_too: [u32; 7],
        /// Name of the third.
        pub third: ConnectionKeyV6,
    }

    /// Names a client to the persistence of a service.
    pub struct TemplateKey = 20 {
        /// Client's address, as far as the granularity goes; IPv4 as `::ffff:a.b.c.d`.
        pub client: [u8; 16],
        /// Id of the service.
        pub service: u32,
    }

    /// Where a client stays.
    pub struct Template = 8 {
        /// Index of the real server.
        pub real_server: u32,
        /// When it last opened a connection, in units of the clock.
        pub seen: u32,
    }

    /// Names a datagram that was cut into fragments.
    pub struct FragmentKey = 40 {
        /// Sender; IPv4 as `::ffff:a.b.c.d`.
        pub source: [u8; 16],
        /// VIP, alike.
        pub destination: [u8; 16],
        /// Identification, as the fragments bear it.
        pub id: u32,
        /// IP protocol number.
        pub protocol: u32,
    }

    /// An address that the program answers for.
    pub struct Vip = 4 {
        /// How many virtual services have it.
        pub services: u32,
    }

    /// An interface that the program is attached to.
    pub struct Interface = 8 {
        /// Its MAC.
        pub mac: [u8; 6],
        /// Zero.
        pub reserved: [u8; 2],
    }

    /// What the program must know before the first packet.
    pub struct Settings = 152 {
        /// [`LAYOUT`] of the program that the maps were made for. First in every layout.
        pub layout: u32,
        /// So far jiffies are shifted to become units of the clock, of about a second each.
        pub clock_shift: u32,
        /// Secrets of the connection tables' hash.
        pub secrets: Secrets,
        /// The director forwards until then, in jiffies; `u64::MAX` for always.
        pub active_until: u64,
        /// It answers for its VIPs until then: not as long, once another is about to.
        pub answers_until: u64,
        /// New connections go to whom the scheduler picks until then, in jiffies. After that nobody
        /// tells another director of them, so they go where that would guess: by their client's hash.
        pub scheduled_until: u64,
        /// TCP of no known connection is dropped until then: what is known of it may be on its way.
        pub strays_until: u64,
        /// What is told to lvsd: bits of [`tells`].
        pub tells: u32,
        /// CPUs that share the room among the half-open connections: those that connections begin on; see
        /// [`BEGINNINGS_OF_BUCKET`](limits::BEGINNINGS_OF_BUCKET). 0: each records all that begins.
        pub cpus: u32,
        /// Buckets of `CONNECTIONS`.
        pub buckets: u32,
        /// Buckets of `HALF_OPEN`.
        pub half_open_buckets: u32,
        /// Buckets of `CONNECTIONS_V6`.
        pub buckets_v6: u32,
        /// Buckets of `HALF_OPEN_V6`.
        pub half_open_buckets_v6: u32,
    }

    /// Connections of an address family that have begun on one CPU.
    #[derive(Default)]
    pub struct Begun = 16 {
        /// A time, in units of the clock.
        pub time: u32,
        /// So many were recorded then.
        pub recorded: u32,
        /// So many SYNs there were, ever, that went to a real server and were not recorded, since too many
        /// others were in that time.
        pub unrecorded: u64,
    }

    /// What went to a real server, or through a service.
    #[derive(Default)]
    pub struct Traffic = 24 {
        /// Connections begun.
        pub connections: u64,
        /// Packets from clients.
        pub packets: u64,
        /// Bytes from clients, counted as IPVS does: the IP packet without its link-layer header.
        pub bytes: u64,
    }
}

impl Settings {
    /// A time in units of the connection tables' clock, of about a second.
    #[inline(always)]
    #[must_use]
    pub fn time(&self, jiffies: u64) -> u16 {
        (jiffies >> (self.clock_shift & 31)) as u16
    }
}

impl ServiceKey {
    /// Its words.
    #[inline(always)]
    #[must_use]
    pub fn words(self) -> [u32; 5] {
        bytemuck::must_cast(self)
    }
}

impl RealServer {
    /// Both MACs of a frame to it, as the words that it begins with.
    #[inline(always)]
    #[must_use]
    pub fn macs(&self) -> [u32; 3] {
        let words: &[u32; size_of::<Self>() / 4] = bytemuck::must_cast_ref(self);
        [words[0], words[1], words[2]]
    }
}

impl core::ops::AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        self.connections = self.connections.wrapping_add(other.connections);
        self.packets = self.packets.wrapping_add(other.packets);
        self.bytes = self.bytes.wrapping_add(other.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever takes an lvsd with another number loses all connections. So it is changed on purpose,
    /// or not at all: if this fails after a merge or a change of `abi`, `connections` or `limits` that was
    /// meant, put the new number here.
    #[test]
    fn the_layout_is_the_one_that_is_known() {
        assert_eq!(LAYOUT, 0xf072_35a2, "{LAYOUT:#x}");
    }
}

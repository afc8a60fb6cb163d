//! The names of the programs and of their maps, as the kernel, `bpftool` and the loader see them.
//!
//! A map is pinned under its name in lower case, for example `/sys/fs/bpf/lvs/services`.

/// The XDP program.
pub const PROGRAM: &str = "lvs_xdp";
/// The same for drivers that hand over a frame in several buffers (Linux 5.18).
pub const PROGRAM_FRAGS: &str = "lvs_xdp_frags";
/// A program that only tells the time; see `lvs-ebpf/src/clock.rs`.
pub const CLOCK: &str = "lvs_clock";
/// A program that tells what the first would do with a frame; see `lvs-ebpf/src/explain.rs`.
pub const EXPLAIN: &str = "lvs_explain";

/// The program's own data, a map that is not pinned: two bits for each [fold](crate::vip_filter) of a VIP, which say what
/// can't be one, and which remember all.
pub const VIP_FILTER: &str = ".data.vip_filter";

macro_rules! maps {
    ($($(#[doc = $doc:literal])+ $constant:ident = $name:literal,)+) => {
        $($(#[doc = $doc])+ pub const $constant: &str = $name;)+

        /// Every map that is pinned.
        pub const MAPS: &[&str] = &[$($name,)+];
    };
}

maps! {
    /// What the program must know: [`Settings`](crate::abi::Settings).
    SETTINGS = "SETTINGS",
    /// [`ServiceKey`](crate::abi::ServiceKey) to [`Service`](crate::abi::Service).
    SERVICES = "SERVICES",
    /// Place to [`ServiceCopy`](crate::abi::ServiceCopy): what is found there need not be looked up.
    SERVICE_COPIES = "SERVICE_COPIES",
    /// Index to [`RealServer`](crate::abi::RealServer).
    REAL_SERVERS = "REAL_SERVERS",
    /// Index of a real server to [`Load`](crate::abi::Load).
    LOADS = "LOADS",
    /// Slots of the schedulers: index to the index of a real server.
    SLOTS = "SLOTS",
    /// Service id to the number of the next turn.
    TURNS = "TURNS",
    /// [`Bucket`](crate::abi::Bucket)s of IPv4 connections.
    CONNECTIONS = "CONNECTIONS",
    /// [`Bucket`](crate::abi::Bucket)s of IPv4 connections that are not established yet.
    HALF_OPEN = "HALF_OPEN",
    /// [`BucketV6`](crate::abi::BucketV6)s of IPv6 connections.
    CONNECTIONS_V6 = "CONNECTIONS_V6",
    /// [`BucketV6`](crate::abi::BucketV6)s of IPv6 connections that are not established yet.
    HALF_OPEN_V6 = "HALF_OPEN_V6",
    /// [`TemplateKey`](crate::abi::TemplateKey) to [`Template`](crate::abi::Template).
    TEMPLATES = "TEMPLATES",
    /// [`FragmentKey`](crate::abi::FragmentKey) to the index of a real server.
    FRAGMENTS = "FRAGMENTS",
    /// A ring of the keys of connections that have changed.
    CHANGES = "CHANGES",
    /// A ring of the keys of connections that have begun.
    BEGINNINGS = "BEGINNINGS",
    /// VIP (IPv4 as `::ffff:a.b.c.d`) to [`Vip`](crate::abi::Vip): what the program answers for.
    VIPS = "VIPS",
    /// What has [`Begun`](crate::abi::Begun) just now, over IPv4 and IPv6, for each CPU.
    BEGUN = "BEGUN",
    /// Interface index to [`Interface`](crate::abi::Interface).
    INTERFACES = "INTERFACES",
    /// The interfaces that frames may leave by.
    DEVICES = "DEVICES",
    /// Service id to [`Traffic`](crate::abi::Traffic): what went to real servers that it has no more. lvsd's alone.
    PAST_TRAFFIC = "PAST_TRAFFIC",
    /// Index of a real server to [`Traffic`](crate::abi::Traffic), for each CPU.
    REAL_SERVER_TRAFFIC = "RS_TRAFFIC",
    /// [`Fate`](crate::fate::Fate) to the number of packets that met it, for each CPU.
    FATES = "FATES",
}

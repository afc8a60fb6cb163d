//! The names of the program and of its maps, as the kernel, `bpftool` and the loader see them.
//!
//! A map is pinned under its name in lower case, for example `/sys/fs/bpf/lvs/services`.

/// The XDP program.
pub const PROGRAM: &str = "lvs_xdp";

/// [`ServiceKey`](crate::abi::ServiceKey) to [`Service`](crate::abi::Service).
pub const SERVICES: &str = "SERVICES";
/// Index to [`RealServer`](crate::abi::RealServer).
pub const REAL_SERVERS: &str = "REAL_SERVERS";
/// Turns of the schedulers: index to the index of a real server.
pub const SLOTS: &str = "SLOTS";
/// Service id to the number of the next turn.
pub const TURNS: &str = "TURNS";
/// [`FlowKey`](crate::abi::FlowKey) to [`Connection`](crate::abi::Connection).
pub const CONNECTIONS: &str = "CONNECTIONS";
/// VIP to [`Vip`](crate::abi::Vip): the addresses that the program answers ARP for.
pub const VIPS: &str = "VIPS";
/// Interface index to [`Interface`](crate::abi::Interface).
pub const INTERFACES: &str = "INTERFACES";
/// Service id to [`Traffic`](crate::abi::Traffic), for each CPU.
pub const SERVICE_TRAFFIC: &str = "SERVICE_TRAFFIC";
/// Index of a real server to [`Traffic`](crate::abi::Traffic), for each CPU.
pub const REAL_SERVER_TRAFFIC: &str = "RS_TRAFFIC";
/// [`Fate`](crate::fate::Fate) to the number of packets that met it, for each CPU.
pub const FATES: &str = "FATES";

/// Every map that is pinned.
pub const MAPS: [&str; 10] = [
    SERVICES,
    REAL_SERVERS,
    SLOTS,
    TURNS,
    CONNECTIONS,
    VIPS,
    INTERFACES,
    SERVICE_TRAFFIC,
    REAL_SERVER_TRAFFIC,
    FATES,
];

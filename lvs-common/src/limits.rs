//! How large the maps are, and with them what one director can hold.

/// Virtual services.
pub const SERVICES: usize = 16_384;
/// Real servers, summed over all services; index 0 is never used.
pub const REAL_SERVERS: usize = 131_072;
/// Turns of the schedulers, summed over all services (4 bytes each).
pub const SLOTS: usize = 1 << 20;
/// The most turns that one service may have; weights are scaled to fit beyond that.
pub const SLOTS_PER_SERVICE: usize = 65_537;
/// Connections that are remembered; the least recently used goes first.
pub const CONNECTIONS: usize = 1 << 20;
/// Virtual IP addresses.
pub const VIPS: usize = 16_384;
/// Interfaces that the program may be attached to.
pub const INTERFACES: usize = 256;

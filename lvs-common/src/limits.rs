//! How large the maps are, and with them what one director can hold.

/// Virtual services.
pub const SERVICES: usize = 16_384;
/// Places for copies of virtual services (64 bytes each).
pub const SERVICE_COPIES: usize = 1 << 14;
/// Real servers, summed over all services, unless the configuration says otherwise.
pub const REAL_SERVERS: usize = 131_072;
/// Slots of the schedulers, summed over all services (4 bytes each).
pub const SLOTS: usize = 1 << 20;
/// The most slots that one service may have; weights are scaled to fit beyond that. It is also the
/// size of a Maglev table, and prime as that must be.
pub const SLOTS_PER_SERVICE: usize = 65_537;
/// The most real servers that are compared for one connection.
pub const COMPARED_AT_ONCE: u32 = 128;
/// The most real servers that a service may have whose scheduler compares them.
pub const COMPARED_REAL_SERVERS: u32 = 1_024;
/// Connections of each address family that are remembered, unless the configuration says otherwise.
pub const CONNECTIONS: u32 = 1 << 20;
/// Connections of each address family that are not established yet, unless the configuration says
/// otherwise.
pub const HALF_OPEN: u32 = 1 << 16;
/// So many connections may begin in a unit of the clock, of about a second, for each bucket of half-open
/// ones, of which half the places are taken then for half a second each: as long as a client that is far
/// away needs for its first ACK. Were there more, they would drive each other out.
pub const BEGINNINGS_OF_BUCKET: u32 = 3;
/// Clients that persistence remembers; the least recently used goes first.
pub const TEMPLATES: usize = 1 << 17;
/// Datagrams in fragments that are under way at a time.
pub const FRAGMENTS: usize = 1 << 14;
/// Bytes of changes of connections that lvsd has not read yet: forty thousand.
pub const CHANGES: usize = 1 << 20;
/// Bytes of beginnings of connections that lvsd has not read yet: ten thousand.
pub const BEGINNINGS: usize = 1 << 18;
/// Virtual IP addresses.
pub const VIPS: usize = 16_384;
/// Words of the filter of virtual IP addresses: 65,536 pairs of bits, one in five set when there are most.
pub const VIP_FILTER: usize = 1 << 11;
/// Interfaces that the program may be attached to.
pub const INTERFACES: usize = 256;

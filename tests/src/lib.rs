//! What the tests of lvs-xdp share, and xtask with them.
//!
//! [`lab`] is a whole small network on one machine: a client, two directors, three real servers.
//! [`failover`] measures what it costs the client that one director takes over from the other;
//! [`takeover`] does so with two lvsd.

pub mod failover;
pub mod lab;
pub mod takeover;

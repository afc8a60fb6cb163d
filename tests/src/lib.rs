//! What the tests of lvs-xdp share, and xtask with them.
//!
//! [`lab`] is a whole small network on one machine: a client, two directors, three real servers.

pub mod lab;

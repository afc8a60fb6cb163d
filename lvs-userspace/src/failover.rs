//! Failover: which of several directors answers for the VIPs, by VRRP version 3 (RFC 9568).
//!
//! [`machine`] decides, [`packet`] is what goes over the wire and [`auth`] the proof of who sent it,
//! [`lease`] says how long the program may answer, [`announce`] when the network is told that the VIPs
//! have moved: all of it pure, with time as a parameter. [`driver`] is the thread that does what they
//! say, [`track`] looks after what a master needs.
//!
//! ```text
//!   peers --packet--> auth --> machine --> packet --> peers
//!                                 |
//!                                 +--> lease    (the program answers until then)
//!                                 +--> announce (gratuitous ARP, neighbour advertisements)
//! ```
//!
//! We say master where RFC 9568 says active router, as its predecessors and keepalived do.

pub mod announce;
pub mod auth;
pub mod driver;
mod frames;
mod interval;
pub mod lease;
pub mod machine;
mod order;
pub mod packet;
mod refusal;
pub mod settings;
#[cfg(test)]
mod sim;
pub mod sync;
pub mod track;

pub use interval::Interval;
pub use order::{Order, order};
pub use refusal::Refusal;

/// Priority of a master that stops: whoever is next need not wait for its silence.
pub const STOPS: u8 = 0;

/// The highest priority: of a router that owns the addresses, which no director does. One that is
/// told to take over has it for as long as it is master.
pub const BY_HAND: u8 = 255;

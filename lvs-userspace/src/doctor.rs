//! What makes direct routing fail, found out on the director, with what to do about it:
//! `lvsctl doctor`.
//!
//! - Pure: `evidence` is all that was seen, `findings` what is wrong about it, `packets` those
//!   that real servers are asked with.
//! - At the kernel: `collect` looks at the director itself and its interfaces, `probes` asks on the
//!   network, `clock` at the clock.

mod clock;
mod collect;
mod evidence;
mod findings;
mod packets;
mod probes;

pub use clock::Clock;
pub use collect::collect;
pub use evidence::{
    Asked, Attached, Evidence, Failover, Known, Member, Reached, RealServer, Seen, Service, Syn,
    Tried, Way,
};
pub use findings::{Diagnosis, Finding, Name, Severity, examine};

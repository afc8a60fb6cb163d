//! The thread that takes part in VRRP: it owns the sockets, the state machine and the program's lease,
//! and waits for nobody.
//!
//! It is a thread of the operating system with real-time priority, if that is allowed, apart from the
//! daemon's loop and from tokio: an advertisement that is late is a failover. What it has to say goes into
//! a queue that is never waited for; what others want of it comes through one that it looks at when it
//! is woken. Who does what, and what if it hangs:
//!
//! | what stops | what becomes of it |
//! |---|---|
//! | the whole process (SIGSTOP, kill -9, a panic) | nobody renews the lease: it ends before another takes over |
//! | this thread (starved, or hung in the kernel) | the same |
//! | the daemon's loop (hung, or very busy) | up to [`HUNG`] nothing; then this director is at fault, and says so: another takes over, whose checks work |
//! | the log (a full pipe, a slow journal) | nothing: this thread logs nothing itself, and notices that don't fit are dropped |
//! | the machine, and its clock with it (a paused virtual machine) | it finds out when it hears the next master; until then both may answer |

mod announcer;
mod condition;
mod handle;
mod hear;
mod knock;
mod place;
mod realtime;
mod report;
mod run;
mod wire;

use std::{net::IpAddr, sync::Arc, time::Duration};

pub use handle::{Failover, Notice, Pulse, StartError};
pub use report::{Peer, Report, Way};
pub use wire::WireError;

use super::{
    announce,
    auth::Keys,
    machine,
    settings::{Track, Ways},
};
use crate::{dataplane::Lease, net::Link};

/// A daemon's loop that has not come round for so long hangs.
pub const HUNG: Duration = Duration::from_secs(15);

/// What it begins with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The number of the virtual router.
    pub vrid: u8,
    /// How advertisements get to the others.
    pub ways: Ways,
    /// What can be another later on.
    pub settings: Settings,
    /// The addresses that are answered for.
    pub vips: Vec<IpAddr>,
    /// Where the VIPs are announced.
    pub links: Vec<Link>,
    /// The program's.
    pub lease: Arc<Lease>,
}

/// What it goes by, until it is told otherwise.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The state machine's.
    pub machine: machine::Settings,
    /// How the VIPs are announced.
    pub announce: announce::Settings,
    /// What advertisements are signed with.
    pub keys: Option<Keys>,
    /// What is tracked, by numbers.
    pub track: Vec<Track>,
    /// Whether the master before may still be telling of connections when this one takes over.
    pub is_told: bool,
}

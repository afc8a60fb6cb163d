//! The userspace side of lvs-xdp, as a library: `lvsd`, `lvsctl` and `lvs-realserver` are thin
//! programs around it.
//!
//! In reading order: the words ([`model`]), what the operator wants ([`config`]), what that means
//! for the maps ([`director`]), how it gets there ([`dataplane`]), where the real servers are
//! ([`net`]) and whether they work ([`health`]), how busy they are ([`load`]), who is told of changes
//! ([`alert`]), which director answers ([`failover`]), what may be wrong with all of it ([`doctor`]),
//! how it is asked and shown ([`control`], [`cli`]), and what runs it all ([`daemon`]).
//! Apart from all that stands the other end: what a real server does ([`realserver`]).

pub mod alert;
pub mod cli;
pub mod config;
pub mod control;
pub mod daemon;
pub mod dataplane;
pub mod director;
pub mod doctor;
pub mod failover;
pub mod health;
pub mod import;
pub mod load;
pub mod model;
pub mod net;
mod patience;
pub mod process;
pub mod realserver;
pub mod tls;

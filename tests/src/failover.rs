//! What a failover costs the clients, measured from outside: whoever it is that fails over.
//!
//! ```text
//!  requests     200 a second, each over a connection of its own, however those before fare --+
//!  connections  that stay open, each asked ten times a second -------------------------------+--> Records
//!  download     one after the other, every byte checked -------------------------------------+       |
//!  watch        who answers for the VIP, asked a hundred times a second ---------------------+    Outcome
//! ```
//!
//! A [`Trial`] runs all of them in the network of one host, the client's:
//!
//! ```no_run
//! # use std::{thread::sleep, time::Duration};
//! # use lvs_tests::{failover::{Plan, Trial}, lab::{Host, Lab, Options, VIP}};
//! # fn main() -> anyhow::Result<()> {
//! let lab = Lab::up(Options::default())?;
//! // ... two directors, of which one is master ...
//! let trial = Trial::start(Host::Client, &Plan::to(VIP))?;
//! sleep(Duration::from_millis(500));
//! // ... something happens to the master ...
//! sleep(Duration::from_secs(2));
//! let outcome = trial.stop()?;
//! println!("{outcome}");
//! assert!(outcome.longest_gap <= Duration::from_millis(500));
//! assert_eq!(outcome.two_owners, None);
//! # Ok(())
//! # }
//! ```
//!
//! The threads that measure have real-time priority, so that a machine with much to do is not taken for
//! a failover that is slow; [`Lab::hurry_web_servers`](crate::lab::Lab::hurry_web_servers) gives it to
//! those that answer. What is measured is put together by [`Outcome::of`], which is pure.

mod connections;
mod download;
mod frames;
mod http;
mod outcome;
mod owners;
mod requests;
mod trial;
mod watch;

pub use connections::Connection;
pub use download::Downloads;
pub use frames::Mac;
pub use outcome::{Outcome, Records};
pub use owners::{Claim, Clash, Tenure, clash, tenures};
pub use requests::Request;
pub use trial::{Plan, Trial};

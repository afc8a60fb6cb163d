//! Connections that outlive their director: the master tells the others of each, so that who takes over
//! goes on with them.
//!
//! ```text
//!   program --ring of names--> tell --+                     +--> apply --> tables of the backup
//!                                     +--> TCP, signed ---->|
//!   tables --all, then again ----> serve                    +--> in sync: it may preempt
//! ```
//!
//! Every director listens; a backup connects to the master that it hears (`follow`), and gets all
//! connections, then what begins and changes as it does, and now and then again all that were seen
//! since (`serve`). So what was lost on the way, or by a ring that was full, is made up for, and who
//! was away for a while begins anew. `record` and `message` are what goes over the wire, `seal` the
//! proof of who sent it, `names` turns the real servers' places in one director's maps into addresses
//! and back: all of it pure.
//!
//! Nothing here can slow a packet down: the program writes names into a ring, and goes on if that is full;
//! who reads too slowly is told everything again. And nothing here decides who is master.

mod follow;
mod lateness;
mod link;
mod message;
mod names;
mod peer;
mod record;
mod report;
mod run;
mod seal;
mod serve;
mod shared;
mod tell;

pub use message::Status;
pub use names::Names;
pub use report::{Following, Report, Subscriber};
pub use run::{Settings, Sync, SyncError};

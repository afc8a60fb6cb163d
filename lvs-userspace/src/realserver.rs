//! What a machine needs to be a real server: the VIPs on loopback, silence about them, and a report
//! of its load. The program `lvs-realserver` is thin around it.
//!
//! Direct routing hands a real server packets for the VIP as they are, so it must take them for its
//! own; and it must not tell the network that it has the VIP, which is the director's.
//!
//! - Pure: `plan` says what to change and what to put back, `findings` what is wrong, `busy` how busy
//!   a machine is, `agent_check` how that is said.
//! - At the kernel: `machine` sees and changes it, `record` remembers what was changed, `operator`
//!   what the operator said, `reporter` and `server` give the report, `program` runs one that says
//!   it, `probes` ask whether all that answers.
//! - `args` and `commands` put it together.

mod agent_check;
mod args;
mod busy;
mod commands;
mod findings;
mod machine;
mod operator;
mod plan;
mod probes;
mod program;
mod record;
mod reporter;
mod server;

pub use args::Args;
pub use commands::execute;

//! How connections are remembered: a set-associative table for each address family.
//!
//! ```text
//!   hash(flow) -> bucket, one cache line (of IPv6: three, with a key each, and all else in the first)
//!   +-------+-------+-------+-----------+-----------+-----------+-------+
//!   | entry | entry | entry | key       | key       | key       | guard |
//!   +-------+-------+-------+-----------+-----------+-----------+-------+
//! ```
//!
//! An [`Entry`] is one aligned 64-bit word, and all that ever changes of a connection is in it: its
//! real server, its state, when it was last seen. So every change is one compare-and-swap, and who
//! reads an entry reads it whole. A key is written only by who has made the entry
//! [`BUSY`](state::BUSY), and before the entry is published.
//!
//! - **Look-up** takes no lock: compare the key, then read the entry. Should the place have been
//!   given to another flow in between, the entry's tag, eight bits of its flow's hash, tells.
//! - **Insertion** locks the flow's first bucket, so that two CPUs with packets of one flow record
//!   it once, and the later gets what the earlier has chosen. (Should the lock not be had for long, the
//!   packet is forwarded, and not recorded.) It takes a free place in the first bucket, else one in the
//!   flow's second. If both are full of connections in use, one of them moves to its own second bucket
//!   ([`make_room`]); if none can, or not all are in use, the least worthy of both is forgotten
//!   ([`Entry::worth`]). There are two places for each connection that the table is for. A first bucket that has sent a flow to its second is marked for good; only
//!   then does a look-up read a second bucket.
//! - **Expiry** is lvsd's, which maps the same memory: it swaps an old entry for [`Entry::FREE`],
//!   if it is still as it was read.
//! - **Half-open** connections (TCP before the first ACK, UDP before the second datagram) are in a
//!   small table of the same kind, so that no flood of SYNs or of single datagrams can push out an
//!   established one.
//!
//! The hash has secrets that are drawn when the tables are made ([`Secrets`]): who can't compute a
//! bucket can't fill it.

mod bucket;
mod entry;
mod hash;
mod insert;
mod room;
pub mod state;

pub use bucket::{Bucket, Found, WAYS, entry_in_state, find_either, update};
pub use entry::Entry;
pub(crate) use hash::scale;
pub use hash::{Hash, Secrets};
pub use insert::{Inserted, Place, Room, insert};
pub use room::make_room;

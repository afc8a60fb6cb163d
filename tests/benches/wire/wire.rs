//! What `live` and `ipvs` share: a cable, frames on it at the highest rate there is, and how to compare
//! those who forward them.
//!
//! A generator at the client's end of the cable makes frames in the kernel, whoever is at the director's
//! end sends them back, and a sink counts them. All of it happens on one CPU, a batch at a time, so that
//! nothing waits for another CPU. What generator, cable and sink cost is in every figure, and the same for
//! all.

mod bench;
pub(crate) mod cable;
mod contender;
pub(crate) mod frames;
mod generator;
mod object;
mod ours;
mod results;
mod small;
mod table;
mod traffic;
mod window;

pub(crate) use bench::{Bench, Options, Usual};
pub(crate) use contender::Contender;
pub(crate) use ours::Ours;
pub(crate) use results::{Results, SWAP};
pub(crate) use small::Small;
pub(crate) use traffic::Traffic;

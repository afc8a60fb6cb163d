//! How a running lvsd is asked: HTTP with JSON on a Unix socket.

pub mod api;
pub mod client;
mod openapi;
mod peer;
mod request;
mod routes;
pub mod server;

pub use openapi::openapi;
pub use peer::Peer;
pub use request::{Reply, Request};

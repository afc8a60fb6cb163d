//! How a running lvsd is asked: HTTP with JSON on a Unix socket.

pub mod api;
pub mod client;
pub mod server;

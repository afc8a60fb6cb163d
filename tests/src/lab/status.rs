//! What of the lab is there.

use std::{net::SocketAddr, net::TcpStream, os::unix::net::UnixStream, time::Duration};

use super::{Host, host::namespace_file, lvsd::configuration};

/// A part of the lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where it is.
    pub host: Host,
    /// What it is: `network`, `web server` or `lvsd`.
    pub what: &'static str,
    /// Whether it answers.
    pub is_up: bool,
}

/// Every part that `cargo xtask lab up` brings up, and whether it is.
#[must_use]
pub fn status() -> Vec<Part> {
    let network = Host::ALL.map(|host| Part {
        host,
        what: "network",
        is_up: namespace_file(&host.namespace()).exists(),
    });
    let web =
        Host::REAL_SERVERS.map(|host| Part { host, what: "web server", is_up: answers(host) });
    // The standby's is there only with failover.
    let lvsd = [Host::Director, Host::Standby]
        .into_iter()
        .filter(|host| *host == Host::Director || configuration(*host).exists());
    let lvsd = lvsd.map(|host| Part {
        host,
        what: "lvsd",
        is_up: UnixStream::connect(host.socket()).is_ok(),
    });
    network.into_iter().chain(web).chain(lvsd).collect()
}

fn answers(host: Host) -> bool {
    let address = SocketAddr::from((host.address(), 80));
    host.within(|| TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok())
        .unwrap_or(false)
}

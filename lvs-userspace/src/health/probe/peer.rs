//! Whom a check asks, and how a connection gets there.

use std::{
    fmt, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::AsFd,
};

use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

use crate::health::Failure;

/// An address, and the mark of packets that leads to it, if it needs one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    pub(super) mark: Option<u32>,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl Peer {
    /// A TCP connection. It is reset when it is dropped: closed, it would keep its port for a minute, and
    /// all real servers of a service that are asked through its VIP have one stock of ports.
    pub(super) async fn connect(self) -> Result<TcpStream, Failure> {
        let failed =
            |error: io::Error| Failure::io(format_args!("can't connect to {self}"), &error);
        if self.mark.is_some() {
            // Without a packet this shows which way they would go.
            self.datagrams().await?;
        }
        let socket = match self.address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }
        .map_err(failed)?;
        self.set_mark(&socket)?;
        socket.set_zero_linger().map_err(failed)?;
        socket.connect(self.address).await.map_err(failed)
    }

    /// A socket for datagrams, connected so that the kernel tells when nobody listens there.
    pub(super) async fn datagrams(self) -> Result<UdpSocket, Failure> {
        let failed = |error: io::Error| Failure::io(format_args!("can't ask {self}"), &error);
        let any: SocketAddr = match self.address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any).await.map_err(failed)?;
        self.set_mark(&socket)?;
        socket.connect(self.address).await.map_err(failed)?;
        let own = socket.local_addr().map_err(failed)?.ip();
        // A VIP that this machine has itself is reached from itself.
        if self.mark.is_some() && own == self.address.ip() {
            return Err(Failure::Failed(format!(
                "{own} is on an interface of this machine, so no real server can be asked through it"
            )));
        }
        Ok(socket)
    }

    fn set_mark(self, socket: &impl AsFd) -> Result<(), String> {
        let Some(mark) = self.mark else { return Ok(()) };
        setsockopt(socket, sockopt::Mark, &mark)
            .map_err(|error| format!("can't mark packets to {self}: {error}"))
    }
}

//! Whole frames, past all that the kernel does with them.

use std::{
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    time::Instant,
};

use anyhow::{Context, Result};
use nix::{
    errno::Errno,
    ifaddrs::getifaddrs,
    poll::{PollFd, PollFlags, ppoll},
    sys::{
        socket::{
            self, AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, recv,
            send, setsockopt, sockopt,
        },
        time::TimeSpec,
    },
};

/// Memory for frames that wait to be looked at, in bytes.
const WAITING: usize = 16 << 20;

/// Sends and receives the frames of one interface.
#[derive(Debug)]
pub struct RawSocket {
    socket: OwnedFd,
    mac: [u8; 6],
}

impl RawSocket {
    /// At an interface of the network that this thread is in.
    pub fn open(interface: &str) -> Result<Self> {
        let address = link_address(interface)?;
        let mac = address.addr().with_context(|| format!("{interface} has no MAC"))?;
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let protocol = SockProtocol::EthAll;
        let socket = socket::socket(AddressFamily::Packet, SockType::Raw, flags, protocol)?;
        setsockopt(&socket, sockopt::RcvBufForce, &WAITING)?;
        bind(socket.as_raw_fd(), &address)?;
        Ok(Self { socket, mac })
    }

    /// The interface's.
    #[must_use]
    pub const fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// Sends a frame, if there is room for it.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        Ok(send(self.socket.as_raw_fd(), frame, MsgFlags::MSG_DONTWAIT).map(drop)?)
    }

    /// The next frame that has come, or was sent; none if nothing has.
    pub fn receive<'a>(&self, buffer: &'a mut [u8]) -> Result<Option<&'a [u8]>> {
        match recv(self.socket.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT) {
            Ok(length) => Ok(buffer.get(..length)),
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ENETDOWN) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until something has come, or until then.
    pub fn wait(&self, until: Instant) -> Result<()> {
        let mut source = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        let pause = until.saturating_duration_since(Instant::now());
        match ppoll(&mut source, Some(TimeSpec::from(pause)), None) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn link_address(interface: &str) -> Result<LinkAddr> {
    let mut all = getifaddrs()?.filter(|it| it.interface_name == interface);
    all.find_map(|it| it.address?.as_link_addr().copied())
        .with_context(|| format!("there is no interface {interface}"))
}

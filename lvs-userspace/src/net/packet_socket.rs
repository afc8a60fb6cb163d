//! Packets of one's own making, past the kernel's routes and neighbours (packet(7)): only the Ethernet
//! header is the kernel's.

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
};

use nix::sys::socket::{
    self, AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, SockaddrLike as _, bind, recvfrom,
    sendto, setsockopt, sockopt,
};
use tokio::io::{Interest, unix::AsyncFd};

use crate::model::MacAddr;

/// Memory for packets that wait to be read, in bytes.
const WAITING: usize = 4 << 20;

/// Sends and receives packets of one ethertype on one interface.
#[derive(Debug)]
pub struct PacketSocket {
    socket: AsyncFd<OwnedFd>,
    interface: u32,
    ethertype: u16,
}

impl PacketSocket {
    /// Opens one. What was sent by this machine itself is not received.
    ///
    /// # Errors
    /// When there is no such interface, or CAP_NET_RAW is missing.
    pub fn open(interface: u32, ethertype: u16) -> io::Result<Self> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        // Of no protocol yet, so that nothing comes in before it is bound.
        let socket = socket::socket(AddressFamily::Packet, SockType::Datagram, flags, None)?;
        // Without CAP_NET_ADMIN there is less.
        setsockopt(&socket, sockopt::RcvBufForce, &WAITING).ok();
        bind(socket.as_raw_fd(), &address(interface, ethertype, MacAddr([0; 6]))?)?;
        // SAFETY: an `OwnedFd` is open, and the same, until it is dropped.
        let socket = unsafe { AsyncFd::register(socket) }?;
        Ok(Self { socket, interface, ethertype })
    }

    /// Sends a packet to a MAC.
    ///
    /// # Errors
    /// When the kernel refuses, as when it is longer than the interface's MTU.
    pub async fn send(&self, to: MacAddr, packet: &[u8]) -> io::Result<()> {
        let to = address(self.interface, self.ethertype, to)?;
        let send = |socket: &OwnedFd| {
            Ok(sendto(socket.as_raw_fd(), packet, &to, MsgFlags::empty()).map(drop)?)
        };
        self.socket.async_io(Interest::WRITABLE, send).await
    }

    /// The next packet, and the MAC that it comes from.
    ///
    /// # Errors
    /// When the interface is gone or down.
    pub async fn receive(&self) -> io::Result<(MacAddr, Vec<u8>)> {
        let receive = |socket: &OwnedFd| {
            let mut packet = vec![0; usize::from(u16::MAX)];
            let (length, from) = recvfrom::<LinkAddr>(socket.as_raw_fd(), &mut packet)?;
            packet.truncate(length);
            Ok((MacAddr(from.and_then(|it| it.addr()).unwrap_or_default()), packet))
        };
        self.socket.async_io(Interest::READABLE, receive).await
    }
}

/// Sends packets of any ethertype on one interface, from any thread, and receives none.
#[derive(Debug)]
pub struct PacketSender {
    socket: OwnedFd,
    interface: u32,
}

impl PacketSender {
    /// One for this interface.
    ///
    /// # Errors
    /// When CAP_NET_RAW is missing.
    pub fn open(interface: u32) -> io::Result<Self> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        // Of no protocol, so that nothing comes in.
        let socket = socket::socket(AddressFamily::Packet, SockType::Datagram, flags, None)?;
        Ok(Self { socket, interface })
    }

    /// Sends a packet to a MAC, from that of the interface; never waits.
    ///
    /// # Errors
    /// When the interface is down, or there is no room for it now.
    pub fn send(&self, to: MacAddr, ethertype: u16, packet: &[u8]) -> io::Result<()> {
        let to = address(self.interface, ethertype, to)?;
        Ok(sendto(self.socket.as_raw_fd(), packet, &to, MsgFlags::MSG_DONTWAIT).map(drop)?)
    }
}

fn address(interface: u32, ethertype: u16, mac: MacAddr) -> io::Result<LinkAddr> {
    let mut sll_addr = [0; 8];
    sll_addr[..6].copy_from_slice(&mac.0);
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: ethertype.to_be(),
        sll_ifindex: interface.cast_signed(),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr,
    };
    let length = size_of_val(&address) as libc::socklen_t;
    // SAFETY: a whole `sockaddr_ll` of that length, which is copied.
    let address = unsafe { LinkAddr::from_raw((&raw const address).cast(), Some(length)) };
    address.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
}

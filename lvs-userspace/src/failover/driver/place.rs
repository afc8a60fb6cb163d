//! The interface that has an address of this machine, and whether its cable is whole.

use std::{
    io,
    net::IpAddr,
    os::fd::{AsRawFd as _, BorrowedFd},
};

use nix::{ifaddrs::getifaddrs, net::if_::InterfaceFlags, sys::socket::SockaddrStorage};

use crate::model::MacAddr;

/// An interface.
#[derive(Clone, Debug)]
pub(super) struct Place {
    name: String,
    pub(super) index: u32,
    pub(super) mac: MacAddr,
}

impl Place {
    /// Where an address of this machine is. It asks for all addresses: not for every advertisement.
    pub(super) fn of(own: IpAddr) -> Option<Self> {
        let all: Vec<_> = getifaddrs().ok()?.collect();
        let has = |address: &SockaddrStorage| {
            let v4 = address.as_sockaddr_in().map(|it| IpAddr::from(it.ip()));
            let v6 = address.as_sockaddr_in6().map(|it| IpAddr::from(it.ip()));
            v4.or(v6) == Some(own)
        };
        let name = &all.iter().find(|it| it.address.as_ref().is_some_and(has))?.interface_name;
        let of_it = all.iter().filter(|it| it.interface_name == *name);
        of_it.into_iter().find_map(|it| {
            let link = it.address.as_ref()?.as_link_addr()?;
            let index = u32::try_from(link.ifindex()).ok()?;
            Some(Self { name: name.clone(), index, mac: MacAddr(link.addr()?) })
        })
    }

    /// Whether there is somebody at the other end of the cable; any socket will do to ask.
    ///
    /// Netlink would say it, too, but waits for whoever changes something of any interface
    /// (`rtnl_lock`), and advertisements can't. This does not (`dev_ifsioc_locked` in
    /// net/core/dev_ioctl.c).
    ///
    /// # Errors
    /// When there is no such interface any more.
    pub(super) fn has_link(&self, socket: BorrowedFd<'_>) -> io::Result<bool> {
        // SAFETY: it is numbers and an unused pointer: all zeros is a value of it.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        // The last one stays zero; no interface has a longer name (IFNAMSIZ).
        let places = request.ifr_name.len() - 1;
        for (to, from) in request.ifr_name.iter_mut().take(places).zip(self.name.bytes()) {
            *to = libc::c_char::from_ne_bytes([from]);
        }
        // SAFETY: an open socket, and a request that lives until it returns.
        let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &raw mut request) };
        if done != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has written the flags.
        let flags = unsafe { request.ifr_ifru.ifru_flags };
        Ok(InterfaceFlags::from_bits_truncate(flags.into()).contains(InterfaceFlags::IFF_RUNNING))
    }
}

#[cfg(test)]
mod tests {
    use std::{net::UdpSocket, os::fd::AsFd as _};

    use super::*;

    #[test]
    fn an_address_has_its_place() -> io::Result<()> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let Some(place) = Place::of(IpAddr::from([127, 0, 0, 1])) else { panic!("no loopback") };
        assert_eq!(place.mac, MacAddr([0; 6]));
        assert!(place.has_link(socket.as_fd())?, "what has no cable has none that is cut");
        assert!(Place::of(IpAddr::from([192, 0, 2, 1])).is_none());
        let gone = Place { name: "gone-by-now-and-long".to_owned(), ..place };
        assert!(gone.has_link(socket.as_fd()).is_err());
        Ok(())
    }
}

//! Keeps those off who are not on this link, as the hop limit of advertisements does: who is followed, and
//! who follows, sends with the highest, which no router leaves as it is (RFC 5082).

use std::{io, os::fd::AsRawFd as _};

use libc::{IP_MINTTL, IPPROTO_IP, IPPROTO_IPV6, c_int};
use socket2::{Domain, SockRef};

use crate::failover::packet::HOP_LIMIT;

/// The option of IPv6 that is `IP_MINTTL` of IPv4 (include/uapi/linux/in6.h).
const IPV6_MINHOPCOUNT: c_int = 73;

/// Sends with the highest hop limit.
pub(super) fn send_far(socket: &SockRef<'_>, domain: Domain) -> io::Result<()> {
    if domain == Domain::IPV6 {
        socket.set_unicast_hops_v6(HOP_LIMIT.into())?;
    }
    // A socket of IPv6 may speak IPv4, too.
    socket.set_ttl_v4(HOP_LIMIT.into())
}

/// Takes only what was sent with it, and by no router.
pub(super) fn take_near(socket: &SockRef<'_>, domain: Domain) -> io::Result<()> {
    if domain == Domain::IPV6 {
        set(socket, IPPROTO_IPV6, IPV6_MINHOPCOUNT)?;
    }
    set(socket, IPPROTO_IP, IP_MINTTL)
}

fn set(socket: &SockRef<'_>, level: c_int, option: c_int) -> io::Result<()> {
    let value = c_int::from(HOP_LIMIT);
    let length = libc::socklen_t::try_from(size_of::<c_int>()).map_err(io::Error::other)?;
    // SAFETY: an open socket, and a number that lives until it returns.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), length)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

//! ICMP and ICMPv6 echo.

use std::{
    io,
    net::IpAddr,
    os::fd::BorrowedFd,
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use nix::{
    setsockopt_impl, sockopt_impl,
    sys::socket::{SockType, getsockopt, setsockopt, sockopt},
};
use surge_ping::{Client, Config, ICMP, PingIdentifier, PingSequence, SurgeError};

use crate::health::Failure;

/// What the pings carry; 56 bytes, as ping(8) sends.
const PAYLOAD: [u8; 56] = *b"lvsd asks whether this real server is there. Thank you! ";

/// Answers of a thousand real servers may wait, in bytes; the kernel counts some 800 for each.
const BUFFER: usize = 1 << 20;

/// Of what a raw socket gets, these types are let through: the answer to a ping, and errors about it
/// (include/uapi/linux/{icmp,icmpv6}.h).
const TYPES: [u32; 3] = [0, 3, 11];
const TYPES_V6: [u32; 5] = [129, 1, 2, 3, 4];

const ICMP_FILTER: libc::c_int = 1;
const ICMPV6_FILTER: libc::c_int = 1;

sockopt_impl!(
    /// The types of ICMP that a raw socket does not get, as bits (include/uapi/linux/icmp.h).
    IcmpFilter, SetOnly, libc::SOL_RAW, ICMP_FILTER, u32
);
sockopt_impl!(
    /// The same for ICMPv6 (RFC 3542, section 3.2).
    Icmp6Filter, SetOnly, libc::IPPROTO_ICMPV6, ICMPV6_FILTER, [u32; 8]
);

/// Sends pings: one socket for each address family, however many real servers there are.
pub(super) struct Pinger {
    v4: Result<Client, String>,
    v6: Result<Client, String>,
    /// Each ping has an identifier of its own, so that no answer is taken for another's.
    next: AtomicU16,
}

impl Default for Pinger {
    fn default() -> Self {
        let client =
            |kind| open(kind).map_err(|error| format!("can't open a socket for pings: {error}"));
        Self { v4: client(ICMP::V4), v6: client(ICMP::V6), next: AtomicU16::new(0) }
    }
}

fn open(kind: ICMP) -> io::Result<Client> {
    let client = Client::new(&Config::builder().kind(kind).build())?;
    let socket = client.get_socket();
    // SAFETY: the socket lives until the end of this function, and nobody closes it.
    let fd = unsafe { BorrowedFd::borrow_raw(socket.get_native_sock()) };
    if setsockopt(&fd, sockopt::RcvBufForce, &BUFFER).is_err() {
        setsockopt(&fd, sockopt::RcvBuf, &BUFFER)?;
    }
    // It is one where net.ipv4.ping_group_range allows no other, and gets all that anybody sends.
    if getsockopt(&fd, sockopt::SockType)? == SockType::Raw {
        match kind {
            ICMP::V4 => setsockopt(&fd, IcmpFilter, &all_but(&TYPES)[0])?,
            ICMP::V6 => setsockopt(&fd, Icmp6Filter, &all_but(&TYPES_V6))?,
        }
    }
    Ok(client)
}

/// A bit for each type that is kept away.
fn all_but(types: &[u32]) -> [u32; 8] {
    std::array::from_fn(|word| {
        let here = types.iter().filter(|it| **it as usize / 32 == word);
        here.fold(u32::MAX, |bits, it| bits & !(1 << (it % 32)))
    })
}

impl Pinger {
    pub(super) async fn probe(&self, address: IpAddr, limit: Duration) -> Result<(), Failure> {
        let client = if address.is_ipv4() { &self.v4 } else { &self.v6 };
        let client = client.as_ref().map_err(Clone::clone)?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut pinger = client.pinger(address, PingIdentifier(number)).await;
        pinger.timeout(limit);
        match pinger.ping(PingSequence(number), &PAYLOAD).await {
            Ok(_) => Ok(()),
            Err(SurgeError::IOError(error)) => {
                Err(Failure::io(format_args!("can't send a ping to {address}"), &error))
            }
            Err(error) => {
                Err(Failure::Failed(format!("no answer to a ping of {address}: {error}")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_answers_and_errors_come_through() {
        let blocked = |bits: [u32; 8], kind: usize| bits[kind / 32] >> (kind % 32) & 1 == 1;
        let [v4, v6] = [all_but(&TYPES), all_but(&TYPES_V6)];
        assert!(blocked(v4, 8) && !blocked(v4, 0) && !blocked(v4, 3), "echo request, reply, error");
        assert!(blocked(v6, 128) && !blocked(v6, 129) && !blocked(v6, 1), "the same");
        assert!(blocked(v6, 135), "neighbour solicitation");
        assert_eq!(v6.map(u32::count_zeros).iter().sum::<u32>(), 5);
    }
}

//! Has the interfaces receive what is asked about IPv6 VIPs.
//!
//! A neighbour solicitation is sent to a multicast group that is made from the address (RFC 4291,
//! section 2.7.1). A VIP is on no kernel interface, so nobody has joined its group, and network cards
//! and switches keep it away from who has not. A socket that joins it is enough.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::{Ipv6Addr, UdpSocket},
};

use tracing::{debug, warn};

/// The groups that are joined, each by one of the sockets of its interface.
#[derive(Debug, Default)]
pub struct SolicitedNodes {
    joined: BTreeMap<(u32, Ipv6Addr), usize>,
    /// The kernel lets a socket have but so many.
    sockets: Vec<UdpSocket>,
}

impl SolicitedNodes {
    /// Joins the groups of these addresses on these interfaces, and leaves all others. What can't be
    /// joined is logged, and tried again the next time.
    pub fn keep(&mut self, interfaces: &[u32], addresses: &BTreeSet<Ipv6Addr>) {
        let wanted: BTreeSet<_> = interfaces
            .iter()
            .flat_map(|&interface| addresses.iter().map(move |it| (interface, solicited_node(*it))))
            .collect();
        let Self { joined, sockets } = self;
        joined.retain(|&(interface, group), &mut socket| {
            let stays = wanted.contains(&(interface, group));
            if !stays
                && let Some(socket) = sockets.get(socket)
                && let Err(error) = socket.leave_multicast_v6(&group, interface)
            {
                debug!(%group, interface, %error, "can't leave a multicast group");
            }
            stays
        });
        for (interface, group) in wanted {
            if self.joined.contains_key(&(interface, group)) {
                continue;
            }
            match self.join(interface, group) {
                Ok(socket) => {
                    self.joined.insert((interface, group), socket);
                }
                Err(error) => warn!(
                    %group, interface, %error,
                    "can't join a multicast group: an IPv6 VIP may not be found by its neighbours"
                ),
            }
        }
    }

    /// Joins by the newest socket, or by another if that has too many; says by which.
    fn join(&mut self, interface: u32, group: Ipv6Addr) -> io::Result<usize> {
        if let Some((at, socket)) = self.sockets.iter().enumerate().next_back() {
            match socket.join_multicast_v6(&group, interface) {
                Ok(()) => return Ok(at),
                Err(error) if is_full(&error) => {}
                Err(error) => return Err(error),
            }
        }
        let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?;
        socket.join_multicast_v6(&group, interface)?;
        self.sockets.push(socket);
        Ok(self.sockets.len() - 1)
    }
}

/// Whether the socket has as many groups as it may (net.core.optmem_max).
fn is_full(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOMEM | libc::ENOBUFS))
}

/// The group that an address is asked for by: its solicited-node multicast address.
#[must_use]
pub fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = address.octets();
    let [high, low] = [0xff00 | u16::from(a), u16::from_be_bytes([b, c])];
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, high, low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_has_the_last_24_bits() {
        // RFC 4291, section 2.7.1.
        let address = "4037::01:800:200e:8c6c".parse().expect("an address");
        let expected: Ipv6Addr = "ff02::1:ff0e:8c6c".parse().expect("an address");
        assert_eq!(solicited_node(address), expected);
    }
}

//! The sockets that advertisements go over.
//!
//! To peers by name there is one socket for each address family, and the routes say where to send; by
//! multicast there is one for each interface and family, and nothing else is sent or received there.

mod socket;

use std::{
    io::{self, IoSlice},
    net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket},
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, RawFd},
    time::{Duration, Instant},
};

use nix::{
    libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo},
    net::if_::if_nametoindex,
    sys::socket::{ControlMessage, MsgFlags, SockaddrIn, SockaddrIn6, sendmsg},
};
use socket2::{Socket, Type};

use super::place::Place;
use crate::failover::{
    packet::{Checksum, Ends, GROUP_V4, GROUP_V6},
    settings::Ways,
};
use socket::{domain, open, receive_v4, receive_v6};

/// The address that a way begins at is looked up anew so often.
const LOOK_UP: Duration = Duration::from_secs(1);
/// So much is read from a socket at once: more than comes in an interval, and an end to a flood.
const MOST: usize = 64;
/// Why the sockets could not be had.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// There is no such interface.
    #[error("[failover] interface {0}: there is no such interface")]
    NoInterface(String),
    /// No raw socket.
    #[error("[failover] can't open a socket for VRRP{}: {error}", on(interface))]
    Socket {
        /// For which interface; empty for none in particular.
        interface: String,
        /// What the kernel said.
        error: io::Error,
    },
}

fn on(interface: &str) -> String {
    if interface.is_empty() { String::new() } else { format!(" on {interface}") }
}

/// The sockets, and the ways to others that go through them.
#[derive(Debug)]
pub(super) struct Wire {
    sockets: Vec<OpenSocket>,
    pub(super) ways: Vec<Way>,
    /// Whether only some are listened to.
    is_unicast: bool,
}

#[derive(Debug)]
struct OpenSocket {
    socket: Socket,
    is_v4: bool,
}

/// A way to others.
#[derive(Debug)]
pub(super) struct Way {
    /// What it is called.
    pub(super) name: String,
    /// Which of the sockets it goes through.
    socket: usize,
    interface: Option<(String, u32)>,
    destination: IpAddr,
    /// Where it begins, and when that was looked up.
    source: Option<(IpAddr, Instant)>,
    /// Which interface that is of.
    place: Option<(IpAddr, Place)>,
    /// What the checksum of what was last heard from there covers.
    pub(super) checksum: Checksum,
    pub(super) sent: u64,
    /// Why the last was not sent.
    pub(super) error: Option<String>,
}

/// What has come.
#[derive(Debug)]
pub(super) struct Datagram {
    pub(super) ends: Ends,
    pub(super) hop_limit: u8,
    pub(super) bytes: Vec<u8>,
    /// The way that it came by, if it is one of them.
    pub(super) way: Option<usize>,
}

impl Wire {
    pub(super) fn open(ways: &Ways) -> Result<Self, WireError> {
        let mut wire = Self {
            sockets: Vec::new(),
            ways: Vec::new(),
            is_unicast: matches!(ways, Ways::Unicast(_)),
        };
        match ways {
            Ways::Unicast(peers) => {
                for is_v4 in [true, false] {
                    let peers: Vec<_> = peers.iter().filter(|it| it.is_ipv4() == is_v4).collect();
                    if peers.is_empty() {
                        continue;
                    }
                    let number = wire.add(is_v4, None)?;
                    wire.ways.extend(
                        peers
                            .into_iter()
                            .map(|&peer| Way::new(peer.to_string(), number, None, peer)),
                    );
                }
            }
            Ways::Multicast(interfaces) => {
                for name in interfaces {
                    let index = if_nametoindex(&**name)
                        .map_err(|_| WireError::NoInterface(name.clone()))?;
                    let interface = Some((name.clone(), index));
                    for (is_v4, group) in
                        [(true, IpAddr::from(GROUP_V4)), (false, IpAddr::from(GROUP_V6))]
                    {
                        let number = wire.add(is_v4, interface.as_ref())?;
                        let family = if is_v4 { "IPv4" } else { "IPv6" };
                        let way = format!("{name} ({family})");
                        wire.ways.push(Way::new(way, number, interface.clone(), group));
                    }
                }
            }
        }
        Ok(wire)
    }

    fn add(&mut self, is_v4: bool, interface: Option<&(String, u32)>) -> Result<usize, WireError> {
        let socket = open(is_v4, interface).map_err(|error| {
            let interface = interface.map(|(name, _)| name.clone()).unwrap_or_default();
            WireError::Socket { interface, error }
        })?;
        self.sockets.push(OpenSocket { socket, is_v4 });
        Ok(self.sockets.len() - 1)
    }

    /// The sockets, to be waited for.
    pub(super) fn sockets(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.sockets.iter().map(|it| it.socket.as_fd())
    }

    /// Sends by each way that `is_used` what `message` makes for it; says whether any has gone out.
    pub(super) fn send(
        &mut self,
        now: Instant,
        is_used: impl Fn(&Way) -> bool,
        mut message: impl FnMut(Ends, Checksum) -> Vec<u8>,
    ) -> bool {
        let mut any = false;
        for way in self.ways.iter_mut().filter(|it| is_used(it)) {
            let Some(OpenSocket { socket, .. }) = self.sockets.get(way.socket) else { continue };
            let sent = way.ends(now).and_then(|ends| {
                // The kernel would keep it until the cable is whole again, and say it to who is master
                // then: two masters, where there is one.
                if way.is_cut(socket.as_fd(), ends.source) {
                    return Err(io::Error::other("the interface has no link"));
                }
                way.send(socket.as_raw_fd(), ends, &message(ends, way.checksum))
            });
            match sent {
                Ok(()) => {
                    way.sent += 1;
                    way.error = None;
                    any = true;
                }
                Err(error) => {
                    way.source = None;
                    way.error = Some(error.to_string());
                }
            }
        }
        any
    }

    /// Whether there is a way at all, as far as can be said without sending.
    pub(super) fn can_send(&mut self, is_used: impl Fn(&Way) -> bool) -> bool {
        let sockets = &self.sockets;
        self.ways.iter_mut().filter(|it| is_used(it)).any(|way| {
            let Some(OpenSocket { socket, .. }) = sockets.get(way.socket) else { return false };
            way.find_source().is_ok_and(|source| !way.is_cut(socket.as_fd(), source))
        })
    }

    /// The peers by name, each with our own address on the way to it.
    pub(super) fn peers(&mut self, now: Instant) -> Vec<(IpAddr, IpAddr)> {
        let by_name = self.ways.iter_mut().filter(|it| !it.is_multicast());
        let ends = by_name.filter_map(|it| it.ends(now).ok());
        ends.map(|Ends { source, destination }| (source, destination)).collect()
    }

    /// Our own address on a way, if there is one.
    pub(super) fn own_address(&mut self, way: usize, now: Instant) -> Option<IpAddr> {
        self.ways.get_mut(way)?.ends(now).ok().map(|ends| ends.source)
    }

    /// Index of the interface that a way goes out of; 0 if the routes decide.
    pub(super) fn link(&self, way: usize) -> u32 {
        let way = self.ways.get(way);
        way.and_then(|it| it.interface.as_ref()).map_or(0, |(_, index)| *index)
    }

    /// What has come since the last time.
    pub(super) fn receive(&self) -> Vec<Datagram> {
        let mut received = Vec::new();
        for (number, OpenSocket { socket, is_v4 }) in self.sockets.iter().enumerate() {
            for _ in 0..MOST {
                let datagram = if *is_v4 { receive_v4(socket) } else { receive_v6(socket) };
                match datagram {
                    Ok(Some((ends, hop_limit, bytes))) => {
                        let way = self.way(number, ends.source);
                        received.push(Datagram { ends, hop_limit, bytes, way });
                    }
                    Ok(None) => {} // Cut short.
                    Err(_) => break,
                }
            }
        }
        received
    }

    /// The way by which a sender is reached whom this socket has heard.
    fn way(&self, socket: usize, sender: IpAddr) -> Option<usize> {
        self.ways
            .iter()
            .position(|way| way.socket == socket && (!self.is_unicast || way.destination == sender))
    }
}

impl Way {
    fn new(
        name: String,
        socket: usize,
        interface: Option<(String, u32)>,
        destination: IpAddr,
    ) -> Self {
        let checksum = Checksum::default();
        let (source, place, error) = (None, None, None);
        Self { name, socket, interface, destination, source, place, checksum, sent: 0, error }
    }

    pub(super) fn is_v4(&self) -> bool {
        self.destination.is_ipv4()
    }

    /// Whether one cable is all that it goes over.
    pub(super) fn is_multicast(&self) -> bool {
        self.interface.is_some()
    }

    /// Whether the cable that it begins at is cut, as far as is known.
    fn is_cut(&mut self, socket: BorrowedFd<'_>, source: IpAddr) -> bool {
        if self.place.as_ref().is_none_or(|(address, _)| *address != source) {
            self.place = Place::of(source).map(|place| (source, place));
        }
        let has_link = self.place.as_ref().map(|(_, place)| place.has_link(socket));
        if let Some(Err(_)) = has_link {
            self.place = None;
        }
        matches!(has_link, Some(Ok(false)))
    }

    fn ends(&mut self, now: Instant) -> io::Result<Ends> {
        let known = self.source.filter(|(_, at)| now.duration_since(*at) < LOOK_UP);
        let (source, _) = match known {
            Some(known) => known,
            None => *self.source.insert((self.find_source()?, now)),
        };
        Ok(Ends { source, destination: self.destination })
    }

    /// The address that the kernel would send from.
    fn find_source(&self) -> io::Result<IpAddr> {
        let index = self.interface.as_ref().map_or(0, |(_, index)| *index);
        let socket = Socket::new(domain(self.is_v4()), Type::DGRAM, None)?;
        if let Some((name, _)) = &self.interface {
            socket.bind_device(Some(name.as_bytes()))?;
        }
        // Nothing is sent to it: discard (RFC 863).
        let to: SocketAddr = match self.destination {
            IpAddr::V4(v4) => SocketAddrV4::new(v4, 9).into(),
            IpAddr::V6(v6) => SocketAddrV6::new(v6, 9, 0, index).into(),
        };
        socket.connect(&to.into())?;
        Ok(UdpSocket::from(socket).local_addr()?.ip())
    }

    fn send(&self, socket: RawFd, ends: Ends, bytes: &[u8]) -> io::Result<()> {
        let index = self.interface.as_ref().map_or(0, |(_, index)| *index);
        let message = [IoSlice::new(bytes)];
        // The source is the one that the checksum and the signature cover.
        match (ends.source, ends.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let info = in_pktinfo {
                    ipi_ifindex: index.cast_signed(),
                    ipi_spec_dst: in_addr { s_addr: u32::from_ne_bytes(source.octets()) },
                    ipi_addr: in_addr { s_addr: 0 },
                };
                let to = SockaddrIn::from(SocketAddrV4::new(destination, 0));
                let control = [ControlMessage::Ipv4PacketInfo(&info)];
                sendmsg(socket, &message, &control, MsgFlags::MSG_DONTWAIT, Some(&to))?;
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let info = in6_pktinfo {
                    ipi6_addr: in6_addr { s6_addr: source.octets() },
                    ipi6_ifindex: index,
                };
                let to = SockaddrIn6::from(SocketAddrV6::new(destination, 0, 0, index));
                let control = [ControlMessage::Ipv6PacketInfo(&info)];
                sendmsg(socket, &message, &control, MsgFlags::MSG_DONTWAIT, Some(&to))?;
            }
            (IpAddr::V4(_) | IpAddr::V6(_), _) => {
                return Err(io::Error::other("an address of the other family"));
            }
        }
        Ok(())
    }
}

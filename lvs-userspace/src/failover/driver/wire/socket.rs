//! One raw socket for VRRP: how it is opened, and read.

use std::{
    io::{self, IoSliceMut},
    net::Ipv6Addr,
    os::fd::AsRawFd as _,
};

use nix::{
    libc::in6_pktinfo,
    sys::socket::{
        ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrIn6, cmsg_space, recvmsg, setsockopt,
        sockopt::Ipv6RecvPacketInfo,
    },
};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};

use crate::failover::packet::{self, Ends, GROUP_V4, GROUP_V6, HOP_LIMIT, PROTOCOL};

/// The longest advertisement that is read, in bytes.
const LONGEST: usize = 2048;

pub(super) fn domain(is_v4: bool) -> Domain {
    if is_v4 { Domain::IPV4 } else { Domain::IPV6 }
}

pub(super) fn open(is_v4: bool, interface: Option<&(String, u32)>) -> io::Result<Socket> {
    let socket = Socket::new(domain(is_v4), Type::RAW, Some(Protocol::from(i32::from(PROTOCOL))))?;
    socket.set_nonblocking(true)?;
    let hops = u32::from(HOP_LIMIT);
    if is_v4 {
        socket.set_ttl_v4(hops)?;
        socket.set_multicast_ttl_v4(hops)?;
        socket.set_multicast_loop_v4(false)?;
        // Internetwork control, as routers' own traffic is marked (RFC 2474, section 4.2.2.1).
        socket.set_tos_v4(0xc0)?;
        // Nothing of groups that others have joined.
        socket.set_multicast_all_v4(false)?;
    } else {
        socket.set_unicast_hops_v6(hops)?;
        socket.set_multicast_hops_v6(hops)?;
        socket.set_multicast_loop_v6(false)?;
        socket.set_tclass_v6(0xc0)?;
        socket.set_recv_hoplimit_v6(true)?;
        socket.set_multicast_all_v6(false)?;
        setsockopt(&socket, Ipv6RecvPacketInfo, &true)?;
    }
    if let Some((name, index)) = interface {
        socket.bind_device(Some(name.as_bytes()))?;
        if is_v4 {
            socket.join_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(*index))?;
        } else {
            socket.join_multicast_v6(&GROUP_V6, *index)?;
        }
    }
    Ok(socket)
}

type Parts = (Ends, u8, Vec<u8>);

/// `None` is a datagram that is none.
pub(super) fn receive_v4(socket: &Socket) -> io::Result<Option<Parts>> {
    let mut buffer = [0; LONGEST];
    let message = {
        let mut parts = [IoSliceMut::new(&mut buffer)];
        recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut parts, None, MsgFlags::MSG_DONTWAIT)?.bytes
    };
    let datagram = buffer.get(..message).unwrap_or_default();
    let split = packet::split_ipv4(datagram).ok();
    Ok(split.map(|(ends, hop_limit, payload)| (ends, hop_limit, payload.to_vec())))
}

pub(super) fn receive_v6(socket: &Socket) -> io::Result<Option<Parts>> {
    let mut buffer = [0; LONGEST];
    let mut control = [0; cmsg_space::<in6_pktinfo>() + cmsg_space::<i32>()];
    let (length, source, destination, hop_limit) = {
        let mut parts = [IoSliceMut::new(&mut buffer)];
        let flags = MsgFlags::MSG_DONTWAIT;
        let message =
            recvmsg::<SockaddrIn6>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags)?;
        let (mut destination, mut hop_limit) = (None, None);
        for control in message.cmsgs()? {
            #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else was asked for")]
            match control {
                ControlMessageOwned::Ipv6PacketInfo(info) => {
                    destination = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr));
                }
                ControlMessageOwned::Ipv6HopLimit(hops) => hop_limit = u8::try_from(hops).ok(),
                _ => {}
            }
        }
        (message.bytes, message.address.map(|it| it.ip()), destination, hop_limit)
    };
    let parts = source.zip(destination).zip(hop_limit);
    Ok(parts.map(|((source, destination), hop_limit)| {
        let ends = Ends { source: source.into(), destination: destination.into() };
        (ends, hop_limit, buffer.get(..length).unwrap_or_default().to_vec())
    }))
}

//! What the values of ipvsadm's options mean.

use std::net::{IpAddr, Ipv4Addr};

use crate::{
    cli::names,
    model::{Protocol, ServiceId},
};

/// A service: a host and, if it is not 0, a port.
pub(super) fn service(protocol: Protocol, text: &str) -> Option<ServiceId> {
    let (address, port) = host_and_port(protocol, text)?;
    Some(ServiceId { protocol, address, port: port.unwrap_or(0) })
}

/// A real server, with a port or without.
pub(super) fn real_server(text: &str) -> Option<(IpAddr, Option<u16>)> {
    host_and_port(Protocol::Tcp, text)
}

fn host_and_port(protocol: Protocol, text: &str) -> Option<(IpAddr, Option<u16>)> {
    let host = |text: &str| names::address(text).ok();
    let bare = text.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = bare.parse() {
        return Some((address, None));
    }
    match text.rsplit_once(':') {
        Some((name, port)) => Some((host(name)?, Some(names::port(port, protocol)?))),
        None => Some((host(text)?, None)),
    }
}

/// A whole number in a range.
pub(super) fn number(text: &str, least: u32, most: u32) -> Option<u32> {
    text.parse().ok().filter(|it| (least..=most).contains(it))
}

/// A mask as `255.255.255.0`.
pub(super) fn netmask(mask: &str) -> Option<u8> {
    let bits = u32::from(mask.parse::<Ipv4Addr>().ok()?);
    // One that has holes could not be said in our configuration.
    (bits.leading_ones() + bits.trailing_zeros() >= 32).then(|| bits.leading_ones() as u8)
}

/// The length of a prefix as a mask.
pub(super) fn mask(length: u8) -> Ipv4Addr {
    Ipv4Addr::from(u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0))
}

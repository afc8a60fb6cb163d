//! Names of hosts and ports: shown to who does not ask for numbers, and understood from who does not
//! write numbers.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};

use crate::model::{Protocol, ServiceId};

pub(super) fn protocol(text: &str) -> Result<Protocol, String> {
    let known = Protocol::ALL.into_iter().find(|it| it.name() == text);
    known.ok_or_else(|| "expected tcp or udp".to_owned())
}

/// An address and a port, either of which may be a name.
pub(super) fn socket_address(text: &str, protocol: Protocol) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let what = "expected ADDRESS:PORT, like 192.0.2.10:80 or [2001:db8::10]:80";
    let (host, port) = text.rsplit_once(':').ok_or_else(|| format!("{text:?}: {what}"))?;
    let port = self::port(port, protocol)
        .ok_or_else(|| format!("{port:?} is no port of {protocol}: {what}"))?;
    Ok(SocketAddr::new(address(host)?, port))
}

/// The address of a real server, with or without its port: direct routing can't change that.
pub(super) fn real_server(text: &str, service: &ServiceId) -> Result<IpAddr, String> {
    let bare = text.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = bare.parse() {
        return Ok(address);
    }
    if !text.contains(':') {
        return address(text);
    }
    let given = socket_address(text, service.protocol)?;
    if given.port() == service.port {
        return Ok(given.ip());
    }
    Err(format!(
        "{text}: direct routing can't change the port; expected {} or none, as the service has",
        service.port
    ))
}

/// A port, which may be a name.
pub(super) fn port(text: &str, protocol: Protocol) -> Option<u16> {
    text.parse().ok().or_else(|| port_number(text, protocol))
}

/// The address of a host, which may be a name.
pub(super) fn address(host: &str) -> Result<IpAddr, String> {
    let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse() {
        return Ok(address);
    }
    match (host, 0).to_socket_addrs().map(|mut addresses| addresses.next()) {
        Ok(Some(address)) => Ok(address.ip()),
        Ok(None) => Err(format!("{host:?} has no address")),
        Err(error) => Err(format!("{host:?} is no address, and as a name: {error}")),
    }
}

/// The number of a port in /etc/services.
fn port_number(name: &str, protocol: Protocol) -> Option<u16> {
    let services = std::fs::read_to_string("/etc/services").ok()?;
    services.lines().find_map(|line| {
        let mut words = without_comment(line).split_whitespace();
        let first = words.next()?;
        let (number, its_protocol) = words.next()?.split_once('/')?;
        let is_it =
            its_protocol == protocol.name() && (first == name || words.any(|it| it == name));
        is_it.then(|| number.parse().ok())?
    })
}

/// `address:port` with names where there are some, as ipvsadm without `-n` shows it.
pub(super) fn named(address: SocketAddr, protocol: Protocol) -> String {
    let host = host(address.ip()).unwrap_or_else(|| bracketed(address.ip()));
    let port = port_name(address.port(), protocol).unwrap_or_else(|| address.port().to_string());
    format!("{host}:{port}")
}

fn bracketed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

/// The name of a host in /etc/hosts. Name servers are not asked: a table that can be shown only
/// when they answer is of no use when it is needed most.
fn host(address: IpAddr) -> Option<String> {
    let hosts = std::fs::read_to_string("/etc/hosts").ok()?;
    lookup(&hosts, |first| first.parse() == Ok(address))
}

/// The name of a port in /etc/services.
fn port_name(port: u16, protocol: Protocol) -> Option<String> {
    let services = std::fs::read_to_string("/etc/services").ok()?;
    let wanted = format!("{port}/{protocol}");
    services.lines().find_map(|line| {
        let mut words = without_comment(line).split_whitespace();
        let name = words.next()?;
        (words.next()? == wanted).then(|| name.to_owned())
    })
}

/// The second word of the line whose first is meant.
fn lookup(file: &str, is_meant: impl Fn(&str) -> bool) -> Option<String> {
    file.lines().find_map(|line| {
        let mut words = without_comment(line).split_whitespace();
        is_meant(words.next()?).then(|| words.next())?.map(str::to_owned)
    })
}

fn without_comment(line: &str) -> &str {
    line.split('#').next().unwrap_or_default()
}

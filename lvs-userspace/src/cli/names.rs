//! Names of hosts and ports, for who does not ask for numbers.

use std::net::{IpAddr, SocketAddr};

use crate::model::Protocol;

/// `address:port` with names where there are some, as ipvsadm without `-n` shows it.
pub(super) fn named(address: SocketAddr, protocol: Protocol) -> String {
    let host = host(address.ip()).unwrap_or_else(|| bracketed(address.ip()));
    let port = port(address.port(), protocol).unwrap_or_else(|| address.port().to_string());
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
fn port(port: u16, protocol: Protocol) -> Option<String> {
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

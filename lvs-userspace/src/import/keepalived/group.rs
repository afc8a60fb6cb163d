//! Where a virtual server is: an address, or a `virtual_server_group` of many.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::{address, port, report::Report, syntax::Statement};

/// Addresses in a row, with one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Addresses {
    first: IpAddr,
    /// How many follow it.
    more: u128,
    /// 0 for all.
    pub(super) port: u16,
}

/// The groups by their names.
pub(super) type Groups = BTreeMap<String, Vec<Addresses>>;

impl Addresses {
    pub(super) fn one(address: IpAddr, port: u16) -> Self {
        Self { first: address, more: 0, port }
    }

    /// How many there are, or `most` if there are more.
    pub(super) fn count(&self, most: usize) -> usize {
        usize::try_from(self.more).unwrap_or(most).saturating_add(1).min(most)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = IpAddr> {
        let first = number(self.first);
        let is_ipv4 = self.first.is_ipv4();
        (0..=self.more).map(move |at| match is_ipv4 {
            true => Ipv4Addr::from((first + at) as u32).into(),
            false => Ipv6Addr::from(first + at).into(),
        })
    }
}

/// Reads a group.
pub(super) fn group(
    statement: &Statement,
    report: &mut Report,
) -> Option<(String, Vec<Addresses>)> {
    let name = statement.one(report)?.to_owned();
    let mut group = Vec::new();
    for entry in &statement.block {
        let arguments: Vec<_> = entry.arguments.iter().map(String::as_str).collect();
        let addresses = match (entry.keyword.as_str(), arguments.as_slice()) {
            ("fwmark", _) => {
                report.leave_out(entry, "there are no firewall marks");
                continue;
            }
            (addresses, []) => range(addresses, 0),
            (addresses, [text]) => port(text).and_then(|port| range(addresses, port)),
            (_, [_, ..]) => Err("expected ADDRESS PORT".to_owned()),
        };
        group.extend(entry.or_error(addresses, report));
    }
    Some((name, group))
}

/// `192.0.2.1`, `192.0.2.1-9`, `192.0.2.1-192.0.3.9` or `192.0.2.8/29`, and the like of IPv6.
fn range(text: &str, port: u16) -> Result<Addresses, String> {
    let is_empty = || format!("{text:?} has no addresses in it");
    if let Some((first, length)) = text.split_once('/') {
        let first = address(first)?;
        let longest = if first.is_ipv4() { 32 } else { 128 };
        let length: u32 =
            length.parse().ok().filter(|it| (1..=longest).contains(it)).ok_or_else(is_empty)?;
        let more = (1 << (longest - length)) - 1;
        if number(first) & more != 0 {
            return Err(format!("{text:?} does not begin with the first of its addresses"));
        }
        return Ok(Addresses { first, more, port });
    }
    let Some((first, last)) = text.split_once('-') else {
        return Ok(Addresses::one(address(text)?, port));
    };
    let first = address(first)?;
    // The last of its numbers alone, as the address has it.
    let last = match first {
        IpAddr::V4(first) if !last.contains('.') => {
            let [a, b, c, _] = first.octets();
            last.parse().map(|last| Ipv4Addr::new(a, b, c, last).into()).map_err(|_| is_empty())?
        }
        IpAddr::V6(first) if !last.contains(':') => {
            let last = u16::from_str_radix(last, 16).map_err(|_| is_empty())?;
            Ipv6Addr::from(u128::from(first) & !0xffff | u128::from(last)).into()
        }
        IpAddr::V4(_) | IpAddr::V6(_) => address(last)?,
    };
    if first.is_ipv4() != last.is_ipv4() {
        return Err(is_empty());
    }
    let more = number(last).checked_sub(number(first)).ok_or_else(is_empty)?;
    Ok(Addresses { first, more, port })
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_their_first_and_last() {
        for (text, expected) in [
            ("192.0.2.1", "192.0.2.1 192.0.2.1 1"),
            ("192.0.2.1-9", "192.0.2.1 192.0.2.9 9"),
            ("192.0.2.250-192.0.3.9", "192.0.2.250 192.0.3.9 16"),
            ("192.0.2.8/29", "192.0.2.8 192.0.2.15 8"),
            ("192.0.2.8/32", "192.0.2.8 192.0.2.8 1"),
            ("2001:db8::9-1f", "2001:db8::9 2001:db8::1f 23"),
            ("2001:db8::9-2001:db8::a", "2001:db8::9 2001:db8::a 2"),
            ("2001:db8::10/124", "2001:db8::10 2001:db8::1f 16"),
        ] {
            let range = range(text, 80).unwrap();
            let all: Vec<_> = range.iter().collect();
            let (first, last) = (all[0], all[all.len() - 1]);
            assert_eq!(format!("{first} {last} {}", range.count(1000)), expected, "{text}");
            assert_eq!(all.len(), range.count(1000), "{text}");
        }
        for text in ["::/1", "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "0.0.0.0/1"] {
            assert_eq!(range(text, 80).unwrap().count(1000), 1000, "{text}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "",
            "-",
            "/",
            "192.0.2.1-",
            "192.0.2.9-1",
            "192.0.2.1-256",
            "192.0.2.1/24",
            "192.0.2.0/0",
            "192.0.2.0/33",
            "192.0.2.1-2001:db8::1",
            "2001:db8::9-1",
            "2001:db8::-10000",
            "2001:db8::/129",
            "web",
        ] {
            assert!(range(text, 80).is_err(), "{text:?}");
        }
    }
}

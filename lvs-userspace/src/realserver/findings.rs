//! What is wrong with a machine's network for a real server, each with what to do. Pure.

use std::net::IpAddr;

use super::plan::{Arp, Seen};
use crate::net::{
    netlink::{Interface, host_prefix},
    settings::{self, setting_of},
};

/// Everything that is wrong, one line each.
pub(super) fn findings(vips: &[IpAddr], seen: &Seen) -> Vec<String> {
    let mut findings = Vec::new();
    match seen.loopback() {
        Some(lo) if lo.up => {}
        Some(lo) => findings.push(format!("{0} is down: ip link set {0} up", lo.name)),
        None => findings.push("there is no loopback interface".to_owned()),
    }
    for vip in vips {
        findings.extend(about_vip(*vip, seen));
    }
    if vips.iter().any(IpAddr::is_ipv4) {
        findings.extend(Arp::ALL.into_iter().flat_map(|arp| about_arp(arp, seen)));
        findings.extend(about_rp_filter(seen));
    }
    findings
}

fn about_vip(vip: IpAddr, seen: &Seen) -> Vec<String> {
    let mut findings = Vec::new();
    let mut is_there = false;
    let host = host_prefix(vip);
    for found in seen.addresses.iter().filter(|it| it.address == vip) {
        let Some(interface) = seen.interfaces.iter().find(|it| it.index == found.interface) else {
            continue;
        };
        let (name, prefix) = (&interface.name, found.prefix);
        let remove = format!("ip addr del {vip}/{prefix} dev {name}");
        if interface.loopback && prefix != host {
            findings.push(format!(
                "{vip} is on {name} with a prefix of {prefix}, which makes the whole network this \
                 machine's own: {remove}, and add it with /{host}"
            ));
        } else if !interface.loopback && !interface.silent {
            findings.push(format!(
                "{vip} is on {name}, where the network is told that this machine has it: {remove}"
            ));
        }
        is_there |= interface.loopback || interface.silent;
    }
    if !is_there {
        findings.push(format!(
            "{vip} is not on lo: start lvs-realserver, or ip addr add {vip}/{host} dev lo"
        ));
    }
    findings
}

/// Interfaces that frames come by.
fn outside(seen: &Seen) -> impl Iterator<Item = &Interface> {
    seen.interfaces.iter().filter(|it| it.up && !it.loopback && !it.silent)
}

fn effective(seen: &Seen, interface: &str, setting: &str) -> Option<i32> {
    settings::effective(interface, setting, |file| seen.settings.get(file).copied())
}

fn about_arp(arp: Arp, seen: &Seen) -> Vec<String> {
    let (name, wanted) = (arp.name(), arp.wanted());
    let harm = match arp {
        Arp::Ignore => "it answers ARP requests for the VIPs",
        Arp::Announce => "its own ARP requests tell the network that it has the VIPs",
    };
    let finding = |interface: &Interface| {
        let value = effective(seen, &interface.name, name)?;
        (!arp.is_quiet(value)).then(|| {
            let its_own = seen.settings.get(&setting_of(&interface.name, name)).copied();
            // A larger one of the interface's own outdoes any for all.
            let advice = if its_own.is_some_and(|it| it > wanted) {
                let scope = interface.name.replace('.', "/");
                format!("sysctl -w net.ipv4.conf.{scope}.{name}={wanted}")
            } else {
                format!("start lvs-realserver, or sysctl -w net.ipv4.conf.all.{name}={wanted}")
            };
            format!("{name} is {value} on {}, so {harm}: {advice}", interface.name)
        })
    };
    outside(seen).filter_map(finding).collect()
}

/// Clients are mostly where the default route goes. What comes from there by another interface, as
/// frames from a director may, a strict filter drops.
fn about_rp_filter(seen: &Seen) -> Vec<String> {
    let finding = |interface: &Interface| {
        let elsewhere =
            !seen.default_routes.is_empty() && !seen.default_routes.contains(&interface.index);
        let has_ipv4 = |it: &&Interface| {
            seen.addresses.iter().any(|at| at.interface == it.index && at.address.is_ipv4())
        };
        let strict = effective(seen, &interface.name, "rp_filter") == Some(1);
        (elsewhere && strict && has_ipv4(&interface)).then(|| {
            format!(
                "rp_filter is strict on {0}, which is not the way to clients (the default route): \
                 if the director's frames come by {0} they are dropped: \
                 sysctl -w net.ipv4.conf.{1}.rp_filter=2",
                interface.name,
                interface.name.replace('.', "/"),
            )
        })
    };
    outside(seen).filter_map(finding).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::net::netlink::InterfaceAddress;

    /// lo, eth0 with the default route, eth1, and dummy0.
    fn machine() -> Seen {
        let interface = |index, name: &str| Interface {
            index,
            name: name.to_owned(),
            up: true,
            loopback: index == 1,
            silent: name == "dummy0",
            ..Interface::default()
        };
        let mut seen = Seen {
            interfaces: vec![
                interface(1, "lo"),
                interface(2, "eth0"),
                interface(3, "eth1.7"),
                interface(4, "dummy0"),
            ],
            default_routes: vec![2],
            ..Seen::default()
        };
        for (name, values) in [
            ("all", [1, 2, 0]),
            ("lo", [0, 0, 0]),
            ("eth0", [0, 0, 0]),
            ("eth1.7", [0, 0, 0]),
            ("dummy0", [0, 0, 0]),
        ] {
            for (setting, value) in ["arp_ignore", "arp_announce", "rp_filter"].iter().zip(values) {
                seen.settings.insert(setting_of(name, setting), value);
            }
        }
        for (interface, address, prefix) in
            [(2, "192.0.2.11", 24), (3, "198.51.100.11", 24), (1, "127.0.0.1", 8)]
        {
            put(&mut seen, interface, address, prefix);
        }
        seen
    }

    fn put(seen: &mut Seen, interface: u32, address: &str, prefix: u8) {
        let address = address.parse().expect("an address");
        seen.addresses.push(InterfaceAddress { interface, address, prefix });
    }

    fn set(seen: &mut Seen, interface: &str, setting: &str, value: i32) {
        seen.settings.insert(setting_of(interface, setting), value);
    }

    fn check(seen: &Seen, expected: Expect) {
        let vips = ["192.0.2.10", "2001:db8::10"].map(|it| it.parse().expect("an address"));
        expected.assert_eq(&findings(&vips, seen).join("\n"));
    }

    #[test]
    fn a_real_server_has_nothing_wrong() {
        let mut seen = machine();
        put(&mut seen, 1, "192.0.2.10", 32);
        put(&mut seen, 4, "2001:db8::10", 128);
        check(&seen, expect![[""]]);
    }

    #[test]
    fn addresses_can_be_missing_or_elsewhere() {
        let mut seen = machine();
        check(
            &seen,
            expect![[r#"
            192.0.2.10 is not on lo: start lvs-realserver, or ip addr add 192.0.2.10/32 dev lo
            2001:db8::10 is not on lo: start lvs-realserver, or ip addr add 2001:db8::10/128 dev lo"#]],
        );
        put(&mut seen, 1, "192.0.2.10", 24);
        put(&mut seen, 2, "2001:db8::10", 64);
        check(
            &seen,
            expect![[r#"
            192.0.2.10 is on lo with a prefix of 24, which makes the whole network this machine's own: ip addr del 192.0.2.10/24 dev lo, and add it with /32
            2001:db8::10 is on eth0, where the network is told that this machine has it: ip addr del 2001:db8::10/64 dev eth0
            2001:db8::10 is not on lo: start lvs-realserver, or ip addr add 2001:db8::10/128 dev lo"#]],
        );
        seen.interfaces[0].up = false;
        check(
            &seen,
            expect![[r#"
            lo is down: ip link set lo up
            192.0.2.10 is on lo with a prefix of 24, which makes the whole network this machine's own: ip addr del 192.0.2.10/24 dev lo, and add it with /32
            2001:db8::10 is on eth0, where the network is told that this machine has it: ip addr del 2001:db8::10/64 dev eth0
            2001:db8::10 is not on lo: start lvs-realserver, or ip addr add 2001:db8::10/128 dev lo"#]],
        );
    }

    #[test]
    fn the_larger_setting_counts() {
        let mut seen = machine();
        put(&mut seen, 1, "192.0.2.10", 32);
        put(&mut seen, 1, "2001:db8::10", 128);
        set(&mut seen, "eth1.7", "arp_ignore", 3);
        set(&mut seen, "all", "arp_announce", 1);
        set(&mut seen, "eth0", "arp_announce", 2);
        check(
            &seen,
            expect![[r#"
                arp_ignore is 3 on eth1.7, so it answers ARP requests for the VIPs: sysctl -w net.ipv4.conf.eth1/7.arp_ignore=1
                arp_announce is 1 on eth1.7, so its own ARP requests tell the network that it has the VIPs: start lvs-realserver, or sysctl -w net.ipv4.conf.all.arp_announce=2"#]],
        );
    }

    #[test]
    fn a_strict_filter_matters_where_clients_are_not() {
        let mut seen = machine();
        put(&mut seen, 1, "192.0.2.10", 32);
        put(&mut seen, 1, "2001:db8::10", 128);
        set(&mut seen, "all", "rp_filter", 1);
        check(
            &seen,
            expect![
                "rp_filter is strict on eth1.7, which is not the way to clients (the default route): if the director's frames come by eth1.7 they are dropped: sysctl -w net.ipv4.conf.eth1/7.rp_filter=2"
            ],
        );
        set(&mut seen, "eth1.7", "rp_filter", 2);
        check(&seen, expect![[""]]);
    }
}

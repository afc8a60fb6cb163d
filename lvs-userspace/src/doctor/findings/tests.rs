mod failover;
mod network;
mod real_servers;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime},
};

use expect_test::{Expect, expect};

use super::*;
use crate::{
    config::XdpMode,
    dataplane::{
        OutOfSync,
        bpf::{AttachedAs, PinFault, TableUse},
    },
    director::State,
    doctor::{
        Asked, Attached, Clock, Known, Member, Reached, RealServer, Seen, Service, Syn, Tried, Way,
    },
    model::{MacAddr, Protocol, ServiceId},
    net::{
        Link,
        netlink::{Interface, InterfaceAddress, XdpAbilities},
    },
};

const VIP: &str = "192.0.2.10";
const VIP_V6: &str = "2001:db8::10";
const ETH0: u32 = 2;
const ETH1: u32 = 3;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn mac(last: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, last])
}

fn link(index: u32, name: &str, last: u8) -> Link {
    Link { index, name: name.into(), mac: mac(last), vlan_of: None }
}

fn interface(index: u32, name: &str, last: u8) -> Interface {
    Interface {
        index,
        name: name.into(),
        up: true,
        carrier: true,
        mtu: 1500,
        mac: Some(mac(last)),
        ..Interface::default()
    }
}

fn member(address: &str) -> Member {
    Member { address: ip(address), state: State::Up, weight: 1, why: None, through_vip: false }
}

fn service(vip: &str, protocol: Protocol, port: u16, members: &[&str]) -> Service {
    Service {
        id: ServiceId { protocol, address: ip(vip), port },
        members: members.iter().copied().map(member).collect(),
        sorry_server: None,
    }
}

fn tried(real_server: &str, vip: &str, source: &str, ports: &[u16]) -> Tried {
    Tried {
        real_server: ip(real_server),
        vip: ip(vip),
        source: ip(source),
        echo: true,
        syn: ports.iter().map(|port| (*port, Syn::Accepted)).collect(),
    }
}

/// A director with eth0, where .11 and .12 serve web pages, .13 names, and ::11 both over IPv6; eth1
/// leads elsewhere.
fn healthy() -> Evidence {
    let all = [("192.0.2.11", 11), ("192.0.2.12", 12), ("192.0.2.13", 13), ("2001:db8::11", 11)];
    let way = Some(Way { interface: ETH0, exit: ETH0 });
    let known = Known {
        attached: vec![Attached {
            link: link(ETH0, "eth0", 3),
            attached_as: Some(AttachedAs::Native),
        }],
        xdp_mode: XdpMode::Auto,
        program: Some(7),
        out_of_sync: None,
        no_bpffs: None,
        pin_faults: Vec::new(),
        sizes_followed: true,
        tables: vec![TableUse { of: "IPv4 connections", key: "size", used: 899, size: 1000 }],
        services: vec![
            service(VIP, Protocol::Tcp, 80, &["192.0.2.11", "192.0.2.12"]),
            service(VIP, Protocol::Udp, 53, &["192.0.2.13"]),
            service(VIP_V6, Protocol::Tcp, 80, &["2001:db8::11"]),
        ],
        real_servers: all
            .iter()
            .map(|(address, last)| RealServer { address: ip(address), way, mac: Some(mac(*last)) })
            .collect(),
        failover: None,
    };
    let abilities = XdpAbilities { native: true, takes_redirected: false };
    let asked = |vip| Asked { interface: ETH0, vip: ip(vip), answered: [].into() };
    let reached = |(address, _): &(&str, u8)| Reached {
        real_server: ip(address),
        echo: true,
        long_echo: true,
        mtu: 1500,
    };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let seen = Seen {
        interfaces: vec![
            Interface { index: 1, name: "lo".into(), loopback: true, ..Interface::default() },
            Interface { xdp_program: Some(7), ..interface(ETH0, "eth0", 3) },
            interface(ETH1, "eth1", 4),
        ],
        addresses: vec![
            InterfaceAddress { interface: ETH0, address: ip("192.0.2.3"), prefix: 24 },
            InterfaceAddress { interface: ETH0, address: ip("2001:db8::3"), prefix: 64 },
        ],
        offloads: [(ETH0, ["rx-gro".to_owned(), "rx-vlan-hw-parse".to_owned()].into())].into(),
        xdp: [(ETH0, abilities)].into(),
        rp_filter: [(ETH0, 1), (ETH1, 1)].into(),
        routes: [(ip(VIP), ETH0), (ip(VIP_V6), ETH0)].into(),
        no_way: BTreeMap::new(),
        clock: Clock { now, built: Some(now - Duration::from_secs(86_400)), off_by: None },
        asked: vec![asked(VIP), asked(VIP_V6)],
        reached: all.iter().map(reached).collect(),
        tried: vec![
            tried("192.0.2.11", VIP, "192.0.2.3", &[80]),
            tried("192.0.2.12", VIP, "192.0.2.3", &[80]),
            tried("192.0.2.13", VIP, "192.0.2.3", &[]),
            tried("2001:db8::11", VIP_V6, "2001:db8::3", &[80]),
        ],
        unasked: BTreeMap::new(),
    };
    Evidence { known, seen }
}

/// What is found when a healthy director is changed like this.
fn check(change: impl FnOnce(&mut Known, &mut Seen), expected: Expect) {
    let Evidence { mut known, mut seen } = healthy();
    change(&mut known, &mut seen);
    let diagnosis = examine(&Evidence { known, seen });
    let lines: Vec<_> = diagnosis
        .findings
        .iter()
        .map(|it| {
            let Finding { name, severity, what, evidence, advice, real_servers } = it;
            let about: String = real_servers.iter().map(|it| format!(" [{it}]")).collect();
            format!("{severity:?} {name}{about}: {what}\n  {evidence}\n  {advice}\n")
        })
        .collect();
    expected.assert_eq(&lines.concat());
}

fn eth0(seen: &mut Seen) -> &mut Interface {
    &mut seen.interfaces[1]
}

#[test]
fn a_healthy_director_has_nothing_wrong() {
    check(|_, _| {}, expect![[""]]);
    assert_eq!(examine(&healthy()).checks, 40);
}

#[test]
fn names_are_the_same_everywhere() {
    for name in Name::value_variants() {
        let json = serde_json::to_string(name).unwrap();
        assert_eq!(json, format!("\"{name}\""));
    }
}

#[test]
fn maps_and_pins() {
    check(
        |known, _| {
            let reason = "can't write the maps: no memory".to_owned();
            known.out_of_sync = Some(OutOfSync { reason, attempts: 3, retry_at: Instant::now() });
            known.no_bpffs = Some("/run/lvs is not on a BPF file system".into());
            known.pin_faults = vec![
                PinFault::Missing("/sys/fs/bpf/lvs/services".into()),
                PinFault::Other("/sys/fs/bpf/lvs/slots".into()),
            ];
            known.sizes_followed = false;
        },
        expect![[r#"
            Problem maps-out-of-sync: the maps are not what they should be: the program goes by old tables
              can't write the maps: no memory (tried 3 times)
              see lvsd's log; it tries again by itself
            Problem no-bpffs: the next lvsd will not find what this one has pinned
              /run/lvs is not on a BPF file system
              mount it (mount -t bpf bpf /sys/fs/bpf), then `lvsd --detach-all` and start it again
            Problem pins: what is pinned is not what is in use: the next lvsd will lose the connections
              /sys/fs/bpf/lvs/services is missing, /sys/fs/bpf/lvs/slots is not what is in use
              when connections may be lost: `lvsd --detach-all`, and start it again
            Warning map-sizes: the maps are not as large as the configuration says
              those of an earlier lvsd were taken over, and keep their sizes
              when connections may be lost: `lvsd --detach-all`, and start it again
        "#]],
    );
    for used in [899, 900, 1000, 1001] {
        let expected = match used {
            899 => expect![[""]],
            900 => expect![[r#"
                Warning connection-table-full: the table of IPv4 connections is nearly full
                  900 connections, and it is made for 1000
                  a larger size in [connections]; that needs `lvsd --detach-all`, which loses them
            "#]],
            1000 => expect![[r#"
                Warning connection-table-full: the table of IPv4 connections is nearly full
                  1000 connections, and it is made for 1000
                  a larger size in [connections]; that needs `lvsd --detach-all`, which loses them
            "#]],
            _ => expect![[r#"
                Problem connection-table-full: the table of IPv4 connections is full: connections are forgotten
                  1001 connections, and it is made for 1000
                  a larger size in [connections]; that needs `lvsd --detach-all`, which loses them
            "#]],
        };
        check(|known, _| known.tables[0].used = used, expected);
    }
}

#[test]
fn what_could_not_be_asked_is_said() {
    check(
        |_, seen| drop(seen.unasked.insert(ETH0, "Operation not permitted (os error 1)".into())),
        expect![[r#"
            Warning not-looked-at: nobody could be asked on eth0
              Operation not permitted (os error 1)
              lvsd needs CAP_NET_RAW for that, and an address on the interface: run it as root, or give it both
        "#]],
    );
}

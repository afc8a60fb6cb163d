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
fn interfaces() {
    check(
        |_, seen| drop(seen.interfaces.remove(1)),
        expect![[r#"
        Problem interface-gone: the interface eth0 is gone
          number 2, that it had when lvsd started, is no interface
          bring eth0 back, and restart lvsd
    "#]],
    );
    check(
        |_, seen| eth0(seen).up = false,
        expect![[r#"
        Problem interface-down: the interface eth0 is down
          it is switched off
          ip link set eth0 up
    "#]],
    );
    check(
        |_, seen| eth0(seen).carrier = false,
        expect![[r#"
            Problem interface-down: the interface eth0 is down
              it is up, but has no carrier
              see to the cable of eth0, and to its switch
        "#]],
    );
    check(
        |_, seen| eth0(seen).mac = Some(mac(99)),
        expect![[r#"
        Problem interface-mac-changed: eth0 has another MAC now: the VIPs are still answered for with the old one
          it was 02:00:00:00:00:03 when lvsd started, and is 02:00:00:00:00:63
          restart lvsd
    "#]],
    );
}

#[test]
fn programs() {
    check(
        |_, seen| eth0(seen).xdp_program = None,
        expect![[r#"
            Problem xdp-missing: what comes in by eth0 is not forwarded
              there is no XDP program on eth0
              restart lvsd, and find out who has taken it off
        "#]],
    );
    check(
        |_, seen| eth0(seen).xdp_program = Some(8),
        expect![[r#"
            Problem xdp-not-ours: what comes in by eth0 is not forwarded: somebody else's XDP program has it
              the program on eth0 has the number 8, lvsd's 7
              see whose it is: bpftool prog show id 8; take it off (ip link set eth0 xdp off), and restart lvsd
        "#]],
    );
    let generic = |known: &mut Known, seen: &mut Seen| {
        known.attached[0].attached_as = Some(AttachedAs::Generic);
        seen.offloads.clear();
    };
    check(
        generic,
        expect![[r#"
        Warning xdp-generic: eth0 runs the XDP program in generic mode, which is far slower
          its driver can run XDP programs, but it has refused when lvsd attached it
          lvsd has logged why (often a long MTU, LRO, or too few queues): see to that, then `lvsd --detach-all`, and start it again
    "#]],
    );
    check(
        |known, seen| {
            generic(known, seen);
            known.xdp_mode = XdpMode::Generic;
        },
        expect![[r#"
            Warning xdp-generic: eth0 runs the XDP program in generic mode, which is far slower
              its driver can run XDP programs, but the configuration says so
              set xdp_mode = "auto", then `lvsd --detach-all`, and start it again
        "#]],
    );
    // Where it is all that the driver can do, or nobody knows, there is nothing to be said.
    check(
        |known, seen| {
            generic(known, seen);
            seen.xdp.insert(ETH0, XdpAbilities { native: false, takes_redirected: false });
        },
        expect![[""]],
    );
    check(
        |known, seen| {
            generic(known, seen);
            seen.xdp.clear();
        },
        expect![[""]],
    );
}

#[test]
fn offloads() {
    let on = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect();
    check(
        |_, seen| drop(seen.offloads.insert(ETH0, on(&["rx-lro", "rx-gro-hw", "rx-gro"]))),
        expect![[r#"
            Warning frames-merged: eth0 merges frames before the XDP program sees them: they become too long
              lro, rx-gro-hw on (ethtool -k eth0), native XDP
              ethtool -K eth0 lro off rx-gro-hw off
        "#]],
    );
    check(
        |known, seen| {
            known.attached[0].attached_as = Some(AttachedAs::Generic);
            seen.xdp.clear();
        },
        expect![[r#"
            Warning frames-merged: eth0 merges frames before the XDP program sees them: they become too long
              gro on (ethtool -k eth0), generic XDP
              ethtool -K eth0 gro off
        "#]],
    );
    check(
        |_, seen| {
            let vlan = Interface { vlan_of: Some((ETH0, 20)), ..interface(9, "eth0.20", 3) };
            seen.interfaces.push(vlan);
        },
        expect![[r#"
            Warning tags-hidden: eth0 takes VLAN tags off before the XDP program sees them
              rx-vlan-offload is on (ethtool -k eth0), and it has eth0.20
              ethtool -K eth0 rxvlan off
        "#]],
    );
}

/// The real servers are behind eth1.
fn elsewhere(known: &mut Known, _: &mut Seen) {
    for real_server in &mut known.real_servers {
        real_server.way = Some(Way { interface: ETH1, exit: ETH1 });
    }
}

#[test]
fn exits() {
    check(
        elsewhere,
        expect![[r#"
        Warning exit-without-xdp: eth1 may not take the frames that the XDP program sends by it
          there is no XDP program on eth1, and many drivers take none without
          name eth1 in `interfaces`, too, and restart lvsd
    "#]],
    );
    let takes = |takes_redirected| XdpAbilities { native: true, takes_redirected };
    check(
        |known, seen| {
            elsewhere(known, seen);
            seen.xdp.insert(ETH1, takes(false));
        },
        expect![[r#"
            Problem exit-without-xdp: eth1 does not take the frames that the XDP program sends by it
              its driver says that it takes none (no NETDEV_XDP_ACT_NDO_XMIT)
              name eth1 in `interfaces`, too, and restart lvsd
        "#]],
    );
    check(
        |known, seen| {
            elsewhere(known, seen);
            seen.xdp.insert(ETH1, takes(true));
            eth0(seen).mtu = 9000;
        },
        expect![[r#"
            Warning mtu-differs: long frames that come in by eth0 can't leave by eth1
              the MTU of eth0 is 9000, of eth1 1500
              ip link set eth1 mtu 9000, if its network takes that, or ip link set eth0 mtu 1500
        "#]],
    );
    // The kernel itself sends what a generic program redirects.
    check(
        |known, seen| {
            elsewhere(known, seen);
            known.attached[0].attached_as = Some(AttachedAs::Generic);
            seen.offloads.clear();
            seen.xdp.clear();
            seen.interfaces[2].mtu = 9000;
        },
        expect![[""]],
    );
}

#[test]
fn vips_on_the_director() {
    check(
        |known, seen| {
            seen.addresses.push(InterfaceAddress { interface: 1, address: ip(VIP), prefix: 32 });
            let member = &mut known.services[0].members[1];
            member.through_vip = true;
            member.state = State::Down;
        },
        expect![[r#"
            Warning vip-on-director [192.0.2.12]: the VIP 192.0.2.10 is on an interface of the director itself
              192.0.2.10/32 is on lo: its kernel takes for its own what the XDP program leaves to it, and no real server can be checked through the VIP
              ip addr del 192.0.2.10/32 dev lo: the program answers for it without
        "#]],
    );
}

#[test]
fn a_strict_filter_matters_to_checks_through_a_vip_that_is_elsewhere() {
    let elsewhere = |_: &mut Known, seen: &mut Seen| seen.routes.extend([(ip(VIP), ETH1)]);
    check(elsewhere, expect![[""]]);
    let checked = |known: &mut Known| {
        for member in &mut known.services[0].members {
            member.through_vip = true;
        }
        known.services[0].members[1].state = State::Down;
    };
    check(
        |known, seen| {
            elsewhere(known, seen);
            checked(known);
        },
        expect![[r#"
            Problem rp-filter [192.0.2.11] [192.0.2.12]: the director drops what real servers answer to checks through 192.0.2.10
              rp_filter is 1 (strict) on eth0, and its kernel's way to 192.0.2.10 is eth1
              sysctl -w net.ipv4.conf.eth0.rp_filter=2, or route 192.0.2.10 to eth0
        "#]],
    );
    check(
        |known, seen| {
            seen.routes.clear();
            eth0(seen).name = "bond0.7".into();
            checked(known);
            known.services[0].members[1].state = State::Up;
        },
        expect![[r#"
            Problem rp-filter [192.0.2.11] [192.0.2.12]: the director drops what real servers answer to checks through 192.0.2.10
              rp_filter is 1 (strict) on bond0.7, and its kernel has no way to 192.0.2.10
              sysctl -w net.ipv4.conf.bond0/7.rp_filter=2, or route 192.0.2.10 to bond0.7
        "#]],
    );
    check(
        |known, seen| {
            elsewhere(known, seen);
            seen.rp_filter.insert(ETH0, 2);
            checked(known);
            known.services[0].members[1].state = State::Up;
        },
        expect![[""]],
    );
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
fn clocks() {
    check(
        |_, seen| seen.clock.off_by = Some(Duration::from_secs(16)),
        expect![[r#"
        Warning clock-not-synchronised: nothing keeps the clock right: logs and certificates go by it
          the kernel says that it is not synchronised, and may be off by 16s
          run chrony or systemd-timesyncd
    "#]],
    );
    check(
        |_, seen| seen.clock.now = SystemTime::UNIX_EPOCH,
        expect![[r#"
        Problem clock-behind: the clock is wrong: logs lie, and certificates are not good yet
          it says 1970-01-01T00:00:00Z, and this lvsd is from 2027-01-14T08:00:00Z
          set it, and run chrony or systemd-timesyncd
    "#]],
    );
}

#[test]
fn services_without_real_servers() {
    let down = |known: &mut Known| {
        known.services[0].members[0].state = State::Drained;
        known.services[0].members[0].weight = 0;
        known.services[0].members[1] = Member {
            state: State::Down,
            weight: 0,
            why: Some("it fails its checks".into()),
            ..member("192.0.2.12")
        };
    };
    check(
        |known, _| down(known),
        expect![[r#"
        Problem no-real-server: tcp 192.0.2.10:80 has no real server that takes connections
          192.0.2.11 is drained, weight 0; 192.0.2.12 is down, weight 0: it fails its checks
          see what keeps them out, below or in lvsctl list, or add one
        Warning real-server-down [192.0.2.12]: 192.0.2.12 is out of service for tcp 192.0.2.10:80
          it fails its checks
          lvsd has logged the reason; on the real server: lvs-realserver check
    "#]],
    );
    check(
        |known, _| {
            down(known);
            known.services[0].sorry_server = Some(ip("192.0.2.13"));
            known.services[2].members.clear();
        },
        expect![[r#"
            Problem no-real-server: tcp [2001:db8::10]:80 has no real server that takes connections
              it has none
              see what keeps them out, below or in lvsctl list, or add one
            Warning no-real-server: tcp 192.0.2.10:80 has only its sorry server 192.0.2.13
              192.0.2.11 is drained, weight 0; 192.0.2.12 is down, weight 0: it fails its checks
              see what keeps them out, below or in lvsctl list, or add one
            Warning real-server-down [192.0.2.12]: 192.0.2.12 is out of service for tcp 192.0.2.10:80
              it fails its checks
              lvsd has logged the reason; on the real server: lvs-realserver check
        "#]],
    );
}

#[test]
fn real_servers_that_are_not_found() {
    let lose = |known: &mut Known, at: usize| {
        known.real_servers[at].mac = None;
        let address = known.real_servers[at].address;
        for member in known.services.iter_mut().flat_map(|it| &mut it.members) {
            if member.address == address {
                member.state = State::Down;
                member.why = Some("its MAC is not known".into());
            }
        }
    };
    check(
        |known, seen| {
            lose(known, 0);
            seen.tried.remove(0);
            seen.reached.remove(0);
        },
        expect![[r#"
            Problem mac-unknown [192.0.2.11]: nobody knows the MAC of 192.0.2.11
              it does not answer ARP on eth0
              see whether it is up, in the network of eth0, and has that address
        "#]],
    );
    check(
        |known, seen| {
            lose(known, 1);
            known.real_servers[1].way = None;
            seen.no_way.insert(ip("192.0.2.12"), "192.0.2.12 is behind router 192.0.2.1".into());
            seen.tried.remove(1);
            seen.reached.remove(1);
        },
        expect![[r#"
            Problem no-way [192.0.2.12]: there is no way to 192.0.2.12
              192.0.2.12 is behind router 192.0.2.1
              direct routing needs it on a network of the director: give the director an address there
        "#]],
    );
}

#[test]
fn real_servers_without_the_vip() {
    let silent = |seen: &mut Seen, at: usize| {
        seen.tried[at].echo = false;
        seen.tried[at].syn.values_mut().for_each(|syn| *syn = Syn::Silence);
    };
    check(
        |_, seen| silent(seen, 0),
        expect![[r#"
            Problem vip-missing [192.0.2.11]: 192.0.2.11 does not have the VIP 192.0.2.10, or drops what comes for it
              asked by 192.0.2.3 in frames to 02:00:00:00:00:0b on eth0: no answer to an echo of 192.0.2.10, nor to SYNs to port 80; 192.0.2.11 answers an echo
              on 192.0.2.11: lvs-realserver run --vip 192.0.2.10, or ip addr add 192.0.2.10/32 dev lo; if it is there: its firewall, and its rp_filter
        "#]],
    );
    // Its checks fail for the same reason.
    check(
        |known, seen| {
            silent(seen, 3);
            known.services[2].members[0].state = State::Down;
            known.services[2].members.push(member("2001:db8::12"));
        },
        expect![[r#"
            Problem vip-missing [2001:db8::11]: 2001:db8::11 does not have the VIP 2001:db8::10, or drops what comes for it
              asked by 2001:db8::3 in frames to 02:00:00:00:00:0b on eth0: no answer to an echo of 2001:db8::10, nor to SYNs to port 80; 2001:db8::11 answers an echo
              on 2001:db8::11: lvs-realserver run --vip 2001:db8::10, or ip addr add 2001:db8::10/128 dev lo; if it is there: its firewall, and its rp_filter
        "#]],
    );
    // It answers no echo at all, but a SYN.
    check(
        |_, seen| {
            seen.tried[0].echo = false;
            seen.reached[0].echo = false;
            seen.reached[0].long_echo = false;
        },
        expect![[""]],
    );
    let no_echo = |seen: &mut Seen, at: usize| {
        silent(seen, at);
        seen.reached[at].echo = false;
        seen.reached[at].long_echo = false;
    };
    check(
        |_, seen| no_echo(seen, 0),
        expect![[r#"
            Problem vip-missing [192.0.2.11]: 192.0.2.11 does not have the VIP 192.0.2.10, or drops what comes for it
              asked by 192.0.2.3 in frames to 02:00:00:00:00:0b on eth0: no answer to an echo of 192.0.2.10, nor to SYNs to port 80; 192.0.2.11 does not answer an echo either
              on 192.0.2.11: lvs-realserver run --vip 192.0.2.10, or ip addr add 192.0.2.10/32 dev lo; if it is there: its firewall, and its rp_filter
        "#]],
    );
    // There is nobody to whom a SYN could be sent.
    check(
        |_, seen| no_echo(seen, 2),
        expect![[r#"
        Warning vip-unverified [192.0.2.13]: nobody knows whether 192.0.2.13 has the VIP 192.0.2.10
          asked by 192.0.2.3 in frames to 02:00:00:00:00:0d on eth0: no answer to an echo of 192.0.2.10; 192.0.2.13 does not answer an echo either
          on 192.0.2.13: lvs-realserver check --vip 192.0.2.10, or let it answer echo
    "#]],
    );
}

#[test]
fn services_that_do_not_listen_on_the_vip() {
    let refuse = |seen: &mut Seen| seen.tried[1].syn.extend([(80, Syn::Refused)]);
    check(
        |_, seen| refuse(seen),
        expect![[r#"
        Problem service-refused [192.0.2.12]: on 192.0.2.12 nobody listens on port 80 of the VIP 192.0.2.10
          a SYN by 192.0.2.3 in a frame to 02:00:00:00:00:0c on eth0 was answered with RST
          on 192.0.2.12: start the service, and have it listen on 192.0.2.10 or on all addresses
    "#]],
    );
    // Its checks have found it out.
    check(
        |known, seen| {
            refuse(seen);
            let member = &mut known.services[0].members[1];
            member.state = State::Down;
            member.why = Some("it fails its checks".into());
        },
        expect![[r#"
            Warning real-server-down [192.0.2.12]: 192.0.2.12 is out of service for tcp 192.0.2.10:80
              it fails its checks
              lvsd has logged the reason; on the real server: lvs-realserver check
        "#]],
    );
}

#[test]
fn long_packets() {
    check(
        |_, seen| seen.reached[1].long_echo = false,
        expect![[r#"
        Problem mtu-path [192.0.2.12]: long packets do not get to 192.0.2.12
          in frames to 02:00:00:00:00:0c on eth0: a short echo is answered, one of 1500 bytes, the interface's MTU, is not
          give the director, 192.0.2.12 and the switches between them the same MTU
    "#]],
    );
}

#[test]
fn others_that_answer_for_a_vip() {
    let answer = |seen: &mut Seen, at: usize, last: u8| {
        seen.asked[at].answered.insert(mac(last));
    };
    // The director itself, by an interface of its own.
    check(|_, seen| answer(seen, 0, 4), expect![[""]]);
    check(
        |_, seen| answer(seen, 0, 11),
        expect![[r#"
            Problem vip-answered-by-real-server [192.0.2.11]: 192.0.2.11 says on the network that it has the VIP 192.0.2.10, so clients go past the director
              an ARP request for 192.0.2.10, sent on eth0, was answered by 02:00:00:00:00:0b
              on 192.0.2.11: lvs-realserver run --vip 192.0.2.10, or sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2
        "#]],
    );
    check(
        |_, seen| answer(seen, 1, 11),
        expect![[r#"
            Problem vip-answered-by-real-server [2001:db8::11]: 2001:db8::11 says on the network that it has the VIP 2001:db8::10, so clients go past the director
              a neighbour solicitation for 2001:db8::10, sent on eth0, was answered by 02:00:00:00:00:0b
              on 2001:db8::11: 2001:db8::10 is to be on lo, and on no other interface
        "#]],
    );
    check(
        |_, seen| {
            answer(seen, 0, 98);
            answer(seen, 0, 12);
        },
        expect![[r#"
            Problem vip-answered-by-real-server [192.0.2.12]: 192.0.2.12 says on the network that it has the VIP 192.0.2.10, so clients go past the director
              an ARP request for 192.0.2.10, sent on eth0, was answered by 02:00:00:00:00:0c
              on 192.0.2.12: lvs-realserver run --vip 192.0.2.10, or sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2
            Problem vip-answered-by-stranger: 02:00:00:00:00:62 says on the network that it has the VIP 192.0.2.10, so clients go past the director
              an ARP request for 192.0.2.10, sent on eth0, was answered by 02:00:00:00:00:62
              find out who that is (ip neigh, the switch's table of MACs), and take 192.0.2.10 from it, or have it keep quiet; another director with this VIP: stop one
        "#]],
    );
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

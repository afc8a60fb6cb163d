//! The director's own interfaces, addresses and settings.

use super::*;

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

//! The director's own interfaces, addresses and settings, and its clock.

use std::{collections::BTreeSet, net::IpAddr};

use super::{Finding, Look, Name};
use crate::{
    config::XdpMode,
    dataplane::bpf::AttachedAs,
    doctor::{Attached, Clock, Evidence, Known, Seen},
    net::netlink::Interface,
};

pub(super) fn looks(evidence: &Evidence) -> Vec<Look> {
    let Evidence { known, seen } = evidence;
    let mut looks = Vec::new();
    for attached in &known.attached {
        match seen.interface(attached.link.index) {
            Some(interface) => {
                looks.push(None);
                looks.extend(about_attached(attached, interface, evidence));
            }
            None => looks.push(Some(gone(attached))),
        }
    }
    let ways = || known.real_servers.iter().filter_map(|it| it.way);
    let ours = known.attached.iter().map(|it| it.link.index);
    let used: BTreeSet<_> = ours.chain(ways().flat_map(|way| [way.interface, way.exit])).collect();
    looks.extend(used.into_iter().filter_map(|index| seen.interface(index)).map(down));
    let exits: BTreeSet<_> = ways().map(|way| way.exit).collect();
    for exit in exits.into_iter().filter_map(|index| seen.interface(index)) {
        looks.extend(about_exit(exit, evidence));
    }
    let vips: BTreeSet<_> = known.services.iter().map(|it| it.id.address).collect();
    looks.extend(vips.into_iter().map(|vip| on_director(vip, evidence)));
    looks.extend(about_rp_filter(known, seen));
    looks.extend(about_clock(&seen.clock));
    let unasked = seen.unasked.iter().map(|(interface, why)| {
        let name = seen.name(*interface);
        Some(Finding::warning(
            Name::NotLookedAt,
            format!("nobody could be asked on {name}"),
            why.clone(),
            "lvsd needs CAP_NET_RAW for that, and an address on the interface: run it as root, or \
             give it both"
                .into(),
        ))
    });
    looks.extend(unasked);
    looks
}

fn gone(attached: &Attached) -> Finding {
    let name = &attached.link.name;
    Finding::problem(
        Name::InterfaceGone,
        format!("the interface {name} is gone"),
        format!("number {}, that it had when lvsd started, is no interface", attached.link.index),
        format!("bring {name} back, and restart lvsd"),
    )
}

fn down(interface: &Interface) -> Look {
    let Interface { name, up, carrier, .. } = interface;
    (!up || !carrier).then(|| {
        let (evidence, advice) = if *up {
            (
                "it is up, but has no carrier",
                format!("see to the cable of {name}, and to its switch"),
            )
        } else {
            ("it is switched off", format!("ip link set {name} up"))
        };
        let what = format!("the interface {name} is down");
        Finding::problem(Name::InterfaceDown, what, evidence.into(), advice)
    })
}

fn about_attached(attached: &Attached, interface: &Interface, evidence: &Evidence) -> [Look; 5] {
    let Evidence { known, seen } = evidence;
    let (name, was) = (&interface.name, attached.link.mac);
    let mac_changed = interface.mac.filter(|mac| *mac != was).map(|mac| {
        Finding::problem(
            Name::InterfaceMacChanged,
            format!("{name} has another MAC now: the VIPs are still answered for with the old one"),
            format!("it was {was} when lvsd started, and is {mac}"),
            "restart lvsd".into(),
        )
    });
    let program = match (interface.xdp_program, known.program) {
        (None, _) => Some(Finding::problem(
            Name::XdpMissing,
            format!("what comes in by {name} is not forwarded"),
            format!("there is no XDP program on {name}"),
            "restart lvsd, and find out who has taken it off".into(),
        )),
        (Some(there), Some(ours)) if there != ours => Some(Finding::problem(
            Name::XdpNotOurs,
            format!("what comes in by {name} is not forwarded: somebody else's XDP program has it"),
            format!("the program on {name} has the number {there}, lvsd's {ours}"),
            format!(
                "see whose it is: bpftool prog show id {there}; take it off \
                 (ip link set {name} xdp off), and restart lvsd"
            ),
        )),
        (Some(_), _) => None,
    };
    [
        mac_changed,
        program,
        generic(attached, known, seen),
        merged(attached, seen),
        tags_hidden(interface, seen),
    ]
}

fn generic(attached: &Attached, known: &Known, seen: &Seen) -> Look {
    let is_native = |index| seen.xdp.get(index).is_some_and(|it| it.native);
    let is_generic = attached.attached_as == Some(AttachedAs::Generic);
    (is_generic && is_native(&attached.link.index)).then(|| {
        let name = &attached.link.name;
        let (why, advice) = match known.xdp_mode {
            XdpMode::Generic => ("the configuration says so", "set xdp_mode = \"auto\", then"),
            XdpMode::Auto | XdpMode::Native => (
                "it has refused when lvsd attached it",
                "lvsd has logged why (often a long MTU, LRO, or too few queues): see to that, then",
            ),
        };
        Finding::warning(
            Name::XdpGeneric,
            format!("{name} runs the XDP program in generic mode, which is far slower"),
            format!("its driver can run XDP programs, but {why}"),
            format!("{advice} `lvsd --detach-all`, and start it again"),
        )
    })
}

/// What the hardware merges comes merged to a native program; what the kernel merges (GRO) comes so
/// to a generic one (`__netif_receive_skb_core` in net/core/dev.c is after `napi_gro_receive`). A
/// merged frame is too long to be sent on.
fn merged(attached: &Attached, seen: &Seen) -> Look {
    let name = &attached.link.name;
    let on = seen.offloads.get(&attached.link.index)?;
    let is_generic = attached.attached_as == Some(AttachedAs::Generic);
    let merging = [("rx-lro", "lro"), ("rx-gro-hw", "rx-gro-hw"), ("rx-gro", "gro")];
    let found: Vec<_> = merging
        .into_iter()
        .filter(|(offload, _)| on.contains(*offload) && (*offload != "rx-gro" || is_generic))
        .map(|(_, option)| option)
        .collect();
    (!found.is_empty()).then(|| {
        let mode = attached.attached_as.map_or("none", AttachedAs::name);
        let off: String = found.iter().map(|option| format!(" {option} off")).collect();
        Finding::warning(
            Name::FramesMerged,
            format!("{name} merges frames before the XDP program sees them: they become too long"),
            format!("{} on (ethtool -k {name}), {mode} XDP", found.join(", ")),
            format!("ethtool -K {name}{off}"),
        )
    })
}

fn tags_hidden(interface: &Interface, seen: &Seen) -> Look {
    let Interface { index, name, .. } = interface;
    let is_on = seen.offloads.get(index).is_some_and(|on| on.contains("rx-vlan-hw-parse"));
    let vlans: Vec<_> = seen
        .interfaces
        .iter()
        .filter_map(|it| it.vlan_of.filter(|(parent, _)| parent == index).map(|_| &*it.name))
        .collect();
    (is_on && !vlans.is_empty()).then(|| {
        Finding::warning(
            Name::TagsHidden,
            format!("{name} takes VLAN tags off before the XDP program sees them"),
            format!("rx-vlan-offload is on (ethtool -k {name}), and it has {}", vlans.join(", ")),
            format!("ethtool -K {name} rxvlan off"),
        )
    })
}

/// What the program sends by another interface than that where it came in.
fn about_exit(exit: &Interface, evidence: &Evidence) -> Vec<Look> {
    let Evidence { known, seen } = evidence;
    let elsewhere = known.attached.iter().filter(|it| it.link.index != exit.index);
    let mut looks = Vec::new();
    let redirects = |it: &&Attached| it.attached_as == Some(AttachedAs::Native);
    if elsewhere.clone().any(|it| redirects(&it)) {
        looks.push(without_xdp(exit, seen));
    }
    for attached in elsewhere {
        let Some(from) = seen.interface(attached.link.index) else { continue };
        looks.push((from.mtu > exit.mtu).then(|| {
            Finding::warning(
                Name::MtuDiffers,
                format!("long frames that come in by {} can't leave by {}", from.name, exit.name),
                format!("the MTU of {} is {}, of {} {}", from.name, from.mtu, exit.name, exit.mtu),
                format!(
                    "ip link set {} mtu {}, if its network takes that, or ip link set {} mtu {}",
                    exit.name, from.mtu, from.name, exit.mtu
                ),
            )
        }));
    }
    looks
}

fn without_xdp(exit: &Interface, seen: &Seen) -> Look {
    let name = &exit.name;
    let advice = format!("name {name} in `interfaces`, too, and restart lvsd");
    match (seen.xdp.get(&exit.index), exit.xdp_program) {
        (Some(abilities), _) if !abilities.takes_redirected => Some(Finding::problem(
            Name::ExitWithoutXdp,
            format!("{name} does not take the frames that the XDP program sends by it"),
            "its driver says that it takes none (no NETDEV_XDP_ACT_NDO_XMIT)".into(),
            advice,
        )),
        (None, None) => Some(Finding::warning(
            Name::ExitWithoutXdp,
            format!("{name} may not take the frames that the XDP program sends by it"),
            format!("there is no XDP program on {name}, and many drivers take none without"),
            advice,
        )),
        (Some(_), _) | (None, Some(_)) => None,
    }
}

fn on_director(vip: IpAddr, evidence: &Evidence) -> Look {
    let Evidence { known, seen } = evidence;
    let found = seen.addresses.iter().find(|it| it.address == vip)?;
    let (name, prefix) = (seen.name(found.interface), found.prefix);
    let services = known.services.iter().filter(|it| it.id.address == vip);
    let checked = services.flat_map(|it| &it.members).filter(|it| it.through_vip);
    Some(
        Finding::warning(
            Name::VipOnDirector,
            format!("the VIP {vip} is on an interface of the director itself"),
            format!(
                "{vip}/{prefix} is on {name}: its kernel takes for its own what the XDP program \
                 leaves to it, and no real server can be checked through the VIP"
            ),
            format!("ip addr del {vip}/{prefix} dev {name}: the program answers for it without"),
        )
        .about(checked.map(|it| it.address)),
    )
}

/// A real server answers a check through the VIP from the VIP. A strict filter drops that where the
/// director itself would send to the VIP by another interface (ip-sysctl, rp_filter; RFC 3704).
fn about_rp_filter(known: &Known, seen: &Seen) -> Vec<Look> {
    let way = |address| known.real_servers.iter().find(|it| it.address == address)?.way;
    let checked = known.services.iter().flat_map(|service| {
        let members = service.members.iter().filter(|it| it.through_vip && it.address.is_ipv4());
        members.filter_map(|it| Some((way(it.address)?.interface, service.id.address)))
    });
    let pairs: BTreeSet<(u32, IpAddr)> = checked.collect();
    let look = |(index, vip): (u32, IpAddr)| {
        let towards = seen.routes.get(&vip).copied();
        let is_strict = seen.rp_filter.get(&index) == Some(&1);
        (is_strict && towards != Some(index)).then(|| {
            let name = seen.name(index);
            let route = match towards {
                Some(other) => format!("its kernel's way to {vip} is {}", seen.name(other)),
                None => format!("its kernel has no way to {vip}"),
            };
            let services = known.services.iter().filter(|it| it.id.address == vip);
            let members = services.flat_map(|it| &it.members);
            let members = members.filter(|it| {
                it.through_vip && way(it.address).is_some_and(|way| way.interface == index)
            });
            let members: BTreeSet<_> = members.map(|it| it.address).collect();
            Finding::problem(
                Name::RpFilter,
                format!("the director drops what real servers answer to checks through {vip}"),
                format!("rp_filter is 1 (strict) on {name}, and {route}"),
                format!(
                    "sysctl -w net.ipv4.conf.{}.rp_filter=2, or route {vip} to {name}",
                    name.replace('.', "/")
                ),
            )
            .about(members)
        })
    };
    pairs.into_iter().map(look).collect()
}

fn about_clock(clock: &Clock) -> [Look; 2] {
    let behind = clock.built.filter(|built| *built > clock.now).map(|built| {
        let [now, built] = [clock.now, built].map(humantime::format_rfc3339_seconds);
        Finding::problem(
            Name::ClockBehind,
            "the clock is wrong: logs lie, and certificates are not good yet".into(),
            format!("it says {now}, and this lvsd is from {built}"),
            "set it, and run chrony or systemd-timesyncd".into(),
        )
    });
    let unsynchronised = clock.off_by.map(|most| {
        Finding::warning(
            Name::ClockNotSynchronised,
            "nothing keeps the clock right: logs and certificates go by it".into(),
            format!("the kernel says that it is not synchronised, and may be off by {most:?}"),
            "run chrony or systemd-timesyncd".into(),
        )
    });
    [behind, unsynchronised]
}

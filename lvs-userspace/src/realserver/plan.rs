//! What is to be changed so that a machine is a real server, and what to put it back. Pure.
//!
//! What was there before is not ours: an address that is on loopback already, a setting that is
//! right already, are not recorded, and so stay when all is put back.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use serde::{Deserialize, Serialize};

use crate::net::netlink::{Interface, InterfaceAddress, host_prefix};

/// Which ARP requests are answered, and what is told in our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arp {
    /// `arp_ignore`: whether an address is answered for that is on another interface.
    Ignore,
    /// `arp_announce`: whether an address of another interface is told in requests.
    Announce,
}

impl Arp {
    pub(super) const ALL: [Self; 2] = [Self::Ignore, Self::Announce];

    /// Its name in /proc/sys/net/ipv4/conf/*.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ignore => "arp_ignore",
            Self::Announce => "arp_announce",
        }
    }

    /// The value that it is given.
    pub(super) const fn wanted(self) -> i32 {
        match self {
            Self::Ignore => 1,
            Self::Announce => 2,
        }
    }

    /// Whether a value keeps quiet about VIPs (arp_ignore in net/ipv4/arp.c; 3 only does if they
    /// have the scope of the host, and 4 to 7 are as 0).
    pub(super) const fn is_quiet(self, value: i32) -> bool {
        match self {
            Self::Ignore => matches!(value, 1 | 2 | 8),
            Self::Announce => value == 2,
        }
    }
}

/// The settings that are changed, as files under /proc/sys, and what they are about.
pub(super) const SETTINGS: [(&str, Arp); 4] = [
    ("net/ipv4/conf/all/arp_ignore", Arp::Ignore),
    ("net/ipv4/conf/lo/arp_ignore", Arp::Ignore),
    ("net/ipv4/conf/all/arp_announce", Arp::Announce),
    ("net/ipv4/conf/lo/arp_announce", Arp::Announce),
];

/// A machine's network, as far as this is about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) interfaces: Vec<Interface>,
    pub(super) addresses: Vec<InterfaceAddress>,
    /// Values of [`SETTINGS`], and of the same and rp_filter for each interface.
    pub(super) settings: BTreeMap<String, i32>,
    /// Interfaces of the IPv4 default routes.
    pub(super) default_routes: Vec<u32>,
}

impl Seen {
    pub(super) fn loopback(&self) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| interface.loopback)
    }

    /// Whether an address is on loopback, with any prefix.
    fn on_loopback(&self, address: IpAddr) -> impl Iterator<Item = &InterfaceAddress> {
        let loopback = self.loopback().map(|it| it.index);
        self.addresses
            .iter()
            .filter(move |it| it.address == address && Some(it.interface) == loopback)
    }

    /// Whether an address is on loopback so that adding it would change nothing.
    pub(super) fn has_vip(&self, vip: IpAddr) -> bool {
        // IPv6 has an address but once on an interface, whatever its prefix.
        self.on_loopback(vip).any(|it| vip.is_ipv6() || it.prefix == host_prefix(vip))
    }
}

/// What has been changed, or was about to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Changed {
    /// Addresses that were put on loopback.
    pub(super) addresses: BTreeSet<IpAddr>,
    /// Settings that were given another value, by their file under /proc/sys.
    pub(super) settings: BTreeMap<String, Values>,
}

impl Changed {
    pub(super) fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.settings.is_empty()
    }

    /// Forgets what is as it was: it was recorded, but never done, or somebody else has undone it.
    pub(super) fn forget_undone(&mut self, seen: &Seen) {
        self.addresses.retain(|address| {
            seen.on_loopback(*address).any(|it| it.prefix == host_prefix(*address))
        });
        self.settings.retain(|setting, values| seen.settings.get(setting) != Some(&values.was));
    }

    /// Forgets what has been put back.
    pub(super) fn forget(&mut self, change: &Change) {
        match change {
            Change::Remove(address) => {
                self.addresses.remove(address);
            }
            Change::Restore { setting, .. } | Change::Leave { setting, .. } => {
                self.settings.remove(setting);
            }
            Change::Set { .. } | Change::Add(_) => {}
        }
    }
}

/// The values of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Values {
    /// What it was.
    pub(super) was: i32,
    /// What it was given.
    pub(super) set: i32,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Give a setting a value.
    Set { setting: String, value: i32 },
    /// Put an address on loopback.
    Add(IpAddr),
    /// Take an address off loopback.
    Remove(IpAddr),
    /// Give a setting the value back that it had.
    Restore { setting: String, value: i32 },
    /// Forget a setting: somebody else has changed it since.
    Leave { setting: String, value: i32 },
}

/// What makes a real server with these VIPs out of a machine of which `changed` has been changed
/// already: what there is to record first, and then the steps.
pub(super) fn up(vips: &[IpAddr], seen: &Seen, changed: &Changed) -> (Changed, Vec<Change>) {
    let mut record = changed.clone();
    let mut steps = Vec::new();
    // The network is to hear nothing of the VIPs, so the settings come before them.
    if vips.iter().any(IpAddr::is_ipv4) {
        for (setting, arp) in SETTINGS {
            let Some(&now) = seen.settings.get(setting) else { continue };
            let set = arp.wanted();
            if arp.is_quiet(now) {
                continue;
            }
            let was = changed.settings.get(setting).map_or(now, |values| values.was);
            record.settings.insert(setting.to_owned(), Values { was, set });
            steps.push(Change::Set { setting: setting.to_owned(), value: set });
        }
    }
    for &vip in vips {
        if !seen.has_vip(vip) {
            record.addresses.insert(vip);
            steps.push(Change::Add(vip));
        }
    }
    // VIPs that it had under an earlier configuration.
    let mut others = changed.clone();
    others.addresses.retain(|address| !vips.contains(address));
    if vips.iter().any(IpAddr::is_ipv4) {
        others.settings.clear();
    }
    steps.extend(down(seen, &others));
    (record, steps)
}

/// What puts back what has been changed, in the order that keeps the network from hearing of VIPs.
pub(super) fn down(seen: &Seen, changed: &Changed) -> Vec<Change> {
    let addresses = changed.addresses.iter().map(|address| Change::Remove(*address));
    let settings = changed.settings.iter().map(|(setting, values)| {
        let setting = setting.clone();
        match seen.settings.get(&setting) {
            Some(&now) if now != values.set => Change::Leave { setting, value: now },
            Some(_) | None => Change::Restore { setting, value: values.was },
        }
    });
    addresses.chain(settings).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: &str = "192.0.2.10";
    const V6: &str = "2001:db8::10";

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn machine(settings: [i32; 4], addresses: &[(&str, u8)]) -> Seen {
        Seen {
            interfaces: vec![Interface {
                index: 1,
                name: "lo".into(),
                up: true,
                loopback: true,
                ..Interface::default()
            }],
            addresses: addresses
                .iter()
                .map(|(text, prefix)| InterfaceAddress {
                    interface: 1,
                    address: ip(text),
                    prefix: *prefix,
                })
                .collect(),
            settings: SETTINGS.iter().map(|it| it.0.to_owned()).zip(settings).collect(),
            default_routes: Vec::new(),
        }
    }

    /// Carries steps out.
    fn carry_out(mut seen: Seen, steps: &[Change]) -> Seen {
        for step in steps {
            match step {
                Change::Set { setting, value } | Change::Restore { setting, value } => {
                    seen.settings.insert(setting.clone(), *value);
                }
                Change::Add(address) => seen.addresses.push(InterfaceAddress {
                    interface: 1,
                    address: *address,
                    prefix: host_prefix(*address),
                }),
                Change::Remove(address) => seen
                    .addresses
                    .retain(|it| it.address != *address || it.prefix != host_prefix(*address)),
                Change::Leave { .. } => {}
            }
        }
        seen
    }

    #[test]
    fn all_is_put_back_and_what_was_there_stays() {
        let vips = [ip(V4), ip(V6)];
        for settings in [[0, 0, 0, 0], [1, 0, 2, 0], [8, 3, 1, 2], [1, 1, 2, 2]] {
            for addresses in [&[][..], &[(V4, 32)], &[(V6, 128), (V4, 24)], &[(V6, 64)]] {
                let before = machine(settings, addresses);
                let (record, steps) = up(&vips, &before, &Changed::default());
                let after = carry_out(before.clone(), &steps);
                assert!(vips.iter().all(|vip| after.has_vip(*vip)));
                for (setting, arp) in SETTINGS {
                    assert!(arp.is_quiet(after.settings[setting]), "{setting} in {after:?}");
                }
                assert_eq!(carry_out(after.clone(), &down(&after, &record)), before);
                // Killed at any step, and ended or run again.
                for done in 0..=steps.len() {
                    let killed = carry_out(before.clone(), &steps[..done]);
                    assert_eq!(carry_out(killed.clone(), &down(&killed, &record)), before);
                    let (again, rest) = up(&vips, &killed, &record);
                    assert_eq!(again, record);
                    assert_eq!(carry_out(killed, &rest), after);
                }
            }
        }
    }

    #[test]
    fn settings_come_before_addresses_and_go_after_them() {
        let before = machine([0; 4], &[]);
        let (record, steps) = up(&[ip(V4)], &before, &Changed::default());
        assert_eq!(steps.last(), Some(&Change::Add(ip(V4))));
        let steps = down(&carry_out(before, &steps), &record);
        assert_eq!(steps.first(), Some(&Change::Remove(ip(V4))));
        assert_eq!(steps.len(), 5);
    }

    #[test]
    fn ipv6_alone_needs_no_settings() {
        let (record, steps) = up(&[ip(V6)], &machine([0; 4], &[]), &Changed::default());
        assert_eq!(steps, [Change::Add(ip(V6))]);
        assert!(record.settings.is_empty());
    }

    #[test]
    fn what_is_no_longer_wanted_is_put_back() {
        let before = machine([0; 4], &[]);
        let (mut record, steps) = up(&[ip(V4)], &before, &Changed::default());
        let killed = carry_out(before, &steps);
        let (mut again, steps) = up(&[ip(V6)], &killed, &record);
        let after = carry_out(killed, &steps);
        assert_eq!(after, machine([0; 4], &[(V6, 128)]));
        steps.iter().for_each(|step| again.forget(step));
        record = Changed { addresses: [ip(V6)].into(), settings: BTreeMap::new() };
        assert_eq!(again, record);
    }

    #[test]
    fn a_setting_that_somebody_else_has_changed_is_left() {
        let before = machine([0; 4], &[]);
        let (mut record, steps) = up(&[ip(V4)], &before, &Changed::default());
        let mut after = carry_out(before, &steps);
        after.settings.insert(SETTINGS[0].0.to_owned(), 8);
        let steps = down(&after, &record);
        let left = Change::Leave { setting: SETTINGS[0].0.to_owned(), value: 8 };
        assert!(steps.contains(&left), "{steps:?}");
        assert_eq!(carry_out(after, &steps), machine([8, 0, 0, 0], &[]));
        steps.iter().for_each(|step| record.forget(step));
        assert!(record.is_empty());
    }

    #[test]
    fn what_was_never_done_or_is_undone_needs_nothing() {
        let before = machine([0; 4], &[(V6, 64)]);
        let (record, steps) = up(&[ip(V4)], &before, &Changed::default());
        let mut undone = record.clone();
        undone.addresses.insert(ip(V6));
        undone.forget_undone(&before);
        assert!(undone.is_empty(), "{undone:?}");
        let mut done = record.clone();
        done.forget_undone(&carry_out(before, &steps));
        assert_eq!(done, record);
    }
}

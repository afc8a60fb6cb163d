//! The kernel's ways to a VIP at one real server. Pure: what is wanted comes in, what to ask of the
//! kernel comes out.
//!
//! A check through the VIP is a connection of the director's own kernel to the VIP, whose packets
//! carry a mark. A rule for each real server sends what carries its mark by a table of its own, where
//! the real server is the router to the VIP: so the frame goes to its MAC, as those of clients do. The
//! real server answers from the VIP to the director's own address, which the XDP program hands to the
//! kernel, as all that is not for a VIP.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// Marks, and the tables of the same number, are this and the number of the real server: "LV".
pub const FIRST: u32 = 0x4c56_0000;
/// So many real servers can be checked through VIPs.
const MOST: u32 = 0x1_0000;

/// Whether a mark or a table is one of these.
#[must_use]
pub const fn is_ours(number: u32) -> bool {
    number & !(MOST - 1) == FIRST
}

/// Something that the kernel has, or should have. Routes come before the rules that lead to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entry {
    /// In the table, the real server is the router to the VIP.
    Route {
        /// The table.
        mark: u32,
        /// The VIP.
        vip: IpAddr,
        /// The real server.
        real_server: IpAddr,
        /// Interface that it is reached by.
        interface: u32,
    },
    /// What carries the mark goes by the table of the same number; for IPv6 or IPv4.
    Rule {
        /// The mark.
        mark: u32,
        /// Whether it is for IPv6.
        ipv6: bool,
    },
}

/// A change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// To have it.
    Add(Entry),
    /// To have it no longer.
    Remove(Entry),
}

/// What the kernel has been told.
#[derive(Debug, Default)]
pub struct VipRoutes {
    marks: BTreeMap<IpAddr, u32>,
    entries: BTreeSet<Entry>,
    /// Of these the kernel may have lost something.
    doubted: BTreeSet<u32>,
}

impl Entry {
    const fn mark(&self) -> u32 {
        match self {
            Self::Route { mark, .. } | Self::Rule { mark, .. } => *mark,
        }
    }
}

impl VipRoutes {
    /// The mark of packets to VIPs at a real server, as soon as there is a way.
    #[must_use]
    pub fn mark(&self, real_server: IpAddr) -> Option<u32> {
        let mark = *self.marks.get(&real_server)?;
        self.entries.contains(&Entry::Rule { mark, ipv6: real_server.is_ipv6() }).then_some(mark)
    }

    /// The marks of all real servers that there is a way to.
    pub fn marks(&self) -> impl Iterator<Item = (IpAddr, u32)> {
        let addresses = self.marks.keys();
        addresses.filter_map(|&real_server| Some((real_server, self.mark(real_server)?)))
    }

    /// What to change so that there is a way through these interfaces: real server, VIP, interface.
    pub fn plan(&mut self, ways: impl Iterator<Item = (IpAddr, IpAddr, u32)>) -> Vec<Step> {
        let ways: Vec<_> = ways.collect();
        let here: BTreeSet<_> = ways.iter().map(|(real_server, ..)| *real_server).collect();
        self.marks.retain(|real_server, _| here.contains(real_server));
        let mut wanted = BTreeSet::new();
        for (real_server, vip, interface) in ways {
            let Some(mark) = self.number(real_server) else { continue };
            wanted.insert(Entry::Rule { mark, ipv6: real_server.is_ipv6() });
            wanted.insert(Entry::Route { mark, vip, real_server, interface });
        }
        let doubted = std::mem::take(&mut self.doubted);
        self.entries.retain(|it| !(doubted.contains(&it.mark()) && wanted.contains(it)));
        let gone = self.entries.difference(&wanted).copied().map(Step::Remove);
        let new = wanted.difference(&self.entries).copied().map(Step::Add);
        gone.chain(new).collect()
    }

    /// Takes note of a change that was made.
    pub fn note(&mut self, step: &Step) {
        match step {
            Step::Add(entry) => self.entries.insert(*entry),
            Step::Remove(entry) => self.entries.remove(entry),
        };
    }

    /// The kernel may have lost the ways through a real server: its routes when a link goes down, its rules
    /// when somebody clears away those of others. They are to be set again with the next plan.
    pub fn doubt(&mut self, real_server: IpAddr) {
        self.doubted.extend(self.marks.get(&real_server));
    }

    fn number(&mut self, real_server: IpAddr) -> Option<u32> {
        if let Some(&mark) = self.marks.get(&real_server) {
            return Some(mark);
        }
        let taken: BTreeSet<_> = self.marks.values().copied().collect();
        let mark = (FIRST + 1..FIRST + MOST).find(|mark| !taken.contains(mark))?;
        self.marks.insert(real_server, mark);
        Some(mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: u8) -> IpAddr {
        [10, 77, 0, host].into()
    }

    /// Plans, and does it all.
    fn change(routes: &mut VipRoutes, ways: &[(u8, u8, u32)]) -> Vec<Step> {
        let ways = ways.iter().map(|&(real, vip, index)| (address(real), address(vip), index));
        let steps = routes.plan(ways);
        steps.iter().for_each(|step| routes.note(step));
        steps
    }

    #[test]
    fn what_stays_is_not_touched() {
        let mut routes = VipRoutes::default();
        let (mark, real_server) = (FIRST + 1, address(11));
        let rule = Entry::Rule { mark, ipv6: false };
        let route =
            |vip, interface| Entry::Route { mark, vip: address(vip), real_server, interface };
        assert_eq!(routes.mark(address(11)), None);
        let steps = change(&mut routes, &[(11, 100, 2)]);
        assert_eq!(steps, [Step::Add(route(100, 2)), Step::Add(rule)]);
        assert_eq!(routes.mark(address(11)), Some(mark));
        assert_eq!(change(&mut routes, &[(11, 100, 2)]), []);

        let steps = change(&mut routes, &[(11, 100, 3), (11, 101, 3)]);
        let expected =
            [Step::Remove(route(100, 2)), Step::Add(route(100, 3)), Step::Add(route(101, 3))];
        assert_eq!(steps, expected);

        let steps = change(&mut routes, &[(12, 100, 2)]);
        assert_eq!(steps.len(), 3, "two routes gone, one new, and the number goes on: {steps:?}");
        assert_eq!(routes.mark(address(11)), None);
        assert_eq!(change(&mut routes, &[]).len(), 2);
        assert!(routes.entries.is_empty() && routes.marks.is_empty());
    }

    #[test]
    fn two_real_servers_have_two_marks() {
        let mut routes = VipRoutes::default();
        change(&mut routes, &[(11, 100, 2), (12, 100, 2)]);
        let marks = [11, 12].map(|host| routes.mark(address(host)).unwrap());
        assert_ne!(marks[0], marks[1]);
        assert!(marks.into_iter().all(is_ours) && !is_ours(0) && !is_ours(254));
    }

    #[test]
    fn what_is_doubted_is_set_again_and_nothing_else() {
        let mut routes = VipRoutes::default();
        let both = [(11, 100, 2), (12, 100, 2)];
        change(&mut routes, &both);
        routes.doubt(address(12));
        routes.doubt(address(13));
        let mark = routes.mark(address(12)).unwrap();
        let steps = change(&mut routes, &both);
        let all_of_12 = steps.iter().all(|it| matches!(it, Step::Add(it) if it.mark() == mark));
        assert!(steps.len() == 2 && all_of_12, "{steps:?}");
        assert_eq!(routes.mark(address(12)), Some(mark));
        assert_eq!(change(&mut routes, &both), []);
        // What is not wanted any more is still removed.
        routes.doubt(address(12));
        let steps = change(&mut routes, &[(11, 100, 2)]);
        assert!(steps.len() == 2 && steps.iter().all(|it| matches!(it, Step::Remove(_))));
    }

    #[test]
    fn what_the_kernel_refused_is_tried_again() {
        let mut routes = VipRoutes::default();
        let ways = || [(address(11), address(100), 2)].into_iter();
        let steps = routes.plan(ways());
        routes.note(&steps[0]);
        assert_eq!(routes.mark(address(11)), None, "no rule yet");
        assert_eq!(routes.plan(ways()), steps[1..]);
    }
}

//! Keeps knowing the MACs of the real servers. Pure: time and the kernel's news come in, what to
//! ask of the kernel comes out.
//!
//! The director itself sends nothing to the real servers, so its kernel would neither find their
//! MACs nor notice that one has changed. Every [`CONFIRM`], a known neighbour is probed as the
//! kernel does it (RFC 4861, section 7.3, the same states for ARP): one unicast to the MAC that is
//! known. If nothing confirms it within [`PATIENCE`], the entry is forgotten and asked for anew, by
//! broadcast; so another MAC is found at the latest `CONFIRM` + `PATIENCE` + [`TICK`] after a
//! change that nobody announced.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::{Duration, Instant},
};

use crate::model::MacAddr;

/// How often [`Neighbours::tick`] wants to be called.
pub const TICK: Duration = Duration::from_millis(200);
/// How long a confirmation counts.
const CONFIRM: Duration = Duration::from_millis(1000);
/// How long a probe may stay without an answer.
const PATIENCE: Duration = Duration::from_millis(300);
/// How often a neighbour that nobody knows is asked for.
const RETRY: Duration = Duration::from_secs(1);

/// What the kernel knows of a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeighbourState {
    /// It answered just now.
    Confirmed(MacAddr),
    /// An administrator has set it; nobody needs to ask.
    Permanent(MacAddr),
    /// It was there before.
    Unconfirmed(MacAddr),
    /// It does not answer.
    Failed,
}

/// What to ask of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// See whether the neighbour still has this MAC.
    Probe(IpAddr, MacAddr),
    /// Find out the neighbour's MAC.
    Resolve(IpAddr),
    /// Forget what is known, then find out the MAC.
    ForgetAndResolve(IpAddr),
}

/// The neighbours that are watched.
#[derive(Debug, Default)]
pub struct Neighbours {
    watched: BTreeMap<IpAddr, Watch>,
}

#[derive(Clone, Copy, Debug)]
struct Watch {
    mac: Option<MacAddr>,
    phase: Phase,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Confirmed { at: Instant },
    Probed { at: Instant },
    Asked { at: Instant },
    NeverAsked,
    Permanent,
}

impl Neighbours {
    /// Watches these addresses from now on, and no others. What is known of one that was watched
    /// before stays known.
    pub fn watch(&mut self, addresses: &BTreeSet<IpAddr>) {
        let nothing = Watch { mac: None, phase: Phase::NeverAsked };
        self.watched.retain(|address, _| addresses.contains(address));
        for &address in addresses {
            self.watched.entry(address).or_insert(nothing);
        }
    }

    /// Watches this address, too.
    pub fn watch_also(&mut self, address: IpAddr) {
        self.watched.entry(address).or_insert(Watch { mac: None, phase: Phase::NeverAsked });
    }

    /// Takes in news from the kernel; `Some` is the new MAC, or that there is none any more, when
    /// that has changed.
    pub fn news(
        &mut self,
        address: IpAddr,
        state: NeighbourState,
        now: Instant,
    ) -> Option<Option<MacAddr>> {
        let watch = self.watched.get_mut(&address)?;
        let mac = match state {
            NeighbourState::Confirmed(mac) => {
                watch.phase = Phase::Confirmed { at: now };
                Some(mac)
            }
            NeighbourState::Permanent(mac) => {
                watch.phase = Phase::Permanent;
                Some(mac)
            }
            NeighbourState::Unconfirmed(mac) => {
                if matches!(watch.phase, Phase::Permanent) {
                    watch.phase = Phase::NeverAsked;
                }
                Some(mac)
            }
            NeighbourState::Failed => {
                if matches!(watch.phase, Phase::Permanent) {
                    watch.phase = Phase::NeverAsked;
                }
                None
            }
        };
        let changed = watch.mac != mac;
        watch.mac = mac;
        changed.then_some(mac)
    }

    /// Those whose MAC is known.
    pub fn known(&self) -> impl Iterator<Item = (IpAddr, MacAddr)> {
        self.watched.iter().filter_map(|(&address, watch)| Some((address, watch.mac?)))
    }

    /// What is to be asked now.
    pub fn tick(&mut self, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        for (&address, watch) in &mut self.watched {
            let passed = |since: Instant, limit| now.duration_since(since) >= limit;
            let due = match watch.phase {
                Phase::Permanent => false,
                Phase::NeverAsked => true,
                Phase::Confirmed { at } => passed(at, CONFIRM),
                Phase::Probed { at } => passed(at, PATIENCE),
                Phase::Asked { at } => passed(at, RETRY),
            };
            if !due {
                continue;
            }
            let (action, phase) = match (watch.mac, watch.phase) {
                (Some(_), Phase::Probed { .. }) => {
                    (Action::ForgetAndResolve(address), Phase::Asked { at: now })
                }
                (Some(mac), _) => (Action::Probe(address, mac), Phase::Probed { at: now }),
                (None, _) => (Action::Resolve(address), Phase::Asked { at: now }),
            };
            watch.phase = phase;
            actions.push(action);
        }
        actions
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 11));
    const OLD: MacAddr = MacAddr([2, 0, 0, 0, 0, 11]);
    const NEW: MacAddr = MacAddr([2, 0, 0, 0, 0, 99]);

    fn watching() -> Neighbours {
        let mut neighbours = Neighbours::default();
        neighbours.watch(&BTreeSet::from([SERVER]));
        neighbours
    }

    /// A real server, seen through its kernel: answers a probe to its own MAC, and any broadcast.
    fn answer(action: Action, mac: Option<MacAddr>) -> Option<NeighbourState> {
        match action {
            Action::Probe(_, probed) => {
                mac.filter(|mac| *mac == probed).map(NeighbourState::Confirmed)
            }
            Action::Resolve(_) | Action::ForgetAndResolve(_) => {
                Some(mac.map_or(NeighbourState::Failed, NeighbourState::Confirmed))
            }
        }
    }

    #[test]
    fn another_mac_is_found_within_two_seconds_whenever_it_changes() {
        for changes_after_ms in (0..3000).step_by(50) {
            let start = Instant::now();
            let mut neighbours = watching();
            let mut known = None;
            let mut changed_at = None;
            for ms in (0..6000).step_by(TICK.as_millis() as usize) {
                let now = start + Duration::from_millis(ms);
                let mac = if ms >= changes_after_ms { NEW } else { OLD };
                if mac == NEW {
                    changed_at.get_or_insert(ms);
                }
                for action in neighbours.tick(now) {
                    if let Some(state) = answer(action, Some(mac))
                        && let Some(mac) = neighbours.news(SERVER, state, now)
                    {
                        known = mac;
                    }
                }
                if changed_at.is_some_and(|at| ms >= at + 1600) {
                    assert_eq!(known, Some(NEW), "changed at {changed_at:?}, now {ms}");
                }
            }
        }
    }

    #[test]
    fn who_does_not_answer_is_asked_once_a_second() {
        let start = Instant::now();
        let mut neighbours = watching();
        let asked: Vec<_> = (0..5).flat_map(|n| neighbours.tick(start + n * RETRY / 2)).collect();
        assert_eq!(asked, [Action::Resolve(SERVER); 3]);
    }

    #[test]
    fn a_permanent_entry_is_believed() {
        let now = Instant::now();
        let mut neighbours = watching();
        assert_eq!(neighbours.news(SERVER, NeighbourState::Permanent(OLD), now), Some(Some(OLD)));
        assert_eq!(neighbours.tick(now + Duration::from_secs(60)), []);
        assert_eq!(neighbours.news(SERVER, NeighbourState::Failed, now), Some(None));
        assert_eq!(neighbours.tick(now), [Action::Resolve(SERVER)]);
    }

    #[test]
    fn what_is_known_stays_known_while_it_is_watched() {
        let now = Instant::now();
        let other = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 12));
        let mut neighbours = watching();
        neighbours.news(SERVER, NeighbourState::Confirmed(OLD), now);
        neighbours.watch(&BTreeSet::from([SERVER, other]));
        assert_eq!(neighbours.known().collect::<Vec<_>>(), [(SERVER, OLD)]);
        assert_eq!(neighbours.tick(now), [Action::Resolve(other)]);
        neighbours.watch(&BTreeSet::from([other]));
        assert_eq!(neighbours.known().count(), 0);
    }

    #[test]
    fn news_of_others_is_no_news() {
        let mut neighbours = watching();
        let other = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 12));
        assert_eq!(neighbours.news(other, NeighbourState::Confirmed(OLD), Instant::now()), None);
    }
}

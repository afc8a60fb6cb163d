//! Numbers for names.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Range,
    time::Instant,
};

use super::ranges::GRACE;

/// Gives each name a number of a range for as long as it stays.
#[derive(Clone, Debug)]
pub(super) struct Ids<K> {
    given: BTreeMap<K, u32>,
    /// Numbers that were never given start here.
    fresh: Range<u32>,
    /// Numbers given back, the longest ago first.
    back: VecDeque<(Instant, u32)>,
}

impl<K: Ord + Copy> Ids<K> {
    pub(super) fn new(range: Range<u32>) -> Self {
        Self { given: BTreeMap::new(), fresh: range, back: VecDeque::new() }
    }

    pub(super) fn get(&self, name: &K) -> Option<u32> {
        self.given.get(name).copied()
    }

    /// The number of `name`, a new one if it has none; `None` if there is none left.
    pub(super) fn place(&mut self, name: K, now: Instant) -> Option<u32> {
        if let Some(number) = self.get(&name) {
            return Some(number);
        }
        // A packet may still be on its way by a number that was just given back.
        let rested =
            self.back.front().is_some_and(|(since, _)| now.duration_since(*since) >= GRACE);
        let mut back = || self.back.pop_front().map(|(_, number)| number);
        let number = if rested { back() } else { self.fresh.next().or_else(back) }?;
        self.given.insert(name, number);
        Some(number)
    }

    /// Takes back the numbers of the names that do not stay.
    pub(super) fn retain(&mut self, stays: impl Fn(&K) -> bool, now: Instant) {
        let leaving: BTreeSet<K> = self.given.keys().filter(|name| !stays(name)).copied().collect();
        for name in leaving {
            if let Some(number) = self.given.remove(&name) {
                self.back.push_back((now, number));
            }
        }
    }
}

//! Numbers for names.
//!
//! A number that was given back rests before it is given again: something may still go by it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    ops::Range,
    time::{Duration, Instant},
};

/// Gives each name a number of a range for as long as it stays.
#[derive(Clone, Debug)]
pub(super) struct Ids<K> {
    given: BTreeMap<K, u32>,
    names: HashMap<u32, K>,
    /// Numbers that were never given start here; some of them may have been restored.
    fresh: Range<u32>,
    /// Numbers given back, the longest ago first.
    back: VecDeque<(Instant, u32)>,
    /// So long a number rests before it is given again.
    rest: Duration,
}

impl<K: Ord + Copy> Ids<K> {
    pub(super) fn new(range: Range<u32>, rest: Duration) -> Self {
        Self {
            given: BTreeMap::new(),
            names: HashMap::new(),
            fresh: range,
            back: VecDeque::new(),
            rest,
        }
    }

    pub(super) fn get(&self, name: &K) -> Option<u32> {
        self.given.get(name).copied()
    }

    pub(super) fn name(&self, number: u32) -> Option<&K> {
        self.names.get(&number)
    }

    /// Gives a name the number that it had before; says whether that was possible.
    pub(super) fn restore(&mut self, name: K, number: u32) -> bool {
        let free = !self.given.contains_key(&name)
            && !self.names.contains_key(&number)
            && self.fresh.contains(&number);
        if free {
            self.given.insert(name, number);
            self.names.insert(number, name);
        }
        free
    }

    /// The number of `name`, a new one if it has none; `None` if there is none left.
    pub(super) fn place(&mut self, name: K, now: Instant) -> Option<u32> {
        if let Some(number) = self.get(&name) {
            return Some(number);
        }
        let rested =
            self.back.front().is_some_and(|(since, _)| now.duration_since(*since) >= self.rest);
        let number = if rested {
            self.back.pop_front().map(|(_, number)| number)
        } else {
            self.fresh.find(|number| !self.names.contains_key(number))
        }?;
        self.given.insert(name, number);
        self.names.insert(number, name);
        Some(number)
    }

    /// Takes back the numbers of the names that do not stay.
    pub(super) fn retain(&mut self, stays: impl Fn(&K) -> bool, now: Instant) {
        let leaving: BTreeSet<K> = self.given.keys().filter(|name| !stays(name)).copied().collect();
        for name in leaving {
            if let Some(number) = self.given.remove(&name) {
                self.names.remove(&number);
                self.back.push_back((now, number));
            }
        }
    }
}

//! Runs of neighbouring numbers.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// How long a place rests before it is given again. A packet that looked it up is gone after
/// microseconds; this is far more.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// Gives out runs of the numbers below a limit.
#[derive(Clone, Debug)]
pub(super) struct Ranges {
    /// Free runs: start to length. Neighbours are merged.
    free: BTreeMap<u32, u32>,
    /// Runs that were given back a short while ago: since when, start, length.
    resting: Vec<(Instant, u32, u32)>,
}

impl Ranges {
    pub(super) fn new(limit: u32) -> Self {
        Self { free: BTreeMap::from([(0, limit)]), resting: Vec::new() }
    }

    /// The start of a run of `length`; `None` if there is no such run left. Before that it takes what
    /// has not rested long enough, but nothing that was given back just now: until the maps are
    /// written, every packet goes by it.
    pub(super) fn take(&mut self, length: u32, now: Instant) -> Option<u32> {
        if length == 0 {
            return Some(0);
        }
        self.wake(|since| now.duration_since(since) >= GRACE);
        self.take_first_fit(length).or_else(|| {
            self.wake(|since| since < now);
            self.take_first_fit(length)
        })
    }

    /// Takes the run of `length` at `start`; says whether it was free.
    pub(super) fn take_at(&mut self, start: u32, length: u32) -> bool {
        let Some((&first, &free)) = self.free.range(..=start).next_back() else { return false };
        let (end, free_end) = (u64::from(start) + u64::from(length), first + free);
        if length == 0 || end > u64::from(free_end) {
            return false;
        }
        self.free.remove(&first);
        for (from, to) in [(first, start), (start + length, free_end)] {
            if from < to {
                self.free.insert(from, to - from);
            }
        }
        true
    }

    pub(super) fn give_back(&mut self, start: u32, length: u32, now: Instant) {
        if length > 0 {
            self.resting.push((now, start, length));
        }
    }

    fn take_first_fit(&mut self, length: u32) -> Option<u32> {
        let (&start, &free) = self.free.iter().find(|&(_, &free)| free >= length)?;
        self.free.remove(&start);
        if free > length {
            self.free.insert(start + length, free - length);
        }
        Some(start)
    }

    /// Frees the resting runs that have rested.
    fn wake(&mut self, rested: impl Fn(Instant) -> bool) {
        let resting = std::mem::take(&mut self.resting);
        for (since, start, length) in resting {
            if rested(since) {
                self.free(start, length);
            } else {
                self.resting.push((since, start, length));
            }
        }
    }

    fn free(&mut self, mut start: u32, mut length: u32) {
        if let Some((&before, &its)) = self.free.range(..start).next_back()
            && before + its == start
        {
            self.free.remove(&before);
            start = before;
            length += its;
        }
        if let Some(its) = self.free.remove(&(start + length)) {
            length += its;
        }
        self.free.insert(start, length);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn runs_never_overlap_and_all_come_back(
            steps in prop::collection::vec((1u32..40, any::<prop::sample::Index>(), any::<bool>()), 1..200),
        ) {
            let mut now = Instant::now();
            let mut ranges = Ranges::new(500);
            let mut taken: Vec<(u32, u32)> = Vec::new();
            for (length, which, give) in steps {
                now += Duration::from_millis(300);
                if give && !taken.is_empty() {
                    let (start, length) = taken.swap_remove(which.index(taken.len()));
                    ranges.give_back(start, length, now);
                } else if let Some(start) = ranges.take(length, now) {
                    prop_assert!(start + length <= 500);
                    for &(other, its) in &taken {
                        prop_assert!(start + length <= other || other + its <= start);
                    }
                    taken.push((start, length));
                }
            }
            for (start, length) in taken {
                ranges.give_back(start, length, now);
            }
            prop_assert_eq!(ranges.take(500, now + GRACE), Some(0));
        }
    }

    #[test]
    fn a_run_can_be_taken_where_it_was() {
        let now = Instant::now();
        let mut ranges = Ranges::new(20);
        assert!(ranges.take_at(5, 10));
        for (start, length) in [(5, 1), (14, 2), (0, 6), (15, 6), (20, 1), (3, 0), (4, u32::MAX)] {
            assert!(!ranges.take_at(start, length), "{start} {length}");
        }
        assert!(ranges.take_at(15, 5));
        assert_eq!(ranges.take(5, now), Some(0));
        assert_eq!(ranges.take(1, now), None);
    }

    #[test]
    fn a_run_rests_before_it_is_given_again() {
        let now = Instant::now();
        let mut ranges = Ranges::new(20);
        let first = ranges.take(5, now).unwrap();
        ranges.give_back(first, 5, now);
        assert_ne!(ranges.take(5, now), Some(first));
        assert_eq!(ranges.take(5, now + GRACE), Some(first));

        // When there is nothing else, it need not rest so long, but until the maps are written.
        ranges.give_back(first, 5, now + GRACE);
        assert_eq!(ranges.take(10, now + GRACE), Some(10));
        assert_eq!(ranges.take(5, now + GRACE), None);
        assert_eq!(ranges.take(5, now + GRACE + Duration::from_millis(1)), Some(first));
    }
}

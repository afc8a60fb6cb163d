//! Finds out when the program's counts of connections are off for good.
//!
//! A sweep takes time, and connections come and go meanwhile, so that what it has counted and what
//! the program counts seldom agree to the last one. But a difference that is there at every sweep,
//! always to the same side, is an error, and the smallest of them is the part that is certain.

use std::collections::HashMap;

use crate::dataplane::sweep::Count;

/// So many sweeps in a row must agree.
const SWEEPS: usize = 2;

/// The differences that were seen last, by the index of the real server.
#[derive(Debug, Default)]
pub(super) struct Drift(HashMap<u32, Vec<(i64, i64)>>);

impl Drift {
    /// What to add to the program's active and inactive counts, if they are off.
    pub(super) fn correction(
        &mut self,
        index: u32,
        held: Count,
        counted: Count,
    ) -> Option<(i32, i32)> {
        // A count that has fallen below zero has wrapped.
        let difference = |held: u32, counted: u32| i64::from(held.wrapping_sub(counted) as i32);
        let seen =
            (difference(held.active, counted.active), difference(held.inactive, counted.inactive));
        if seen == (0, 0) {
            self.0.remove(&index);
            return None;
        }
        let differences = self.0.entry(index).or_default();
        differences.push(seen);
        if differences.len() < SWEEPS {
            return None;
        }
        let differences = self.0.remove(&index)?;
        let active = certain(differences.iter().map(|it| it.0));
        let inactive = certain(differences.iter().map(|it| it.1));
        ((active, inactive) != (0, 0)).then_some((active, inactive))
    }
}

/// The part of differences that is in all of them.
fn certain(differences: impl Iterator<Item = i64> + Clone) -> i32 {
    let least = differences.clone().min().unwrap_or_default();
    let most = differences.max().unwrap_or_default();
    let part = if least > 0 { least } else { most.min(0) };
    i32::try_from(part).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(active: u32, inactive: u32) -> Count {
        Count { active, inactive }
    }

    #[test]
    fn what_stays_off_is_corrected() {
        let mut drift = Drift::default();
        assert_eq!(drift.correction(1, count(10, 5), count(13, 5)), None);
        assert_eq!(drift.correction(1, count(11, 5), count(13, 4)), Some((-2, 0)));
        assert_eq!(drift.correction(2, count(3, 0), count(u32::MAX, 0)), None);
        assert_eq!(drift.correction(2, count(3, 0), count(u32::MAX, 0)), Some((4, 0)));
    }

    #[test]
    fn what_comes_and_goes_is_left_alone() {
        let mut drift = Drift::default();
        for (held, counted) in [(10, 11), (11, 10), (12, 13), (13, 13), (9, 8)] {
            assert_eq!(drift.correction(1, count(held, 0), count(counted, 0)), None);
        }
    }
}

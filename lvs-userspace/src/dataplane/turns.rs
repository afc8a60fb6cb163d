//! From weights to the turns of a scheduler.

use crate::model::{Scheduler, Weight};

/// The turns of real servers with these weights, by their position; `limit` is the most there may
/// be, and must be at least the number of weights.
///
/// wrr is interleaved as in IPVS (net/netfilter/ipvs/ip_vs_wrr.c): the current weight falls from
/// the highest to zero by the greatest common divisor, and each time around, every real server that
/// weighs at least as much has a turn.
pub(super) fn turns(scheduler: Scheduler, weights: &[Weight], limit: usize) -> Vec<usize> {
    let weights: Vec<u64> = weights.iter().map(|weight| u64::from(weight.0)).collect();
    let weights = match scheduler {
        Scheduler::Rr => weights.iter().map(|&weight| weight.min(1)).collect(),
        Scheduler::Wrr => fit(weights, limit as u64),
    };
    let divisor = weights.iter().copied().fold(0, gcd).max(1);
    let highest = weights.iter().copied().max().unwrap_or(0);

    (1..=highest / divisor)
        .rev()
        .flat_map(|level| {
            let heavy = weights.iter().enumerate().filter(move |&(_, w)| w / divisor >= level);
            heavy.map(|(position, _)| position)
        })
        .collect()
}

/// The weights as they are where their turns fit into the limit, else scaled down until they do; a
/// real server that has a weight keeps at least one turn.
fn fit(weights: Vec<u64>, limit: u64) -> Vec<u64> {
    let divisor = weights.iter().copied().fold(0, gcd).max(1);
    let sum: u64 = weights.iter().sum::<u64>() / divisor;
    if sum <= limit {
        return weights;
    }
    let n_weights = weights.iter().filter(|&&weight| weight > 0).count() as u64;
    // One turn each, and the rest of the limit in proportion, rounded down: never above the limit.
    let rest = limit - n_weights;
    let total: u64 = weights.iter().sum();
    weights.iter().map(|&weight| weight.min(1) + weight * rest / total).collect()
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wrr(weights: &[u16]) -> Vec<usize> {
        let weights: Vec<_> = weights.iter().copied().map(Weight).collect();
        turns(Scheduler::Wrr, &weights, 65_537)
    }

    #[test]
    fn wrr_is_interleaved_as_in_ipvs() {
        let cases: [(&[u16], &[usize]); 6] = [
            (&[3, 2, 1], &[0, 0, 1, 0, 1, 2]),
            (&[1, 1], &[0, 1]),
            (&[6, 4, 2], &[0, 0, 1, 0, 1, 2]),
            (&[0, 5], &[1]),
            (&[0, 0], &[]),
            (&[], &[]),
        ];
        for (weights, expected) in cases {
            assert_eq!(wrr(weights), expected, "weights {weights:?}");
        }
    }

    #[test]
    fn rr_knows_only_zero_and_more() {
        let weights = [Weight(3), Weight(0), Weight(1)];
        assert_eq!(turns(Scheduler::Rr, &weights, 10), [0, 2]);
    }

    proptest! {
        #[test]
        fn any_sum_of_weights_turns_in_a_row_give_each_its_weight(
            weights in prop::collection::vec(0u16..20, 1..12),
            start in 0usize..1000,
        ) {
            let turns = wrr(&weights);
            let divisor = weights.iter().copied().map(u64::from).fold(0, gcd).max(1) as usize;
            let sum: usize = weights.iter().map(|&weight| usize::from(weight)).sum();
            prop_assert_eq!(turns.len() * divisor, sum);

            for (server, &weight) in weights.iter().enumerate() {
                let given = (start..start + sum).filter(|at| turns[at % turns.len()] == server);
                prop_assert_eq!(given.count(), usize::from(weight));
            }
        }

        #[test]
        fn weights_that_do_not_fit_are_scaled(
            weights in prop::collection::vec(0u16..=u16::MAX, 1..200),
            limit in 200usize..2000,
        ) {
            let sum: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
            let weights: Vec<_> = weights.into_iter().map(Weight).collect();
            let turns = turns(Scheduler::Wrr, &weights, limit);
            prop_assert!(turns.len() <= limit);
            for (server, weight) in weights.iter().enumerate() {
                let n_turns = turns.iter().filter(|&&turn| turn == server).count();
                prop_assert_eq!(n_turns > 0, weight.0 > 0);
                if turns.len() * 2 > limit && sum > 2 * limit as u64 {
                    let exact = u64::from(weight.0) as f64 * turns.len() as f64 / sum as f64;
                    // One turn is given to everyone, and rounding costs another.
                    let slack = 2.0 + exact * weights.len() as f64 / (limit / 2) as f64;
                    prop_assert!((n_turns as f64 - exact).abs() <= slack, "{n_turns} for {exact}");
                }
            }
        }
    }
}

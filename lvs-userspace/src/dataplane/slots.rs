//! From weights to the slots of a scheduler.

mod maglev;

use crate::model::{Scheduler, Weight};

/// What the slots of a service depend on, for each of its real servers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Server {
    pub(super) weight: Weight,
    /// What stays the same for this real server on every director: its address, hashed.
    pub(super) identity: u64,
    /// How long its checks take, in microseconds, smoothed; `None` if nobody knows.
    pub(super) latency_us: Option<u64>,
}

/// Slots of the hash schedulers sh and dh, at the most; as many as IPVS has (2^8).
const HASH_SLOTS: usize = 256;

/// The slots of these real servers, by their position; `limit` is the most there may be, and must be
/// at least the number of real servers.
///
/// - rr and wrr: turns. wrr is interleaved as in IPVS (net/netfilter/ipvs/ip_vs_wrr.c): the current
///   weight falls from the highest to zero by the greatest common divisor, and each time around,
///   every real server that weighs at least as much has a turn.
/// - fastest: turns of the one whose checks are answered fastest, or as wrr while nobody knows.
/// - sh and dh: turns, repeated to about [`HASH_SLOTS`] slots, of which a hash picks one.
/// - mh: a Maglev table.
/// - lc, wlc, sed, nq: one for each that has a weight.
pub(super) fn slots(scheduler: Scheduler, servers: &[Server], limit: usize) -> Vec<usize> {
    let weights = || servers.iter().map(|server| u64::from(server.weight.0));
    match scheduler {
        Scheduler::Rr => turns(&weights().map(|weight| weight.min(1)).collect::<Vec<_>>()),
        Scheduler::Wrr => turns(&fit(weights().collect(), limit as u64)),
        Scheduler::Fastest => match fastest(servers) {
            Some(position) => vec![position],
            None => turns(&fit(weights().collect(), limit as u64)),
        },
        Scheduler::Sh | Scheduler::Dh => {
            let turns = turns(&fit(weights().collect(), limit as u64));
            let times = HASH_SLOTS.checked_div(turns.len()).unwrap_or_default().max(1);
            turns.repeat(times)
        }
        Scheduler::Mh => maglev::table(servers),
        Scheduler::Lc | Scheduler::Wlc | Scheduler::Sed | Scheduler::Nq => {
            (0..servers.len()).filter(|&position| servers[position].weight.0 > 0).collect()
        }
    }
}

fn fastest(servers: &[Server]) -> Option<usize> {
    let known = servers.iter().enumerate().filter(|(_, server)| server.weight.0 > 0);
    known.filter_map(|(position, server)| Some((server.latency_us?, position))).min().map(|it| it.1)
}

fn turns(weights: &[u64]) -> Vec<usize> {
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

    fn servers(weights: &[u16]) -> Vec<Server> {
        let server = |(identity, &weight): (usize, &u16)| Server {
            weight: Weight(weight),
            identity: (identity as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15),
            latency_us: None,
        };
        weights.iter().enumerate().map(server).collect()
    }

    fn wrr(weights: &[u16]) -> Vec<usize> {
        slots(Scheduler::Wrr, &servers(weights), 65_537)
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
        assert_eq!(slots(Scheduler::Rr, &servers(&[3, 0, 1]), 10), [0, 2]);
    }

    #[test]
    fn hash_schedulers_repeat_the_turns() {
        let slots = slots(Scheduler::Sh, &servers(&[3, 1]), 65_537);
        assert_eq!(slots.len(), 256);
        assert_eq!(slots.iter().filter(|&&slot| slot == 0).count(), 192);
    }

    #[test]
    fn who_compares_has_a_slot_each() {
        for scheduler in [Scheduler::Lc, Scheduler::Wlc, Scheduler::Sed, Scheduler::Nq] {
            assert_eq!(slots(scheduler, &servers(&[3, 0, 1]), 65_537), [0, 2], "{scheduler}");
        }
    }

    #[test]
    fn fastest_is_who_answers_fastest_and_takes_connections() {
        let mut servers = servers(&[1, 1, 0]);
        assert_eq!(slots(Scheduler::Fastest, &servers, 10), [0, 1], "nobody knows");
        for (server, latency_us) in servers.iter_mut().zip([900, 300, 100]) {
            server.latency_us = Some(latency_us);
        }
        assert_eq!(slots(Scheduler::Fastest, &servers, 10), [1]);
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
            let turns = slots(Scheduler::Wrr, &servers(&weights), limit);
            prop_assert!(turns.len() <= limit);
            for (server, &weight) in weights.iter().enumerate() {
                let n_turns = turns.iter().filter(|&&turn| turn == server).count();
                prop_assert_eq!(n_turns > 0, weight > 0);
                if turns.len() * 2 > limit && sum > 2 * limit as u64 {
                    let exact = f64::from(weight) * turns.len() as f64 / sum as f64;
                    // One turn is given to everyone, and rounding costs another.
                    let slack = 2.0 + exact * weights.len() as f64 / (limit / 2) as f64;
                    prop_assert!((n_turns as f64 - exact).abs() <= slack, "{n_turns} for {exact}");
                }
            }
        }
    }
}

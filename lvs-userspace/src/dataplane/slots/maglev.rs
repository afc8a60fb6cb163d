//! Maglev's table (Eisenbud et al., "Maglev: A fast and reliable software network load balancer",
//! NSDI 2016, section 3.4): slots that are shared out evenly, and of which few change hands when a
//! real server comes or goes.

use lvs_common::limits::SLOTS_PER_SERVICE;

use super::Server;

/// The table, by the position of each real server; the same for the same real servers in any order.
///
/// Each real server has a permutation of all slots of its own. They take turns, in proportion to
/// their weights, at taking the next slot of their permutation that nobody has.
pub(super) fn table(servers: &[Server]) -> Vec<usize> {
    let size = SLOTS_PER_SERVICE as u64;
    let mut order: Vec<usize> =
        (0..servers.len()).filter(|&position| servers[position].weight.0 > 0).collect();
    order.sort_by_key(|&position| servers[position].identity);
    let highest = order.iter().map(|&position| u64::from(servers[position].weight.0)).max();
    let Some(highest) = highest else { return Vec::new() };

    let mut next: Vec<u64> = vec![0; servers.len()];
    let mut credit: Vec<u64> = vec![0; servers.len()];
    let mut table = vec![usize::MAX; SLOTS_PER_SERVICE];
    let mut filled = 0;
    loop {
        for &position in &order {
            let Server { weight, identity, .. } = servers[position];
            // Who weighs as much as the heaviest has a turn each time around, others less often.
            credit[position] += u64::from(weight.0);
            if credit[position] < highest {
                continue;
            }
            credit[position] -= highest;

            let offset = mix(identity) % size;
            let skip = mix(identity ^ 0x5851_f42d_4c95_7f2d) % (size - 1) + 1;
            loop {
                let slot = ((offset + next[position] * skip) % size) as usize;
                next[position] += 1;
                if table[slot] == usize::MAX {
                    table[slot] = position;
                    break;
                }
            }
            filled += 1;
            if filled == SLOTS_PER_SERVICE {
                return table;
            }
        }
    }
}

/// The finisher of MurmurHash3.
fn mix(mut x: u64) -> u64 {
    x = (x ^ x >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    x = (x ^ x >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ x >> 33
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Weight;

    fn servers(weights: &[u16]) -> Vec<Server> {
        let server = |(number, &weight): (usize, &u16)| Server {
            weight: Weight(weight),
            identity: mix(number as u64 + 1),
            latency_us: None,
        };
        weights.iter().enumerate().map(server).collect()
    }

    fn shares(table: &[usize], n_servers: usize) -> Vec<usize> {
        let mut shares = vec![0; n_servers];
        for &position in table {
            shares[position] += 1;
        }
        shares
    }

    #[test]
    fn weights_are_honoured() {
        let weights = [3, 2, 1, 0, 10];
        let table = table(&servers(&weights));
        let sum: usize = weights.iter().map(|&weight| usize::from(weight)).sum();
        for (share, weight) in shares(&table, weights.len()).into_iter().zip(weights) {
            let exact = SLOTS_PER_SERVICE * usize::from(weight) / sum;
            assert!(share.abs_diff(exact) <= 2, "{share} slots for weight {weight}, not {exact}");
        }
    }

    #[test]
    fn few_slots_change_hands_when_a_server_goes() {
        let all = servers(&[1; 10]);
        let before = table(&all);
        let mut without = all.clone();
        without[3].weight = Weight(0);
        let after = table(&without);
        let moved = before.iter().zip(&after).filter(|(old, new)| **old != 3 && old != new).count();
        // The paper sees about 1 in 50 where a plain remainder would move 9 in 10.
        assert!(moved < SLOTS_PER_SERVICE / 20, "{moved} slots moved without need");
    }

    #[test]
    fn the_order_of_the_servers_does_not_matter() {
        let servers = servers(&[3, 2, 1]);
        let reversed: Vec<_> = servers.iter().rev().copied().collect();
        let mirrored: Vec<_> = table(&reversed).into_iter().map(|position| 2 - position).collect();
        assert_eq!(table(&servers), mirrored);
    }
}

//! Where counting from zero began. The maps go on counting, so that nothing is lost between a look at a
//! counter and a write of it. Pure.

use std::{collections::HashMap, hash::Hash};

use lvs_common::abi::Traffic;

/// What the counters of some things stood at when they were last set to zero.
#[derive(Debug)]
pub(super) struct Zeros<K>(HashMap<K, Traffic>);

impl<K> Default for Zeros<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Copy + Eq + Hash> Zeros<K> {
    /// From now on this counts from zero.
    pub(super) fn set(&mut self, of: K, counted: Traffic) {
        self.0.insert(of, counted);
    }

    /// What was counted since. Whose counter begins anew has nothing to take away.
    pub(super) fn since(&self, of: K, counted: Traffic) -> Traffic {
        let Some(zero) = self.0.get(&of) else { return counted };
        if counted.packets < zero.packets {
            return counted;
        }
        Traffic {
            connections: counted.connections.saturating_sub(zero.connections),
            packets: counted.packets - zero.packets,
            bytes: counted.bytes.saturating_sub(zero.bytes),
        }
    }

    /// Forgets all but these.
    pub(super) fn retain(&mut self, is_there: impl Fn(&K) -> bool) {
        self.0.retain(|of, _| is_there(of));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn traffic(connections: u64, packets: u64, bytes: u64) -> Traffic {
        Traffic { connections, packets, bytes }
    }

    #[test]
    fn counting_begins_anew() {
        let mut zeros = Zeros::default();
        assert_eq!(zeros.since(1, traffic(2, 10, 400)), traffic(2, 10, 400));
        zeros.set(1, traffic(2, 10, 400));
        assert_eq!(zeros.since(1, traffic(2, 10, 400)), traffic(0, 0, 0));
        assert_eq!(zeros.since(1, traffic(3, 15, 600)), traffic(1, 5, 200));
        assert_eq!(zeros.since(1, traffic(1, 4, 160)), traffic(1, 4, 160), "another's place");
        assert_eq!(zeros.since(2, traffic(2, 10, 400)), traffic(2, 10, 400));
        zeros.retain(|&of| of == 2);
        assert_eq!(zeros.since(1, traffic(3, 15, 600)), traffic(3, 15, 600));
    }
}

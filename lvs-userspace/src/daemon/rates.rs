//! How fast the counters go. Pure: time is a parameter.

use std::{
    collections::HashMap,
    hash::Hash,
    time::{Duration, Instant},
};

use lvs_common::abi::Traffic;

/// How often to look; as often as IPVS does (net/netfilter/ipvs/ip_vs_est.c).
pub(super) const INTERVAL: Duration = Duration::from_secs(2);

/// How much the latest interval counts; as with IPVS.
const SHARE: f64 = 0.25;

/// What goes through in a second, smoothed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rate {
    pub(super) connections: f64,
    pub(super) packets: f64,
    pub(super) bytes: f64,
}

#[derive(Clone, Copy, Debug)]
struct Estimate {
    at: Instant,
    traffic: Traffic,
    rate: Rate,
}

/// The rates of everything that has a name.
#[derive(Clone, Debug)]
pub(super) struct Rates<K>(HashMap<K, Estimate>);

impl<K> Default for Rates<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash> Rates<K> {
    /// The rate of one; zero for who is not known.
    pub(super) fn get(&self, name: &K) -> Rate {
        self.0.get(name).map_or_else(Rate::default, |estimate| estimate.rate)
    }

    /// Takes in the counters of everything there is; what is missing is forgotten.
    pub(super) fn look(&mut self, counters: impl IntoIterator<Item = (K, Traffic)>, now: Instant) {
        let mut before = std::mem::take(&mut self.0);
        for (name, traffic) in counters {
            let rate = match before.remove(&name) {
                // Counters that go backwards are those of another with the same name.
                Some(old) if traffic.packets >= old.traffic.packets => old.next(&traffic, now),
                Some(_) | None => Rate::default(),
            };
            self.0.insert(name, Estimate { at: now, traffic, rate });
        }
    }
}

impl Estimate {
    fn next(&self, traffic: &Traffic, now: Instant) -> Rate {
        let seconds = now.saturating_duration_since(self.at).as_secs_f64().max(0.001);
        let smooth = |rate: f64, old: u64, new: u64| {
            rate + SHARE * (new.saturating_sub(old) as f64 / seconds - rate)
        };
        Rate {
            connections: smooth(
                self.rate.connections,
                self.traffic.connections,
                traffic.connections,
            ),
            packets: smooth(self.rate.packets, self.traffic.packets, traffic.packets),
            bytes: smooth(self.rate.bytes, self.traffic.bytes, traffic.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traffic(packets: u64) -> Traffic {
        Traffic { connections: packets / 10, packets, bytes: packets * 100 }
    }

    #[test]
    fn a_steady_stream_is_met_and_a_stopped_one_left() {
        let start = Instant::now();
        let mut rates = Rates::default();
        let mut packets = 0;
        for tick in 0..20 {
            packets += 2_000;
            rates.look([("web", traffic(packets))], start + tick * INTERVAL);
        }
        let rate = rates.get(&"web");
        assert!((rate.packets - 1_000.0).abs() < 10.0, "{rate:?}");
        assert!((rate.connections - 100.0).abs() < 1.0, "{rate:?}");
        assert!((rate.bytes - 100_000.0).abs() < 1_000.0, "{rate:?}");
        for tick in 20..60 {
            rates.look([("web", traffic(packets))], start + tick * INTERVAL);
        }
        assert!(rates.get(&"web").packets < 1.0);
    }

    #[test]
    fn who_comes_again_begins_again() {
        let start = Instant::now();
        let mut rates = Rates::default();
        for (tick, packets) in [(0, 1_000_000), (1, 2_000_000), (2, 5)] {
            rates.look([("web", traffic(packets))], start + tick * INTERVAL);
        }
        assert_eq!(rates.get(&"web"), Rate::default());
        rates.look([], start + 3 * INTERVAL);
        assert_eq!(rates.get(&"web"), Rate::default());
    }
}

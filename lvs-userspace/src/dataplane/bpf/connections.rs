//! The connection tables and the counts of connections, which lvsd shares with the program.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use lvs_common::{abi::Load, connections::Entry};

use lvs_common::abi::{Template, TemplateKey};

use super::{Abi, BpfDataplane};
use crate::dataplane::sweep::{self, Count, Rules, Swept};

impl BpfDataplane {
    /// Forgets what was silent for too long, or whose real server is gone, counts what is left, and
    /// takes what was forgotten off the loads.
    pub fn sweep(&self, limits: &sweep::Limits, is_vacant: &impl Fn(u32) -> bool) -> Swept {
        let rules = Rules { limits, now: self.clock.stamp(Instant::now()) };
        let mut swept = Swept::default();
        let shared = &self.shared;
        swept.left = [
            sweep::sweep(shared.connections.iter(), rules, is_vacant, &mut swept),
            sweep::sweep(shared.half_open.iter(), rules, is_vacant, &mut swept),
            sweep::sweep(shared.connections_v6.iter(), rules, is_vacant, &mut swept),
            sweep::sweep(shared.half_open_v6.iter(), rules, is_vacant, &mut swept),
        ];
        for (&index, count) in &swept.forgotten {
            if let Some(load) = shared.loads.get(index as usize) {
                load.active.fetch_sub(count.active, Ordering::AcqRel);
                load.inactive.fetch_sub(count.inactive, Ordering::AcqRel);
            }
        }
        swept
    }

    /// What the program counts as the connections of a real server.
    #[must_use]
    pub fn counted(&self, index: u32) -> Count {
        let load = self.shared.loads.get(index as usize);
        load.map_or(Count::default(), |load| Count {
            active: load.active.load(Ordering::Acquire),
            inactive: load.inactive.load(Ordering::Acquire),
        })
    }

    /// How busy the program takes a real server for.
    #[must_use]
    pub fn load_of(&self, index: u32) -> Option<Load> {
        let load = self.shared.loads.get(index as usize)?;
        Some(Load {
            active: load.active.load(Ordering::Acquire),
            inactive: load.inactive.load(Ordering::Acquire),
            weight: load.weight.load(Ordering::Acquire),
            upper_threshold: load.upper_threshold.load(Ordering::Acquire),
            lower_threshold: load.lower_threshold.load(Ordering::Acquire),
            overloaded: load.overloaded.load(Ordering::Acquire),
        })
    }

    /// When a connection will be forgotten if it stays silent.
    #[must_use]
    pub fn expires_in(&self, entry: Entry, limits: &sweep::Limits) -> Duration {
        let rules = Rules { limits, now: self.clock.stamp(Instant::now()) };
        sweep::expires_in(entry, rules, &self.clock)
    }

    /// Corrects what the program counts.
    pub fn correct(&self, index: u32, by: (i32, i32)) {
        if let Some(load) = self.shared.loads.get(index as usize) {
            load.active.fetch_add(by.0.cast_unsigned(), Ordering::AcqRel);
            load.inactive.fetch_add(by.1.cast_unsigned(), Ordering::AcqRel);
        }
    }

    /// Shows each connection to `visit`.
    pub fn connections(&self, limits: &sweep::Limits, visit: &mut impl FnMut(sweep::Connection)) {
        let rules = Rules { limits, now: self.clock.stamp(Instant::now()) };
        let shared = &self.shared;
        sweep::list(shared.connections.iter(), rules, &self.clock, visit);
        sweep::list(shared.half_open.iter(), rules, &self.clock, visit);
        sweep::list(shared.connections_v6.iter(), rules, &self.clock, visit);
        sweep::list(shared.half_open_v6.iter(), rules, &self.clock, visit);
    }

    /// Where clients stay, also those whose time is over. Who is forgotten or new while this is read may
    /// be there or not.
    pub fn templates(&self) -> impl Iterator<Item = (TemplateKey, Template)> {
        self.templates.iter().filter_map(|entry| {
            let (Abi(key), Abi(template)) = entry.ok()?;
            Some((key, template))
        })
    }
}

//! The connections and the traffic of services and real servers, looked at again and again.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    time::{Duration, Instant},
};

use lvs_common::abi::Traffic;
use tracing::{debug, info, warn};

use super::{
    drift::Drift,
    flood::{Flood, News},
    rates::{self, Rates},
    zeros::Zeros,
};
use crate::{
    config::{Config, VirtualService},
    dataplane::{
        Dataplane as _, Placement, Tables,
        bpf::BpfDataplane,
        sweep::{self, Count, Swept},
    },
    model::ServiceId,
};

/// What was seen last.
pub(super) struct Counts {
    /// How long connections may be silent.
    pub(super) limits: sweep::Limits,
    /// The connections of each real server, by its index.
    pub(super) connections: HashMap<u32, Count>,
    /// How many are in each table.
    pub(super) in_tables: [u32; 4],
    /// Rates of the services, and of each one's real servers.
    pub(super) service_rates: Rates<ServiceId>,
    pub(super) real_server_rates: Rates<(ServiceId, IpAddr)>,
    /// Where counting from zero began.
    pub(super) service_zeros: Zeros<ServiceId>,
    pub(super) real_server_zeros: Zeros<(ServiceId, IpAddr)>,
    drift: Drift,
    flood: Flood,
    next_sweep: Instant,
    next_rates: Instant,
}

impl Counts {
    pub(super) fn new(limits: sweep::Limits, now: Instant) -> Self {
        Self {
            limits,
            connections: HashMap::new(),
            in_tables: [0; 4],
            service_rates: Rates::default(),
            real_server_rates: Rates::default(),
            service_zeros: Zeros::default(),
            real_server_zeros: Zeros::default(),
            drift: Drift::default(),
            flood: Flood::default(),
            next_sweep: now,
            next_rates: now,
        }
    }

    /// Whether the connections are to be swept now.
    pub(super) fn is_sweep_due(&mut self, now: Instant) -> bool {
        due(&mut self.next_sweep, sweep::INTERVAL, now)
    }

    /// Whether the counters are to be read now.
    pub(super) fn are_rates_due(&mut self, now: Instant) -> bool {
        due(&mut self.next_rates, rates::INTERVAL, now)
    }

    /// Forgets old connections, counts the others, and mends what the program counts.
    pub(super) fn sweep(&mut self, dataplane: &BpfDataplane, held: &Tables) {
        let began = Instant::now();
        let held = &held.real_servers;
        let vacant = |index| !held.contains_key(&index);
        let Swept { counts, left, .. } = dataplane.sweep(&self.limits, &vacant);
        self.in_tables = left;
        for &index in held.keys() {
            let held = counts.get(&index).copied().unwrap_or_default();
            let counted = dataplane.counted(index);
            if let Some(correction) = self.drift.correction(index, held, counted) {
                debug!(index, ?correction, "the program's count of connections was off");
                dataplane.correct(index, correction);
            }
        }
        self.connections = counts;
        self.next_sweep = self.next_sweep.max(after(began));
        if let Err(error) = dataplane.share_half_open() {
            debug!(%error, "can't read where connections begin");
        }
        match dataplane.unrecorded() {
            Ok(unrecorded) => self.look_for_flood(unrecorded, Instant::now()),
            Err(error) => debug!(%error, "can't read how many connections were not recorded"),
        }
    }

    fn look_for_flood(&mut self, unrecorded: u64, now: Instant) {
        match self.flood.look(unrecorded, now) {
            Some(News::Begins) => warn!(
                "more connections begin than [connections] half_open has room for: the hash of their \
                 client's address says where those go that are too many"
            ),
            Some(News::Over(connections)) => {
                info!(connections, "no longer do more connections begin than there is room for");
            }
            None => {}
        }
    }

    /// Looks how far the counters have come.
    pub(super) fn measure(
        &mut self,
        dataplane: &BpfDataplane,
        placement: &Placement,
        config: &Config,
        now: Instant,
    ) {
        let (services, real_servers) = traffic(dataplane, placement, config);
        self.service_rates.look(services, now);
        self.real_server_rates.look(real_servers, now);
        self.next_rates = self.next_rates.max(after(now));
    }

    /// Counts from zero again, for one service or for all; says for how many.
    pub(super) fn zero(
        &mut self,
        only: Option<ServiceId>,
        dataplane: &BpfDataplane,
        placement: &Placement,
        config: &Config,
    ) -> u64 {
        let (services, real_servers) = traffic(dataplane, placement, config);
        let is_meant = |id: ServiceId| only.is_none_or(|only| only == id);
        for (of, counted) in real_servers.into_iter().filter(|((id, _), _)| is_meant(*id)) {
            self.real_server_zeros.set(of, counted);
        }
        let mut n = 0;
        for (id, counted) in services.into_iter().filter(|(id, _)| is_meant(*id)) {
            self.service_zeros.set(id, counted);
            n += 1;
        }
        n
    }

    /// Forgets where counting began of whom there is no more.
    pub(super) fn forget_others(&mut self, config: &Config) {
        let services = || config.virtual_services.iter();
        let ids: HashSet<_> = services().map(|it| it.id).collect();
        self.service_zeros.retain(|id| ids.contains(id));
        let addresses = |it: &VirtualService| {
            let id = it.id;
            it.real_servers.iter().map(move |it| (id, it.address)).collect::<Vec<_>>()
        };
        let real_servers: HashSet<_> = services().flat_map(addresses).collect();
        self.real_server_zeros.retain(|of| real_servers.contains(of));
    }
}

type Counted<K> = Vec<(K, Traffic)>;

/// What the counters of the services, and of each one's real servers, stand at.
fn traffic(
    dataplane: &BpfDataplane,
    placement: &Placement,
    config: &Config,
) -> (Counted<ServiceId>, Counted<(ServiceId, IpAddr)>) {
    let mut services = Vec::new();
    let mut real_servers = Vec::new();
    for service in &config.virtual_services {
        let id = service.id;
        let Some(index) = placement.service(&id) else { continue };
        let traffic = match dataplane.service_traffic(index) {
            Ok(traffic) => traffic,
            Err(error) => {
                debug!(%id, %error, "can't read the counters of a service");
                continue;
            }
        };
        services.push((id, traffic.all));
        for address in service.real_servers.iter().map(|it| it.address) {
            let index = placement.real_server(&id, address);
            if let Some(traffic) = index.and_then(|index| traffic.real_servers.get(&index)) {
                real_servers.push(((id, address), *traffic));
            }
        }
    }
    (services, real_servers)
}

/// When what began then, and is done now, is done again at the earliest: however much there is of it, no more
/// than a tenth of the time goes into it.
fn after(began: Instant) -> Instant {
    Instant::now() + began.elapsed() * 9
}

/// Whether it is time; if so, the next is an interval away.
fn due(next: &mut Instant, interval: Duration, now: Instant) -> bool {
    let is_due = now >= *next;
    if is_due {
        *next = now + interval;
    }
    is_due
}

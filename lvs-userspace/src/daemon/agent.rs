//! The state of a running director, and what each event does to it.

mod answer;
mod real_servers;
mod reload;

use std::time::{Duration, Instant};

use tokio::sync::{broadcast, mpsc};
use tracing::{error, info, warn};

use super::{
    Options, RunError,
    config_file::ConfigFile,
    counts::Counts,
    examination::Examinations,
    failover::{FailoverError, Role, Told},
    reach::Reach,
};
use crate::{
    alert::Alerts,
    control::api::{self, What},
    dataplane::{
        Neighbour, SyncError, Synchroniser, Tables,
        bpf::{AttachedAs, BpfDataplane},
        restored, sweep,
    },
    director::Director,
    failover::{driver::Notice, sync::Names},
    health::Checks,
    load::Poller,
    net::{Link, SolicitedNodes},
};

/// How often to look whether the maps still hold what was written.
const COMPARE: Duration = Duration::from_secs(10);

/// An interface that is to run the program.
#[derive(Debug)]
pub(super) struct AttachedLink {
    pub(super) link: Link,
    /// `None` until it does.
    pub(super) attached_as: Option<AttachedAs>,
}

/// All that the agent acts on, and through.
pub(super) struct World {
    pub(super) dataplane: BpfDataplane,
    pub(super) reach: Reach,
    /// The interfaces that the program is to be attached to.
    pub(super) links: Vec<Link>,
    pub(super) checks: Checks,
    pub(super) poller: Poller,
    pub(super) alerts: Alerts,
    pub(super) events: broadcast::Sender<api::Event>,
}

/// Everything that lvsd knows.
pub(super) struct Agent {
    options: Options,
    director: Director,
    dataplane: BpfDataplane,
    reach: Reach,
    links: Vec<AttachedLink>,
    solicited: SolicitedNodes,
    checks: Checks,
    poller: Poller,
    alerts: Alerts,
    /// Who listens to what happens.
    events: broadcast::Sender<api::Event>,
    /// `None` as long as it takes no part in failover.
    role: Option<Role>,
    file: ConfigFile,
    examinations: Examinations,
    counts: Counts,
    next_comparison: Instant,
    /// What the maps hold.
    tables: Synchroniser,
    /// Whether that may be something else than what is wanted.
    is_dirty: bool,
}

impl Agent {
    /// One whose maps hold this.
    pub(super) fn new(options: Options, director: Director, world: World, held: Tables) -> Self {
        let World { dataplane, reach, links, checks, poller, alerts, events } = world;
        let timeouts = &director.config().connections.timeouts;
        let limits = sweep::Limits::new(timeouts, dataplane.clock());
        Self {
            tables: Synchroniser::new(dataplane.sizes().max_real_servers(), held),
            options,
            director,
            dataplane,
            reach,
            links: links.into_iter().map(|link| AttachedLink { link, attached_as: None }).collect(),
            solicited: SolicitedNodes::default(),
            checks,
            poller,
            alerts,
            events,
            role: None,
            file: ConfigFile::default(),
            examinations: Examinations::default(),
            counts: Counts::new(limits, Instant::now()),
            next_comparison: Instant::now() + COMPARE,
            is_dirty: false,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.director.config().director.name
    }

    /// Goes on where the lvsd before has ended: its real servers are where they were, and its
    /// connections are known.
    pub(super) fn take_over(&mut self) {
        for before in restored(self.tables.actual()).real_servers {
            if let Some(Neighbour { mac, .. }) = before.neighbour {
                self.reach.remember(before.address, mac);
            }
        }
        // Before a place is given again that a connection still names.
        self.counts.sweep(&self.dataplane, self.tables.actual());
        self.dataplane.copy_services(&self.tables.actual().services);
    }

    /// What is the case now was so before: nobody is told.
    pub(super) fn begin(&mut self) {
        self.director.begin();
    }

    /// Puts the program on the interfaces, and takes it off all others. From then on it stays there.
    pub(super) fn attach(&mut self) -> Result<(), RunError> {
        let mode = self.director.config().director.xdp_mode;
        for AttachedLink { link, attached_as } in &mut self.links {
            let done = self.dataplane.attach(&link.name, link.index, mode)?;
            info!(interface = link.name, mode = done.name(), "attached the XDP program");
            *attached_as = Some(done);
        }
        let indexes: Vec<_> = self.links.iter().map(|it| it.link.index).collect();
        self.dataplane.detach_others(&indexes).map_err(RunError::Detach)?;
        self.dataplane.stay().map_err(RunError::Pin)
    }

    /// Takes part in failover, if that is configured; what happens then is to be
    /// [noticed](Self::noticed).
    pub(super) fn start_failover(
        &mut self,
        links: Vec<Link>,
    ) -> Result<Option<mpsc::Receiver<Notice>>, FailoverError> {
        let config = self.director.config();
        let Some(configured) = &config.failover else { return Ok(None) };
        let (lease, dataplane) = (self.dataplane.lease(), &mut self.dataplane);
        let (role, notices) = Role::start(config, configured, links, lease, || dataplane.told())?;
        role.set_names(|| Names::new(self.tables.actual()));
        self.role = Some(role);
        Ok(Some(notices))
    }

    /// Takes in what has happened to the role.
    pub(super) fn noticed(&mut self, notice: &Notice) {
        let told = self.role.as_mut().and_then(|role| role.noticed(notice));
        if let Some(Told { from, to, reason }) = told {
            self.alerts.tell_role(&from, &to, &reason);
            self.tell(What::Role { from, to, reason });
        }
    }

    /// Gives up the role, so that another takes it; says whether there was none to give up.
    pub(super) async fn leave(&mut self) -> bool {
        let Some(role) = self.role.take() else { return true };
        role.leave().await;
        false
    }

    /// Does what is due.
    pub(super) async fn tick(&mut self) {
        let now = Instant::now();
        for moved in self.reach.tick(now).await {
            self.moved(moved);
        }
        self.checks.set_marks(self.reach.marks());
        self.is_dirty |= self.tables.is_due(now) | self.director.tick(now);
        if now >= self.next_comparison {
            self.compare();
            // However large the maps are, no more than a hundredth of the time goes into this.
            self.next_comparison = Instant::now() + COMPARE.max(now.elapsed() * 100);
        }
        if self.counts.are_rates_due(now) {
            let (placement, config) = (self.tables.placement(), self.director.config());
            self.counts.measure(&self.dataplane, placement, config, now);
        }
        if self.counts.is_sweep_due(now) {
            self.sweep();
        }
    }

    /// Counts connections, and lets go of real servers that have none left.
    fn sweep(&mut self) {
        self.counts.sweep(&self.dataplane, self.tables.actual());
        let connections = &self.counts.connections;
        self.is_dirty |= self.tables.release(|index| connections.contains_key(&index));
        if let Some(role) = &mut self.role {
            role.compare(self.counts.in_tables.iter().copied().map(u64::from).sum());
        }
    }

    /// Lets go of what is of use only while lvsd runs.
    pub(super) async fn close(&mut self) {
        self.alerts.close().await;
        self.reach.close().await;
    }

    /// Tells who listens to what happens.
    fn tell(&self, what: What) {
        // It is no matter if nobody does.
        drop(self.events.send(api::Event::now(what)));
    }

    /// Tells what has changed, and makes the maps follow. To be called after whatever was done.
    pub(super) fn follow(&mut self) {
        for change in self.director.take_changes() {
            self.alerts.tell(&change);
            self.tell(change.into());
        }
        if let Some(role) = &mut self.role {
            role.follow(&self.director);
        }
        if std::mem::take(&mut self.is_dirty) {
            let was_out_of_sync = self.tables.out_of_sync().is_some();
            match self.synchronise() {
                Ok(()) if was_out_of_sync => {
                    info!("the maps are in sync again");
                    self.tell(What::Maps { out_of_sync: None });
                }
                Ok(()) => {}
                Err(error) => {
                    error!(%error, "the maps are out of sync; trying again");
                    self.tell(What::Maps { out_of_sync: Some(error.to_string()) });
                }
            }
        }
    }

    /// Makes the maps what they should be.
    pub(super) fn synchronise(&mut self) -> Result<(), SyncError> {
        // Frames may leave by interfaces, too, that the program is not attached to.
        let links = self.links.iter().map(|it| (it.link.index, it.link.mac));
        // What is known of the ways is newer.
        let interfaces = links.chain(self.reach.exits()).collect();
        let clock = *self.dataplane.clock();
        let now = Instant::now();
        let services = self.director.wanted(now);
        let dataplane = &mut self.dataplane;
        self.tables.synchronise(&services, &interfaces, &clock, dataplane, now)?;
        if let Some(role) = &self.role {
            role.set_names(|| Names::new(self.tables.actual()));
        }
        let attached: Vec<_> = self.links.iter().map(|it| it.link.index).collect();
        self.solicited.keep(&attached, &self.director.ipv6_vips());
        Ok(())
    }

    /// Looks whether anything else has changed the maps, and repairs that.
    fn compare(&mut self) {
        match self.tables.compare(&self.dataplane) {
            Ok(0) => {}
            Ok(entries) => {
                warn!(entries, "the maps were changed by something else; repairing them");
                self.is_dirty = true;
            }
            Err(error) => warn!(%error, "can't read the maps to compare them"),
        }
    }
}

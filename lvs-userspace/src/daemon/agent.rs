//! The state of a running director, and what each event does to it.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use tokio::sync::{broadcast, mpsc};
use tracing::{debug, error, info, warn};

use super::{
    Options, RunError,
    config_file::{self, ConfigFile},
    counts::Counts,
    examination::{Examinations, known},
    failover::{FailoverError, Role, Told, alone},
    reach::{Moved, Reach},
    report, why,
};
use crate::{
    alert::Alerts,
    config::{self, Config, Difference},
    control::{
        Peer, Reply, Request,
        api::{
            self, ApiError, Configuration, Edited, Edits, Filter, HandOver, HandedOver, Question,
            Reload, Reloaded, Restore, Save, Saved, What, Why, Zero, Zeroed,
        },
    },
    dataplane::{
        Neighbour, SyncError, Synchroniser, Tables,
        bpf::{AttachedAs, BpfDataplane},
        restored, sweep,
    },
    director::{Director, Event},
    doctor::Diagnosis,
    failover::{driver::Notice, sync::Names},
    health::{self, Checks, Found, Via},
    load::{Asked, News, Poller},
    net::{Link, NeighbourState, SolicitedNodes, netlink::NetError},
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

/// Why a configuration is not adopted.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReloadError {
    #[error(transparent)]
    Room(#[from] SyncError),
    #[error(transparent)]
    Failover(#[from] FailoverError),
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

    /// Takes in what a check has found.
    pub(super) fn found(&mut self, found: Found) {
        let event = match found {
            Found::Latency(target, latency) => {
                Event::Latency(target, u64::try_from(latency.as_micros()).unwrap_or(u64::MAX))
            }
            Found::Change(health::Change { target, to, reason, .. }) => {
                Event::Health(target, to, reason)
            }
        };
        self.is_dirty |= self.director.handle(event, Instant::now());
    }

    /// When the next load report is due.
    pub(super) fn next_report(&self) -> Option<Instant> {
        self.poller.next()
    }

    /// Asks for the load reports that are due.
    pub(super) fn start_reports(&mut self) {
        self.poller.start_due(Instant::now());
    }

    /// Takes in a load report.
    pub(super) fn reported(&mut self, asked: &Asked) {
        let now = Instant::now();
        let (address, news) = self.poller.finish(asked, now);
        let mut why = String::new();
        for news in news {
            match news {
                News::Standing(standing) => {
                    debug!(%address, ?standing, why, "load report");
                    let event = Event::Load(address, standing, why.clone());
                    self.is_dirty |= self.director.handle(event, now);
                }
                News::Admin(admin, reason) => {
                    why = format!("its operator says {admin}{}", because(reason));
                }
                News::Down(reason) => {
                    why = format!("it reports that it is down{}", because(reason));
                }
                News::Up => "it reports that it is up".clone_into(&mut why),
                News::Silent(reason) => warn!(%address, reason, "no load report"),
                News::Stale => {
                    "no load report for too long".clone_into(&mut why);
                    warn!(%address, "no load report for too long: the configured weight holds");
                }
                News::Answers => info!(%address, "load reports again"),
            }
        }
    }

    /// Has the checks of the configuration made, and the load reports asked for. At the start, and
    /// when a real server is new, it is out of service until it has passed; one that was in service
    /// unchecked stays there.
    fn check_real_servers(&mut self) {
        let targets: Vec<_> = self
            .director
            .checks()
            .map(|(target, check)| (target, check.clone(), self.director.health(&target)))
            .collect();
        let now = Instant::now();
        self.checks.reconfigure(targets);
        let load = self.director.config().load.clone();
        self.poller.reconfigure(load, &self.director.load_agents(), now);
    }

    /// Begins to check, and to ask for load reports. Not before the interfaces are this lvsd's.
    pub(super) async fn begin_checks(&mut self) -> Result<(), NetError> {
        self.reach.open_vip_routes().await?;
        self.checks.set_marks(self.reach.marks());
        self.check_real_servers();
        self.poller.restore(self.director.standings());
        Ok(())
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

    /// Finds the real servers on the network.
    pub(super) async fn find_real_servers(&mut self) -> Result<(), NetError> {
        let checks = self.director.checks();
        let through_vip = checks.filter(|(_, check)| check.via == Via::Vip);
        let through_vip = through_vip.map(|(target, _)| target).collect();
        let addresses = self.director.real_server_addresses();
        for moved in self.reach.watch(addresses, through_vip).await? {
            self.moved(moved);
        }
        self.checks.set_marks(self.reach.marks());
        Ok(())
    }

    /// Whether the maps have room for a configuration: those that there are, which may be smaller
    /// than it says.
    ///
    /// # Errors
    /// What they have no room for.
    fn would_fit(&self, config: &Config) -> Result<(), SyncError> {
        let now = Instant::now();
        let services = Director::at_most(config.clone(), now);
        self.tables.would_fit(&services, self.dataplane.clock(), now)
    }

    /// The same of the configuration in force.
    pub(super) fn fits(&self) -> Result<(), SyncError> {
        self.would_fit(self.director.config())
    }

    /// Goes by another configuration from now on, except for what needs a restart. Connections stay
    /// where they are, and what has not changed is not touched.
    ///
    /// # Errors
    /// What the maps have no room for, or can't be read; then everything is as it was.
    async fn reload(
        &mut self,
        config: Config,
        by: &str,
        dry_run: bool,
    ) -> Result<Difference, ReloadError> {
        self.would_fit(&config)?;
        if self.role.is_some() {
            Role::check(&config)?;
        }
        let running = self.director.config();
        let difference = config::difference(running, &config);
        if dry_run {
            return Ok(difference);
        }
        for line in &difference.changes {
            info!(by, "configuration: {line}");
            self.tell(What::Configuration { by: by.to_owned(), change: line.clone() });
        }
        for line in &difference.needs_restart {
            warn!("changed, but not followed: {line}");
        }
        let config = config::without_restart(running, config);
        self.counts.limits =
            sweep::Limits::new(&config.connections.timeouts, self.dataplane.clock());
        self.alerts.reconfigure(&config.alerts);
        if let Some(role) = &mut self.role {
            role.reconfigure(running, &config);
        }
        self.file.running_has_changed();
        self.director.reconfigure(config, Instant::now());
        self.counts.forget_others(self.director.config());
        if let Err(error) = self.find_real_servers().await {
            warn!(%error, "can't read the kernel's neighbours");
        }
        // When there are ways for those that go through VIPs.
        self.check_real_servers();
        self.is_dirty = true;
        // Who has asked for it finds it done.
        self.follow();
        Ok(difference)
    }

    /// Reads the configuration file again.
    pub(super) async fn hang_up(&mut self) {
        match self.options.load() {
            Ok(config) => match self.reload(config, "SIGHUP", false).await {
                Ok(_) => info!("reloaded the configuration"),
                Err(error) => error!(%error, "the configuration stays as it was"),
            },
            Err(errors) => {
                for error in errors.0 {
                    error!(%error, "the configuration stays as it was");
                }
            }
        }
    }

    /// Takes in news of neighbours.
    pub(super) fn news(&mut self, news: Vec<(u32, IpAddr, NeighbourState)>) {
        for (interface, address, state) in news {
            if let Some(moved) = self.reach.news(interface, address, state) {
                self.moved(moved);
            }
        }
    }

    /// Tells the director where a real server is.
    fn moved(&mut self, (address, place): Moved) {
        self.is_dirty |= self.director.handle(Event::Neighbour(address, place), Instant::now());
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
            self.dataplane.copy_services(&self.tables.actual().services);
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

    /// Answers a request from the control socket.
    pub(super) async fn answer(&mut self, request: Request) {
        // Who asked may have gone away meanwhile; then nobody needs the answer.
        match request {
            Request::Services(reply) => {
                self.sweep(); // So that the connections are those of now.
                drop(reply.send(self.services()));
            }
            Request::Status(reply) => drop(reply.send(self.status().await)),
            Request::Doctor(reply) => self.examine(reply),
            Request::Rates(reply) => {
                let config = self.director.config();
                let rates = report::rates(
                    config,
                    &self.counts.service_rates,
                    &self.counts.real_server_rates,
                );
                drop(reply.send(Ok(rates)));
            }
            Request::Connections(filter, reply) => {
                drop(reply.send(Ok(self.connections(&filter))));
            }
            Request::Why(question, reply) => drop(reply.send(self.why(question))),
            Request::Reload(Reload { dry_run }, by, reply) => {
                let reloaded = match self.options.load() {
                    Ok(config) => {
                        let by = by.to_string();
                        let reloaded = self.reload(config, &by, dry_run).await;
                        if reloaded.is_ok() && !dry_run {
                            info!(by, "reloaded the configuration");
                        }
                        reloaded
                            .map(|Difference { changes, needs_restart }| Reloaded {
                                changes,
                                needs_restart,
                            })
                            .map_err(refused)
                    }
                    Err(errors) => Err(refused(errors)),
                };
                drop(reply.send(reloaded));
            }
            Request::Edit(Edits { edits }, by, reply) => {
                let edited = match self.director.config().edited(&edits) {
                    Ok(config) => self.adopt(config, &by).await,
                    Err(error) => Err(refused(error)),
                };
                drop(reply.send(edited));
            }
            Request::Restore(Restore { toml }, by, reply) => {
                let restored = match Config::parse(&toml, "what is to be restored") {
                    Ok(config) => self.adopt(config, &by).await,
                    Err(errors) => Err(refused(errors)),
                };
                drop(reply.send(restored));
            }
            Request::Configuration(reply) => {
                let toml = self.director.config().to_toml();
                let file = self.options.config.display().to_string();
                drop(reply.send(Ok(Configuration { toml, file })));
            }
            Request::Difference(reply) => {
                let unsaved = self.file.difference(&self.options, self.director.config());
                drop(reply.send(unsaved.map_err(refused)));
            }
            Request::Persistence(reply) => drop(reply.send(Ok(self.persistence()))),
            Request::Zero(Zero { service }, by, reply) => {
                let (placement, config) = (self.tables.placement(), self.director.config());
                let services = self.counts.zero(service, &self.dataplane, placement, config);
                let zeroed = match service {
                    Some(_) if services == 0 => Err(refused("No such service")),
                    Some(_) | None => Ok(Zeroed { services }),
                };
                info!(%by, services, "counters count from zero");
                drop(reply.send(zeroed));
            }
            Request::HandOver(HandOver { to, force }, by, reply) => {
                let config = self.director.config();
                let ordered = match &self.role {
                    Some(role) => role.order(to.as_deref(), force, config).await,
                    None => Err(alone(config)),
                };
                if let Ok(role) = ordered {
                    info!(%by, to, %role, "asked to hand over");
                }
                drop(reply.send(ordered.map(|role| HandedOver { role }).map_err(refused)));
            }
            Request::Save(Save {}, by, reply) => {
                let saved = config_file::save(&self.options.config, self.director.config());
                if let Ok(Saved { file, .. }) = &saved {
                    info!(%by, file, "saved the running configuration");
                }
                drop(reply.send(saved.map_err(refused)));
            }
        }
    }

    /// Asks the program what it would do with a packet.
    fn why(&mut self, question: Question) -> Result<Why, ApiError> {
        let frame = question.frame().map_err(refused)?;
        let explained = self
            .dataplane
            .explain(&frame)
            .map_err(|error| ApiError { error: format!("can't ask the program: {error:#}") })?;
        let explained = explained.ok_or_else(|| ApiError {
            error: "the program does not understand the question".to_owned(),
        })?;
        let known = why::Known {
            director: &self.director,
            tables: &self.tables,
            dataplane: &self.dataplane,
            limits: &self.counts.limits,
        };
        Ok(known.why(question, &explained))
    }

    /// Has the doctor look at everything.
    fn examine(&mut self, reply: Reply<Diagnosis>) {
        self.sweep();
        let mut known = known(
            &self.director,
            &self.links,
            &self.dataplane,
            self.tables.out_of_sync(),
            &self.reach,
            self.counts.in_tables,
            &self.options.bpffs,
        );
        let role = self.role.as_ref();
        known.failover = role.and_then(|it| it.evidence(self.director.config(), Instant::now()));
        self.examinations.begin(known, self.reach.netlink().clone(), reply);
    }

    /// Goes by a configuration that somebody has sent.
    async fn adopt(&mut self, config: Config, by: &Peer) -> Result<Edited, ApiError> {
        let Difference { changes, .. } =
            self.reload(config, &by.to_string(), false).await.map_err(refused)?;
        Ok(Edited { changes })
    }

    /// Tells who listens to what happens.
    fn tell(&self, what: What) {
        // It is no matter if nobody does.
        drop(self.events.send(api::Event::now(what)));
    }

    fn services(&self) -> Result<api::Services, ApiError> {
        report::services(&self.director, self.tables.placement(), &self.dataplane, &self.counts)
            .map_err(|error| ApiError { error: format!("can't read the maps: {error}") })
    }

    fn connections(&self, filter: &Filter) -> api::Connections {
        report::connections(self.tables.placement(), &self.dataplane, &self.counts.limits, filter)
    }

    fn persistence(&self) -> api::Persistence {
        let (config, placement) = (self.director.config(), self.tables.placement());
        report::persistence(config, placement, &self.dataplane, Instant::now())
    }

    async fn status(&mut self) -> Result<api::Status, ApiError> {
        let punctuality = self.checks.punctuality().await;
        let config = self.director.config();
        report::status(
            config,
            self.file.state(&self.options, config),
            &self.links,
            &self.dataplane,
            self.tables.out_of_sync(),
            &punctuality,
            self.role.as_ref().and_then(|role| role.status(config, Instant::now())),
        )
        .map_err(|error| ApiError { error: format!("can't read the maps: {error}") })
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

fn refused(error: impl std::fmt::Display) -> ApiError {
    ApiError { error: error.to_string() }
}

/// What stands behind a word, if anything does.
fn because(reason: Option<String>) -> String {
    reason.map(|reason| format!(": {reason}")).unwrap_or_default()
}

//! Between the daemon's loop and the failover driver: what the one knows and the other needs.

mod notice;
mod settings;
mod status;

use std::{
    collections::BTreeSet,
    io,
    net::IpAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;
use tracing::{error, warn};

pub(super) use notice::{Told, next};

use crate::{
    config::Config,
    dataplane::{Lease, bpf::Told as ToldByProgram},
    director::Director,
    failover::{
        Order,
        auth::KeysError,
        driver::{Failover, Notice, Setup, StartError},
        lease,
        machine::{Edge, State},
        order,
        settings::Settings as Configured,
        sync::{Names, Status, Sync, SyncError},
        track::Tracker,
    },
    model::ServiceId,
    net::Link,
};
use settings::{own_status, quorums, settings, sync_settings, vips, warn_of_short_leases};

/// Why this director can take no part in failover.
#[derive(Debug, thiserror::Error)]
pub enum FailoverError {
    /// The key file can't be read.
    #[error("[failover] key_file {}: {error}", path.display())]
    KeyFile {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// There is something wrong in it.
    #[error("[failover] key_file {}: {error}", path.display())]
    Keys {
        /// Which.
        path: PathBuf,
        /// What.
        error: KeysError,
    },
    /// The driver has not started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The synchronisation has not started.
    #[error(transparent)]
    Sync(#[from] SyncError),
}

/// So long a director that comes back waits for real servers that it can't reach, or that fail.
const PATIENCE: Duration = Duration::from_secs(15);

/// So long a stop is put off at most, for connections that are still told of.
const LONGEST_FAREWELL: Duration = Duration::from_secs(3);

/// This director's part in failover.
pub(super) struct Role {
    failover: Failover,
    /// `None` if connections are not told of.
    sync: Option<Sync>,
    /// What this director says of itself to others.
    own: Status,
    /// Other directors whose services are not those of this one.
    different: BTreeSet<String>,
    tracker: Tracker,
    /// The services whose quorum is tracked, by the numbers of that, and whether they have it, as was told
    /// last.
    quorums: Vec<(usize, ServiceId, Option<bool>)>,
    vips: Vec<IpAddr>,
    is_warm: bool,
    /// Since when it has not been at fault.
    sound_since: Option<Instant>,
    has_told_end: bool,
    /// Whether the others have turned out to be directors of ours.
    peers_confirm: bool,
    lease: Arc<Lease>,
    is_ready: bool,
    /// Why the role was claimed the last time.
    claimed: Option<Edge>,
    /// Why the driver has no real-time priority.
    not_real_time: Option<String>,
}

impl Role {
    /// Takes part from now on; what happens comes out of the other end.
    pub(super) fn start(
        config: &Config,
        configured: &Configured,
        links: Vec<Link>,
        lease: Arc<Lease>,
        told: impl FnOnce() -> anyhow::Result<ToldByProgram>,
    ) -> Result<(Self, mpsc::Receiver<Notice>), FailoverError> {
        let settings = settings(config, configured)?;
        if settings.keys.is_none() {
            warn!(
                "advertisements are not signed: whoever can send IP protocol 112 to this network can \
                 take the VIPs away; a [failover] key_file keeps them"
            );
        }
        warn_of_short_leases(configured, &lease);
        let (track, settings_keys) = (settings.track.clone(), settings.keys.clone());
        let vips = vips(config);
        let ways = configured.ways(&config.director.name, &config.director.interfaces);
        let setup = Setup {
            vrid: configured.vrid,
            ways,
            settings,
            vips: vips.clone(),
            links,
            lease: Arc::clone(&lease),
        };
        let sync_settings = sync_settings(config, configured, settings_keys);
        let (failover, notices) = Failover::start(setup)?;
        let sync = match sync_settings {
            None => None,
            Some(settings) => {
                let told = told().map_err(SyncError::Told)?;
                let sync = Sync::start(settings, told, failover.report())?;
                sync.set_status(own_status(config));
                Some(sync)
            }
        };
        let tracker = Tracker::start(&track, &failover.tell());
        let quorums = quorums(&track);
        let role = Self {
            failover,
            sync,
            own: own_status(config),
            different: BTreeSet::new(),
            tracker,
            quorums,
            vips,
            is_warm: false,
            sound_since: None,
            has_told_end: false,
            peers_confirm: false,
            lease,
            is_ready: false,
            claimed: None,
            not_real_time: None,
        };
        Ok((role, notices))
    }

    /// Tells the driver what it needs to know. To be called whenever the loop comes round.
    pub(super) fn follow(&mut self, director: &Director) {
        self.failover.pulse().beat();
        self.is_warm |= director.is_warm();
        let knows_all = self.look_at_sync();
        let is_ready = self.is_warm && knows_all && self.can_serve(director, Instant::now());
        if std::mem::replace(&mut self.is_ready, is_ready) != is_ready {
            self.failover.set_ready(is_ready);
        }
        for (number, service, had) in &mut self.quorums {
            let has = director.has_quorum(service);
            if had.replace(has) != Some(has) {
                let wrong = (!has).then(|| format!("{service} has no quorum"));
                self.failover.set_track(*number, wrong);
            }
        }
    }

    /// Whether all connections of the master are known.
    fn look_at_sync(&mut self) -> bool {
        let Some(sync) = &self.sync else { return true };
        let report = sync.report();
        let report = report.borrow();
        // Who speaks our protocol says it when it gives way; also later on, when it does not answer.
        let is_of_ours = report.following.as_ref().is_some_and(|it| it.status.is_some());
        if is_of_ours && !std::mem::replace(&mut self.peers_confirm, true) {
            self.failover.set_peers_confirm();
        }
        report.is_in_sync()
    }

    /// Whether it can serve as the master does. When a link was away the kernel has forgotten where the
    /// real servers are, and the checks have failed: a while is given to both.
    fn can_serve(&mut self, director: &Director, now: Instant) -> bool {
        if self.failover.report().borrow().state == State::Fault {
            self.sound_since = None;
            return false;
        }
        let since = *self.sound_since.get_or_insert(now);
        director.reaches_all() || now.duration_since(since) >= PATIENCE
    }

    /// What the numbers in the maps stand for from now on.
    pub(super) fn set_names(&self, names: impl FnOnce() -> Names) {
        if let Some(sync) = &self.sync {
            sync.set_names(names());
        }
    }

    /// Tells others what this director knows, and looks whether they know the same. To be called now and
    /// then.
    pub(super) fn compare(&mut self, connections: u64) {
        let Some(sync) = &self.sync else { return };
        self.own.connections = connections;
        sync.set_status(self.own.clone());
        let report = sync.report();
        let report = report.borrow();
        if report.has_ended && !std::mem::replace(&mut self.has_told_end, true) {
            error!(
                "the synchronisation thread has ended: connections are told to nobody; restart lvsd"
            );
        }
        let mut present = BTreeSet::new();
        for (address, other) in report.others() {
            let name = if other.name.is_empty() { address.to_string() } else { other.name.clone() };
            present.insert(name.clone());
            if other.tables == self.own.tables {
                self.different.remove(&name);
            } else if !other.tables.is_empty() && self.different.insert(name.clone()) {
                warn!(
                    director = name,
                    "its virtual services are not those of this director: compare their configurations"
                );
            }
        }
        self.different.retain(|name| present.contains(name));
    }

    /// Gives the role up. What this director still forwards meanwhile the next is told of, until there is
    /// nothing any more.
    pub(super) async fn leave(self) {
        let Self { failover, sync, lease, .. } = self;
        let report = failover.report();
        let was_master = report.borrow().state == State::Master;
        let interval = failover.interval();
        // The last that it says is that it stops.
        drop(failover);
        let is_followed =
            sync.as_ref().is_some_and(|it| !it.report().borrow().subscribers.is_empty());
        if was_master && is_followed {
            tokio::time::sleep(lease::length(interval).min(LONGEST_FAREWELL)).await;
            // What came now would be told to nobody.
            lease.end();
        }
    }

    /// Whether it could go by another configuration.
    ///
    /// # Errors
    /// What can't be read of it.
    pub(super) fn check(config: &Config) -> Result<(), FailoverError> {
        match &config.failover {
            Some(configured) => settings(config, configured).map(drop),
            None => Ok(()),
        }
    }

    /// The services are others: so may be the addresses.
    pub(super) fn follow_services(&mut self, config: &Config) {
        let vips = vips(config);
        if vips != self.vips {
            self.vips.clone_from(&vips);
            self.failover.set_vips(vips);
        }
    }

    /// Goes by another configuration. What can't be read of it stays as it was.
    pub(super) fn reconfigure(&mut self, before: &Config, config: &Config) {
        let Some(configured) = &config.failover else { return };
        match settings(config, configured) {
            Ok(settings) => {
                let sync_settings = sync_settings(config, configured, settings.keys.clone());
                if let (Some(sync), Some(settings)) = (&self.sync, sync_settings) {
                    sync.reconfigure(settings);
                }
                let track = settings.track.clone();
                self.failover.reconfigure(settings);
                // After that: they tell by the new numbers, from the first on.
                if before.failover != config.failover {
                    self.quorums = quorums(&track);
                    self.tracker = Tracker::start(&track, &self.failover.tell());
                }
            }
            Err(error) => error!(%error, "failover stays as it was"),
        }
        self.own = own_status(config);
        self.follow_services(config);
    }

    /// Does what an operator wants; says what this director is then.
    pub(super) async fn order(
        &self,
        to: Option<&str>,
        force: bool,
        config: &Config,
    ) -> Result<State, String> {
        let Some(configured) = &config.failover else { return Err(alone(config)) };
        let state = self.failover.report().borrow().state;
        let order = order(to, &config.director.name, state, configured)?;
        let wanted = if order == Order::Nothing || force { None } else { self.sync.as_ref() };
        if let Some(sync) = wanted {
            let report = sync.report();
            let report = report.borrow();
            // Whom nobody follows, and who follows nobody, has nobody to take over from or to hand over to.
            let knows_all = match order {
                Order::Take => report.following.is_none() || report.is_in_sync(),
                Order::Resign | Order::Nothing => report.subscribers.iter().any(|it| it.is_in_sync),
            };
            if !knows_all {
                return Err("who would take over does not know all connections yet, so they would \
                            break (`lvsctl status` says what it waits for); --force does it all the \
                            same"
                    .to_owned());
            }
        }
        self.failover.obey(order).await.ok_or_else(|| "the failover thread has ended".to_owned())
    }
}

/// What is said to who wants a role of a director that has none.
pub(super) fn alone(config: &Config) -> String {
    format!("{} is alone: there is no [failover] in its configuration", config.director.name)
}

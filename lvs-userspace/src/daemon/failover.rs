//! Between the daemon's loop and the failover driver: what the one knows and the other needs.

use std::{
    fs, io,
    net::IpAddr,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use tokio::sync::mpsc;
use tracing::{error, info, warn};

use crate::{
    config::Config,
    control::api::{self, Failover as Status},
    dataplane::Lease,
    director::Director,
    failover::{
        self, Refusal,
        auth::{Keys, KeysError},
        driver::{Failover, Notice, Settings, Setup, StartError},
        lease,
        machine::{Change, Edge, State},
        order,
        settings::{Settings as Configured, Tracked},
        track::Tracker,
    },
    model::ServiceId,
    net::Link,
};

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
}

/// What the operators are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) reason: String,
}

/// This director's part in failover.
pub(super) struct Role {
    failover: Failover,
    tracker: Tracker,
    /// The services whose quorum is tracked, by the numbers of that, and whether they have it, as was told
    /// last.
    quorums: Vec<(usize, ServiceId, Option<bool>)>,
    vips: Vec<IpAddr>,
    is_ready: bool,
    /// Why the role was claimed the last time.
    claimed: Option<Edge>,
}

impl Role {
    /// Takes part from now on; what happens comes out of the other end.
    pub(super) fn start(
        config: &Config,
        configured: &Configured,
        links: Vec<Link>,
        lease: Arc<Lease>,
    ) -> Result<(Self, mpsc::Receiver<Notice>), FailoverError> {
        let settings = settings(config, configured)?;
        if settings.keys.is_none() {
            warn!(
                "advertisements are not signed: whoever can send IP protocol 112 to this network can \
                 take the VIPs away; a [failover] key_file keeps them"
            );
        }
        warn_of_short_leases(configured, &lease);
        let track = settings.track.clone();
        let vips = vips(config);
        let ways = configured.ways(&config.director.name, &config.director.interfaces);
        let setup =
            Setup { vrid: configured.vrid, ways, settings, vips: vips.clone(), links, lease };
        let (failover, notices) = Failover::start(setup)?;
        let tracker = Tracker::start(&track, &failover.tell());
        let quorums = quorums(&track);
        let role = Self { failover, tracker, quorums, vips, is_ready: false, claimed: None };
        Ok((role, notices))
    }

    /// Tells the driver what it needs to know. To be called whenever the loop comes round.
    pub(super) fn follow(&mut self, director: &Director) {
        self.failover.pulse().beat();
        if !self.is_ready && director.is_warm() {
            self.is_ready = true;
            self.failover.set_ready(true);
        }
        for (number, service, had) in &mut self.quorums {
            let has = director.has_quorum(service);
            if had.replace(has) != Some(has) {
                let wrong = (!has).then(|| format!("{service} has no quorum"));
                self.failover.set_track(*number, wrong);
            }
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
        self.follow_services(config);
    }

    /// Does what an operator wants; says what this director is then.
    pub(super) async fn order(&self, to: Option<&str>, config: &Config) -> Result<State, String> {
        let Some(configured) = &config.failover else { return Err(alone(config)) };
        let state = self.failover.report().borrow().state;
        let order = order(to, &config.director.name, state, configured)?;
        self.failover.obey(order).await.ok_or_else(|| "the failover thread has ended".to_owned())
    }

    /// Logs what has happened; says what operators are to be told of it.
    pub(super) fn noticed(&mut self, notice: &Notice) -> Option<Told> {
        match notice {
            Notice::Changed(change, wrong) => return self.changed(*change, wrong),
            Notice::Split(heard) => {
                error!(
                    priority = heard.priority,
                    "split brain: another director was master at the same time; it is told to stop"
                );
                let reason = format!("another was master, too, with priority {}", heard.priority);
                return Some(Told { from: "master".into(), to: "split brain".into(), reason });
            }
            Notice::Late(time) => warn!(
                after = ?time,
                "late advertisement: the master, or the network, has too much to do"
            ),
            Notice::Slow(late) => warn!(
                ?late,
                "this director is late to act: it has too much to do to be sure of its role"
            ),
            Notice::Worth(priority, wrong) => {
                let wrong = wrong.join("; ");
                warn!(priority, wrong, "the priority of this director has changed");
            }
            Notice::Refused(from, refusal) => {
                let (reason, meaning) = (refusal.name(), refusal.meaning());
                warn!(%from, reason, meaning, "not taken for an advertisement");
                if *refusal == Refusal::NotSigned {
                    warn!(%from, "with a key_file here, every director needs one");
                }
            }
            Notice::OtherVips(peer) => {
                warn!(%peer, "it answers for other addresses than this director: compare their services");
            }
            Notice::NotRealTime(error) => info!(
                error,
                "the failover thread has no real-time priority: it may be late when there is much to do"
            ),
            Notice::Ended => error!("the failover thread has ended"),
        }
        None
    }

    fn changed(&mut self, Change { from, to, edge }: Change, wrong: &[String]) -> Option<Told> {
        let mut reason = match (edge, wrong) {
            (Edge::Unfit, [_, ..]) => wrong.join("; "),
            _ => edge.to_string(),
        };
        info!(%from, %to, reason, "failover");
        let mut before = from;
        match (from, to) {
            // A claim is over in a moment, and then it is told how it went.
            (_, State::Claim) => {
                self.claimed = Some(edge);
                return None;
            }
            (State::Claim, State::Master) => {
                before = State::Backup;
                if let Some(claimed) = self.claimed {
                    reason = format!("{claimed}; {reason}");
                }
            }
            (State::Claim, State::Backup) => return None,
            _ => {}
        }
        Some(Told { from: before.to_string(), to: to.to_string(), reason })
    }

    /// What it says of itself.
    pub(super) fn status(&self, config: &Config, now: Instant) -> Option<Status> {
        let configured = config.failover.as_ref()?;
        let report = self.failover.report();
        let report = report.borrow();
        let ms = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let peers = report.peers.iter().map(|(&address, peer)| api::FailoverPeer {
            address,
            priority: peer.last.map(|(heard, _)| heard.priority),
            last_advertisement_ms: peer.age(now).map(ms),
            advertisements: peer.adverts,
            has_other_vips: peer.has_other_vips,
        });
        let ways = report.ways.iter().map(|way| api::FailoverWay {
            name: way.name.clone(),
            sent: way.sent,
            error: way.error.clone(),
        });
        let refused = report.refused.iter().map(|(refusal, &packets)| api::Refused {
            name: refusal.name().to_owned(),
            meaning: refusal.meaning().to_owned(),
            packets,
        });
        Some(Status {
            role: report.state,
            since_s: now.duration_since(report.since).as_secs(),
            vrid: configured.vrid,
            priority: report.priority,
            by_hand: report.priority == failover::BY_HAND,
            has_resigned: report.has_resigned,
            signed: configured.key_file.is_some(),
            wrong: report.wrong.clone(),
            peers: peers.collect(),
            ways: ways.collect(),
            sent: report.sent,
            received: report.received,
            late: report.late,
            refused: refused.collect(),
            splits: report.splits,
            takeovers: report.takeovers,
            announcements: report.announcements,
        })
    }
}

/// What is said to who wants a role of a director that has none.
pub(super) fn alone(config: &Config) -> String {
    format!("{} is alone: there is no [failover] in its configuration", config.director.name)
}

fn settings(config: &Config, configured: &Configured) -> Result<Settings, FailoverError> {
    let keys = match &configured.key_file {
        Some(path) => Some(read_keys(path)?),
        None => None,
    };
    Ok(Settings {
        machine: configured.machine(&config.director.name),
        announce: configured.announce,
        keys,
        track: configured.tracked(&config.director.interfaces),
    })
}

fn read_keys(path: &Path) -> Result<Keys, FailoverError> {
    let unreadable = |error| FailoverError::KeyFile { path: path.to_owned(), error };
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let mode = fs::metadata(path).map_err(unreadable)?.mode();
    if mode & 0o077 != 0 {
        let path = path.display();
        warn!(%path, "others can read the keys: `chmod 600 {path}`");
    }
    Keys::parse(&text).map_err(|error| FailoverError::Keys { path: path.to_owned(), error })
}

/// A lease that is shorter than two intervals can end between two advertisements that are in time.
fn warn_of_short_leases(configured: &Configured, lease: &Lease) {
    let interval = configured.advert_interval;
    let least = lease::length(interval).saturating_sub(2 * lease.tick());
    if least < 2 * interval.duration() {
        warn!(
            tick = ?lease.tick(), interval = ?interval.duration(),
            "the kernel's clock is too coarse for so short an advert_interval: now and then the VIPs will \
             not be answered for"
        );
    }
}

fn vips(config: &Config) -> Vec<IpAddr> {
    let mut vips: Vec<_> = config.virtual_services.iter().map(|it| it.id.address).collect();
    vips.sort_unstable();
    vips.dedup();
    vips
}

fn quorums(track: &[failover::settings::Track]) -> Vec<(usize, ServiceId, Option<bool>)> {
    let quorum = |(number, track): (usize, &failover::settings::Track)| match track.what {
        Tracked::Quorum(service) => Some((number, service, None)),
        Tracked::Interface(_) | Tracked::Program(_) => None,
    };
    track.iter().enumerate().filter_map(quorum).collect()
}

/// What happens next; nothing ever, if this director is alone.
pub(super) async fn next(notices: &mut Option<mpsc::Receiver<Notice>>) -> Notice {
    match notices {
        Some(notices) => notices.recv().await.unwrap_or(Notice::Ended),
        None => std::future::pending().await,
    }
}

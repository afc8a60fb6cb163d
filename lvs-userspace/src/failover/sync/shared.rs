//! What the tasks of the synchronisation share: what is set from outside, and what is reported.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    sync::Arc,
    time::Instant,
};

use tokio::sync::{broadcast, watch};
use tracing::warn;

use super::{
    Following, Names, Report, Settings, Status, Subscriber, follow::endpoint, message::Message,
    peer::PeerError, serve::SettingsWatch, tell::Batch,
};
use crate::{
    dataplane::{bpf::Templates, store::ConnectionStore},
    failover::{STOPS, driver, machine::State},
    patience::Complaints,
};

/// A peer that was silent for so many of its intervals is no master any more.
const SILENT: u32 = 4;

/// What its tasks share.
pub(super) struct Shared {
    pub(super) store: ConnectionStore,
    pub(super) templates: Templates,
    pub(super) batches: broadcast::Sender<Batch>,
    pub(super) settings: SettingsWatch,
    pub(super) names: watch::Receiver<Arc<Names>>,
    pub(super) local: watch::Receiver<Status>,
    pub(super) failover: watch::Receiver<driver::Report>,
    pub(super) report: watch::Sender<Report>,
    /// When the clock began by which it speaks.
    pub(super) began: Instant,
    /// Whether something was told of real servers that are not known here.
    pub(super) missed: Cell<bool>,
    pub(super) is_flood: Cell<bool>,
    pub(super) complaints: RefCell<Complaints>,
}

impl Shared {
    pub(super) fn names(&self) -> Arc<Names> {
        Arc::clone(&self.names.borrow())
    }

    pub(super) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.borrow())
    }

    pub(super) fn watch_names(&self) -> watch::Receiver<Arc<Names>> {
        self.names.clone()
    }

    pub(super) fn watch_settings(&self) -> SettingsWatch {
        self.settings.clone()
    }

    /// A message that is put together now.
    pub(super) fn encode(&self, message: &Message, now: Instant) -> Vec<u8> {
        message.encode(now.saturating_duration_since(self.began))
    }

    pub(super) fn role(&self) -> State {
        self.failover.borrow().state
    }

    /// What this director says of itself.
    pub(super) fn local(&self) -> Status {
        Status { role: self.role(), ..self.local.borrow().clone() }
    }

    /// Where the master is, if this director is none; the one that is followed rather than another address
    /// of it.
    pub(super) fn master(&self, followed: Option<SocketAddr>) -> Option<SocketAddr> {
        let (report, port, now) = (self.failover.borrow(), self.settings().port, Instant::now());
        if report.state == State::Master {
            return None;
        }
        let is_master = |peer: &driver::Peer| {
            peer.last.is_some_and(|(heard, at)| {
                heard.priority != STOPS
                    && now.duration_since(at) < SILENT * heard.interval.duration()
            })
        };
        let mut masters = report
            .peers
            .iter()
            .filter(|(_, peer)| is_master(peer))
            .map(|(&address, peer)| endpoint(address, port, peer.link));
        let first = masters.next()?;
        let is_followed =
            followed.is_some_and(|it| it == first || masters.any(|other| other == it));
        if is_followed { followed } else { Some(first) }
    }

    pub(super) fn subscribers(&self) -> usize {
        self.report.borrow().subscribers.len()
    }

    /// Takes in a follower; gives it what is told from now on.
    pub(super) fn join(&self, subscriber: Subscriber) -> broadcast::Receiver<Batch> {
        let batches = self.batches.subscribe();
        self.report.send_modify(|it| it.subscribers.push(subscriber));
        self.store.tell(true, !self.is_flood.get());
        batches
    }

    /// Forgets a follower.
    pub(super) fn leave(&self, address: SocketAddr) {
        self.report.send_modify(|it| it.subscribers.retain(|it| it.address != address));
        if self.subscribers() == 0 {
            self.store.tell(false, false);
        }
    }

    /// Somebody wanted to follow who may not, or could not.
    pub(super) fn complain(&self, address: SocketAddr, reason: &str) {
        if self.complaints.borrow_mut().is_due(Instant::now()) {
            warn!(%address, reason, "refused one that wants to follow this director's connections");
        }
    }

    pub(super) fn in_sync(&self, address: SocketAddr, is_in_sync: bool) {
        self.subscriber(address, |it| it.is_in_sync = is_in_sync);
    }

    pub(super) fn heard(&self, address: SocketAddr, status: Status) {
        self.subscriber(address, |it| it.status = status);
    }

    fn subscriber(&self, address: SocketAddr, change: impl FnOnce(&mut Subscriber)) {
        self.report.send_modify(|it| {
            if let Some(it) = it.subscribers.iter_mut().find(|it| it.address == address) {
                change(it);
            }
        });
    }

    pub(super) fn told(&self, records: u64) {
        self.report.send_modify(|it| it.told += records);
    }

    pub(super) fn resync(&self) {
        self.report.send_modify(|it| it.resyncs += 1);
    }

    /// There is a flood of beginnings, or none any more.
    pub(super) fn flooded(&self, is_flood: bool) {
        self.is_flood.set(is_flood);
        self.store.tell(self.subscribers() > 0, self.subscribers() > 0 && !is_flood);
        if is_flood {
            self.report.send_modify(|it| it.floods += 1);
            warn!(
                "a flood of new connections: the others are told of those alone that are established"
            );
        }
    }

    /// Nobody is followed.
    pub(super) fn follow_nobody(&self) {
        self.report.send_if_modified(|it| it.following.take().is_some());
    }

    /// A master is to be followed; of one that was tried before it is known what was wrong.
    pub(super) fn begin(&self, address: SocketAddr) {
        self.report.send_modify(|it| {
            let before = it.following.take().filter(|it| it.address == address);
            let error = before.and_then(|it| it.error);
            it.following = Some(Following { address, is_in_sync: false, error, status: None });
        });
    }

    /// Says whether this director is in sync no more.
    pub(super) fn master_says(&self, status: Status) -> bool {
        let mut was_in_sync = false;
        self.following(|it| {
            if !status.all_told {
                was_in_sync = std::mem::replace(&mut it.is_in_sync, false);
            }
            it.status = Some(status);
            it.error = None;
        });
        was_in_sync
    }

    /// Says whether that is new.
    pub(super) fn all_heard(&self) -> bool {
        let mut is_new = false;
        self.following(|it| is_new = !std::mem::replace(&mut it.is_in_sync, true));
        is_new
    }

    /// The conversation with the master has ended; says whether all was well before.
    pub(super) fn followed(&self, error: &PeerError) -> bool {
        let mut was_in_sync = false;
        self.report.send_modify(|it| {
            let Some(following) = &mut it.following else { return };
            was_in_sync = std::mem::replace(&mut following.is_in_sync, false);
            following.error = Some(error.to_string());
        });
        was_in_sync
    }

    fn following(&self, change: impl FnOnce(&mut Following)) {
        self.report.send_modify(|it| {
            if let Some(it) = &mut it.following {
                change(it);
            }
        });
    }

    /// What was taken in, or not.
    pub(super) fn took(&self, [taken, older, unknown, no_room]: [u64; 4]) {
        self.report.send_modify(|it| {
            it.taken += taken;
            it.older += older;
            it.unknown += unknown;
            it.no_room += no_room;
        });
    }
}

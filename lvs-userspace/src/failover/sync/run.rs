//! The thread of the synchronisation, and what the rest of lvsd sees of it.

use std::{
    cell::{Cell, RefCell},
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    rc::Rc,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::{
    net::TcpListener,
    runtime,
    sync::{broadcast, watch},
    task::LocalSet,
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::{
    Following, Names, Report, Status, Subscriber,
    follow::{endpoint, follow},
    link::{send_far, take_near},
    message::Message,
    peer::PeerError,
    serve::{SettingsWatch, listen},
    tell::{Batch, tell},
};
use crate::{
    dataplane::{
        bpf::{Templates, Told},
        store::ConnectionStore,
    },
    failover::{STOPS, auth::Keys, driver, machine::State},
    patience::Complaints,
};

/// How often directors say what they are.
pub(super) const TICK: Duration = Duration::from_secs(1);
/// How often it is renewed that somebody is told of new connections.
const BEAT: Duration = Duration::from_millis(10);
/// How soon it is seen that there is somebody.
const IDLE: Duration = Duration::from_millis(200);
/// For how long.
const GRACE: Duration = Duration::from_millis(50);
/// Batches that a follower may be behind, of some kilobytes each.
const BACKLOG: usize = 1024;
/// A peer that was silent for so many of its intervals is no master any more.
const SILENT: u32 = 4;

/// What it goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// TCP port, the same at all directors.
    pub port: u16,
    /// What messages are signed with.
    pub keys: Option<Keys>,
    /// Who may follow without keys; `None`: anybody.
    pub peers: Option<Vec<IpAddr>>,
    /// How often those are told again that go on.
    pub refresh: Duration,
}

/// Why it could not start.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The port can't be had.
    #[error("[failover] sync_port {port}: can't listen for other directors: {error}")]
    Listen {
        /// Which.
        port: u16,
        /// Why.
        error: io::Error,
    },
    /// The maps can't be had.
    #[error("[failover] can't read what the program tells of connections: {0:#}")]
    Told(anyhow::Error),
    /// There is no thread, or no runtime.
    #[error("[failover] can't start the synchronisation: {0}")]
    Thread(#[from] io::Error),
}

/// A running synchronisation. Dropping it ends it.
#[derive(Debug)]
pub struct Sync {
    settings: watch::Sender<Arc<Settings>>,
    names: watch::Sender<Arc<Names>>,
    local: watch::Sender<Status>,
    report: watch::Receiver<Report>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

/// What its tasks share.
pub(super) struct Shared {
    pub(super) store: ConnectionStore,
    pub(super) templates: Templates,
    pub(super) batches: broadcast::Sender<Batch>,
    settings: SettingsWatch,
    names: watch::Receiver<Arc<Names>>,
    local: watch::Receiver<Status>,
    failover: watch::Receiver<driver::Report>,
    report: watch::Sender<Report>,
    /// When the clock began by which it speaks.
    began: Instant,
    /// Whether something was told of real servers that are not known here.
    pub(super) missed: Cell<bool>,
    is_flood: Cell<bool>,
    complaints: RefCell<Complaints>,
}

impl Sync {
    /// Starts it; `to_note` is a second way to where clients stay.
    ///
    /// # Errors
    /// When there is no port, or no thread, to be had.
    pub fn start(
        settings: Settings,
        told: Told,
        failover: watch::Receiver<driver::Report>,
    ) -> Result<Self, SyncError> {
        let port = settings.port;
        let listener = bind(port).map_err(|error| SyncError::Listen { port, error })?;
        let (settings, watched_settings) = watch::channel(Arc::new(settings));
        let (names, watched_names) = watch::channel(Arc::default());
        let (local, watched_local) = watch::channel(Status::default());
        let (sender, report) = watch::channel(Report::default());
        let Told { store, templates, to_note, changes, beginnings } = told;
        let shared = Shared {
            store,
            templates,
            batches: broadcast::Sender::new(BACKLOG),
            settings: watched_settings,
            names: watched_names,
            local: watched_local,
            failover,
            report: sender,
            began: Instant::now(),
            missed: Cell::new(false),
            is_flood: Cell::new(false),
            complaints: RefCell::default(),
        };
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let thread = std::thread::Builder::new().name("sync".to_owned()).spawn(move || {
            let local = LocalSet::new();
            local.block_on(&runtime, async move {
                let shared = Rc::new(shared);
                let listener = match TcpListener::from_std(listener) {
                    Ok(listener) => listener,
                    Err(error) => return error!(%error, "can't listen for other directors"),
                };
                let _end = End(shared.report.clone());
                tokio::select! {
                    result = tell(Rc::clone(&shared), changes, beginnings) => {
                        if let Err(error) = result {
                            error!(%error, "can't read what the program tells of connections");
                        }
                    }
                    () = listen(Rc::clone(&shared), listener) => {}
                    () = follow(Rc::clone(&shared), to_note) => {}
                    () = beat(&shared) => {}
                    () = stopped.cancelled() => {}
                }
                shared.store.tell(false, false);
                shared.store.schedule_until(None);
            });
        })?;
        Ok(Self { settings, names, local, report, stop, thread: Some(thread) })
    }

    /// What it says of itself.
    #[must_use]
    pub fn report(&self) -> watch::Receiver<Report> {
        self.report.clone()
    }

    /// Goes by other settings from now on; the port is as it was.
    pub fn reconfigure(&self, settings: Settings) {
        self.settings.send_if_modified(|before| {
            let settings = Settings { port: before.port, ..settings };
            let is_another = **before != settings;
            if is_another {
                *before = Arc::new(settings);
            }
            is_another
        });
    }

    /// What the numbers in the maps stand for from now on.
    pub fn set_names(&self, names: Names) {
        self.names.send_if_modified(|before| {
            let is_another = **before != names;
            if is_another {
                *before = Arc::new(names);
            }
            is_another
        });
    }

    /// What this director says of itself from now on, but for its state.
    pub fn set_status(&self, status: Status) {
        self.local.send_replace(status);
    }
}

impl Drop for Sync {
    fn drop(&mut self) {
        self.stop.cancel();
        if self.thread.take().is_some_and(|it| it.join().is_err()) {
            warn!("the synchronisation thread has panicked");
        }
    }
}

/// However the thread ends, nobody is in sync any more.
struct End(watch::Sender<Report>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.send_modify(|it| {
            it.following = None;
            it.subscribers.clear();
            it.has_ended = true;
        });
    }
}

/// For both families, if there is IPv6.
fn bind(port: u16) -> io::Result<std::net::TcpListener> {
    let any_v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    let any_v4 = SocketAddr::from(([0, 0, 0, 0], port));
    let open = |domain, address: SocketAddr| -> io::Result<std::net::TcpListener> {
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if domain == Domain::IPV6 {
            socket.set_only_v6(false)?;
        }
        send_far(&SockRef::from(&socket), domain)?;
        take_near(&SockRef::from(&socket), domain)?;
        socket.bind(&address.into())?;
        socket.listen(16)?;
        socket.set_nonblocking(true)?;
        Ok(std::net::TcpListener::from(socket))
    };
    match open(Domain::IPV6, any_v6) {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => open(Domain::IPV4, any_v4),
        result => result,
    }
}

/// As long as this goes on, the scheduler picks for new connections: somebody is told of them.
async fn beat(shared: &Shared) {
    loop {
        let is_followed = shared.subscribers() > 0;
        shared.store.schedule_until(is_followed.then(|| Instant::now() + GRACE));
        sleep(if is_followed { BEAT } else { IDLE }).await;
    }
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

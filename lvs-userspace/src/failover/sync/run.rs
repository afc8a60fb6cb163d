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
    Names, Report, Status,
    follow::follow,
    link::{send_far, take_near},
    serve::listen,
    shared::Shared,
    tell::tell,
};
use crate::{
    dataplane::bpf::Told,
    failover::{auth::Keys, driver},
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

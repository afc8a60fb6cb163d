//! lvsd: brings everything together and keeps it true until it is told to stop.
//!
//! One task owns all state and is fed by the kernel's news, what the checks have found, load reports, the
//! control socket and time. So no two changes ever cross.

mod agent;
mod config_file;
mod counts;
mod drift;
mod examination;
mod failover;
mod flood;
mod rates;
mod reach;
mod report;
mod why;
mod zeros;

use std::{io, path::PathBuf, time::Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{broadcast, mpsc},
    time::{MissedTickBehavior, interval},
};
use tokio_rustls::rustls::crypto::ring;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    alert::Alerts,
    config::{Config, ConfigErrors, OnRestart},
    control::server::{self, BindError},
    dataplane::{
        Dataplane as _, PreflightError, SyncError, Tables,
        bpf::{BpfDataplane, LoadError, Sizes},
        preflight, restored,
    },
    director::{Director, Start},
    failover::driver::Notice,
    health::Checks,
    load::Poller,
    net::{
        self, Link,
        netlink::{NetError, Netlink},
    },
};
use agent::{Agent, World};
pub use failover::FailoverError;
use reach::Reach;

/// Requests that may wait for the loop before the socket has to.
const REQUESTS: usize = 64;

/// Events that are kept for who listens too slowly.
const EVENTS: usize = 1024;

/// Outcomes of checks, or load reports, that are taken in at once.
const MANY: usize = 256;

/// Files that may be open at a time, if the hard limit allows it: twice as many as there are ports.
const FILES: u64 = 1 << 17;

/// How lvsd is to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The configuration file.
    pub config: PathBuf,
    /// The control socket.
    pub socket: PathBuf,
    /// Where the maps are pinned.
    pub bpffs: PathBuf,
    /// Interfaces in place of those of the configuration, unless empty.
    pub interfaces: Vec<String>,
    /// How much the XDP program says: 0 nothing, 1 errors, up to 5.
    pub program_log: u8,
}

impl Options {
    fn load(&self) -> Result<Config, ConfigErrors> {
        let mut config = Config::load(&self.config)?;
        if !self.interfaces.is_empty() {
            config.director.interfaces.clone_from(&self.interfaces);
        }
        Ok(config)
    }
}

/// Why lvsd could not start, or had to stop.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant carries the error that it is named after")]
pub enum RunError {
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    #[error(transparent)]
    Preflight(#[from] PreflightError),
    #[error(transparent)]
    Net(#[from] NetError),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Sync(#[from] SyncError),
    #[error("can't read the maps of the lvsd before: {0}")]
    Read(io::Error),
    #[error("can't pin the XDP program: {0}")]
    Pin(io::Error),
    #[error("can't take the XDP program off an interface: {0}")]
    Detach(io::Error),
    #[error("can't read the program's log: {0}")]
    Log(anyhow::Error),
    #[error("the control socket failed: {0}")]
    Socket(io::Error),
    #[error("can't listen for signals: {0}")]
    Signal(io::Error),
    #[error("the kernel closed the netlink socket")]
    NetlinkGone,
    #[error("the task that checks the real servers has ended")]
    ChecksGone,
    #[error(transparent)]
    Failover(#[from] FailoverError),
    #[error("the failover thread has ended")]
    FailoverGone,
}

/// Runs until `shutdown`. The program goes on forwarding then; if lvsd can't start, and nothing
/// forwarded before, it leaves nothing behind.
///
/// # Errors
/// What kept it from starting, or from going on.
pub async fn run(options: Options, shutdown: CancellationToken) -> Result<(), RunError> {
    // From the first moment on, or a SIGHUP would end it.
    let mut hangup = signal(SignalKind::hangup()).map_err(RunError::Signal)?;
    let config = options.load()?;
    raise_file_limit();
    // Another was installed before: then that is it.
    drop(ring::default_provider().install_default());
    preflight(&options.bpffs)?;

    let (netlink, mut news) = Netlink::open()?;
    let (mut links, mut announced_at) = (Vec::new(), Vec::new());
    for name in &config.director.interfaces {
        links.push(attachable(&netlink, name).await?);
        announced_at.push(netlink.link(name).await?);
    }
    let listener = server::bind(&options.socket)?;
    let _socket = SocketFile(options.socket.clone());

    let sizes = Sizes::new(&config);
    let mut dataplane = BpfDataplane::load(&options.bpffs, sizes, options.program_log)?;
    let mut log = match options.program_log {
        0 => None,
        _ => Some(dataplane.logger().map_err(RunError::Log)?),
    };
    // Whatever the lvsd before has left; and before the program is attached to anything new.
    match &config.failover {
        Some(_) => dataplane.lease().bound(),
        None => dataplane.lease().without_end(),
    }
    let takes_over = dataplane.takes_over();
    let bytes = dataplane.sizes().bytes();
    let held = match takes_over {
        true => dataplane
            .read(&mut (1..=dataplane.sizes().max_real_servers()))
            .map_err(RunError::Read)?,
        false => Tables::default(),
    };
    let start = match (config.director.on_restart, dataplane.was_forwarding()) {
        (OnRestart::Keep, true) if takes_over => Start::From(restored(&held)),
        (OnRestart::Keep, true) => Start::Trusting,
        (OnRestart::Keep, false) | (OnRestart::Check, _) => Start::Checking,
    };
    let director = Director::new(config, start, Instant::now());
    let (checks, mut found) = Checks::new();
    let (poller, mut reports) = Poller::new();
    let alerts = Alerts::new(&director.config().director.name, &director.config().alerts);
    let reach = Reach::new(netlink);
    let (events, _) = broadcast::channel(EVENTS);
    let world = World { dataplane, reach, links, checks, poller, alerts, events: events.clone() };
    let mut agent = Agent::new(options, director, world, held);
    if takes_over {
        agent.take_over();
    }
    agent.find_real_servers().await?;
    agent.begin();
    agent.fits()?;
    if takes_over {
        // Before they change: the program that has been there knows the same tables, but the filter of VIPs is its own, and
        // nobody writes that any more.
        agent.attach()?;
        agent.synchronise()?;
    } else {
        // Not before the tables are full: it may take the place of one that has its own.
        agent.synchronise()?;
        agent.attach()?;
    }
    agent.begin_checks().await?;
    let mut notices = agent.start_failover(announced_at)?;
    info!(bytes, takes_over, "memory of the connection tables");

    let (sender, mut requests) = mpsc::channel(REQUESTS);
    let stop_server = shutdown.child_token();
    let mut server = tokio::spawn(server::serve(listener, sender, events, stop_server.clone()));
    let mut tick = interval(net::TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    info!(director = agent.name(), "ready");

    let (mut outcomes, mut asked) = (Vec::new(), Vec::new());
    let result = loop {
        agent.follow();
        tokio::select! {
            () = shutdown.cancelled() => break Ok(()),
            ended = &mut server => break match ended {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(RunError::Socket(error)),
                Err(error) => Err(RunError::Socket(io::Error::other(error))),
            },
            Some(request) = requests.recv() => agent.answer(request).await,
            // As many as there are: when a rack fails, the maps are written once.
            count = found.recv_many(&mut outcomes, MANY) => match count {
                1.. => outcomes.drain(..).for_each(|found| agent.found(found)),
                0 => break Err(RunError::ChecksGone),
            },
            1.. = reports.recv_many(&mut asked, MANY) => {
                asked.drain(..).for_each(|asked| agent.reported(&asked));
            }
            () = sleep_until(agent.next_report()) => agent.start_reports(),
            changed = news.next() => match changed {
                Some(news) => agent.news(news),
                None => break Err(RunError::NetlinkGone),
            },
            notice = failover::next(&mut notices) => {
                agent.noticed(&notice);
                if notice == Notice::Ended {
                    break Err(RunError::FailoverGone);
                }
            }
            Some(()) = hangup.recv() => agent.hang_up().await,
            _ = tick.tick() => {
                if let Some(log) = &mut log {
                    log.flush();
                }
                agent.tick().await;
            }
        }
    };
    // First of all, so that another takes over while this one still forwards.
    let was_alone = agent.leave().await;
    agent.close().await;
    stop_server.cancel();
    if !server.is_finished()
        && let Err(error) = server.await
    {
        warn!(%error, "the control socket did not end cleanly");
    }
    if was_alone {
        info!("stopped; the XDP program goes on forwarding (`lvsd --detach-all` takes it down)");
    } else {
        info!("stopped; the XDP program forwards until its lease ends");
    }
    result
}

/// The usual limit of 1,024 open files is too low for the checks of a thousand real servers that hang.
fn raise_file_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        let wanted = hard.min(FILES);
        if soft < wanted { setrlimit(Resource::RLIMIT_NOFILE, wanted, hard) } else { Ok(()) }
    });
    if let Err(error) = raised {
        warn!(%error, "can't raise the limit of open files");
    }
}

/// Ends at a moment, or never.
async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

/// The interface that the program is attached to: a VLAN's frames are seen, tags and all, on the
/// interface that it is a VLAN of, where XDP can be native.
async fn attachable(netlink: &Netlink, name: &str) -> Result<Link, NetError> {
    let link = netlink.link(name).await?;
    let Some((parent, id)) = link.vlan_of else { return Ok(link) };
    let parent = netlink.link_by_index(parent).await?;
    info!(vlan = name, id, interface = parent.name, "attaching to what this is a VLAN of");
    Ok(parent)
}

/// The control socket's file, which goes with lvsd even if it fails before it listens.
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0)
            && error.kind() != io::ErrorKind::NotFound
        {
            warn!(path = %self.0.display(), %error, "can't remove the control socket");
        }
    }
}

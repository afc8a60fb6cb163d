//! A trial: all that measures, at once, in threads of their own.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};

use super::{
    Claim, Connection, Downloads, Outcome, Records, Request, connections::Connections, download,
    requests, watch::Watch,
};
use crate::lab::{Host, hurry};

/// So long it may take until all of it is under way.
const READY: Duration = Duration::from_secs(10);

/// What is measured, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The virtual service.
    pub target: SocketAddr,
    /// The client's interface, at which it is watched who has the VIP.
    pub interface: String,
    /// What is asked for; the answer is the name of who answers.
    pub path: String,
    /// The names that are right; empty: all are.
    pub names: Vec<String>,
    /// Requests a second.
    pub rate: u32,
    /// How long one may take.
    pub limit: Duration,
    /// Connections that stay open.
    pub connections: u32,
    /// How often there is a question over each of them.
    pub every: Duration,
    /// How long an answer over one of them, or the next bytes of a download, may take.
    pub patience: Duration,
    /// What is downloaded ([`long_file`](crate::lab::long_file)); `None`: nothing.
    pub download: Option<String>,
}

impl Plan {
    /// The usual: the lab's web servers, 200 requests a second, 12 open connections, a download.
    #[must_use]
    pub fn to(vip: impl Into<IpAddr>) -> Self {
        Self {
            target: SocketAddr::new(vip.into(), 80),
            interface: "eth0".to_owned(),
            path: "/".to_owned(),
            names: Host::REAL_SERVERS.map(|host| host.name().to_owned()).to_vec(),
            rate: 200,
            limit: Duration::from_secs(5),
            connections: 12,
            every: Duration::from_millis(100),
            patience: Duration::from_secs(5),
            download: Some("/long".to_owned()),
        }
    }

    /// Whether this may be who has answered.
    pub(super) fn check(&self, name: &str) -> Result<()> {
        let is_right = self.names.is_empty() || self.names.iter().any(|it| it == name);
        ensure!(is_right, "a strange answer: {name}");
        Ok(())
    }
}

/// All of it under way. Dropping it ends it, without an outcome.
#[derive(Debug)]
pub struct Trial {
    stop: Arc<AtomicBool>,
    began: Instant,
    requests: JoinHandle<Result<Vec<Request>>>,
    connections: JoinHandle<Result<Vec<Connection>>>,
    downloads: Option<JoinHandle<Result<Downloads>>>,
    claims: JoinHandle<Result<Vec<Claim>>>,
}

impl Trial {
    /// Starts it in the network of a host. When this returns the connections are open, the download has
    /// begun, and somebody has answered for the VIP.
    pub fn start(client: Host, plan: &Plan) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (ready, readies) = mpsc::channel();
        let stage = Stage { client, plan: plan.clone(), stop: Arc::clone(&stop), ready };

        let claims = stage.begin(|Stage { plan, stop, ready, .. }| {
            let watch = Watch::open(&plan.interface, plan.target.ip())?;
            watch.run(stop, || say(ready))
        });
        let connections = stage.begin(|Stage { plan, stop, ready, .. }| {
            let connections = Connections::open(plan)?;
            say(ready);
            connections.run(plan, stop)
        });
        let downloads = plan.download.is_some().then(|| {
            stage.begin(|Stage { plan, stop, ready, .. }| {
                Ok(download::run(plan, stop, || say(ready)))
            })
        });
        let parts = 2 + usize::from(downloads.is_some());
        let deadline = Instant::now() + READY;
        let is_ready = (0..parts).all(|_| {
            let left = deadline.saturating_duration_since(Instant::now());
            readies.recv_timeout(left).is_ok()
        });
        let began = Instant::now();
        let requests = stage.begin(|Stage { plan, stop, .. }| requests::run(plan, stop));
        let trial = Self { stop, began, requests, connections, downloads, claims };
        if is_ready {
            Ok(trial)
        } else {
            let outcome = trial.stop().context("the trial did not get under way")?;
            Err(anyhow!("the trial did not get under way: {outcome}"))
        }
    }

    /// When it began: outcomes count from then.
    #[must_use]
    pub const fn began(&self) -> Instant {
        self.began
    }

    /// Ends it, when the requests that are under way have ended; says what it has cost.
    pub fn stop(self) -> Result<Outcome> {
        Ok(Outcome::of(&self.records()?))
    }

    /// Ends it, and gives back all that was recorded.
    pub fn records(self) -> Result<Records> {
        let ended = Instant::now();
        self.stop.store(true, Ordering::Relaxed);
        let claims = joined(self.claims)?;
        Ok(Records {
            began: self.began,
            ended,
            requests: joined(self.requests)?,
            connections: joined(self.connections)?,
            downloads: self.downloads.map_or_else(|| Ok(Downloads::default()), joined)?,
            claims,
        })
    }
}

/// What each thread is given.
#[derive(Clone)]
struct Stage {
    client: Host,
    plan: Plan,
    stop: Arc<AtomicBool>,
    ready: Sender<()>,
}

impl Stage {
    fn begin<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> JoinHandle<Result<T>> {
        let stage = self.clone();
        thread::spawn(move || {
            stage.client.enter()?;
            // Where that is not allowed, what is measured can only look worse than it was.
            hurry(0).ok();
            run(&stage)
        })
    }
}

/// Who started it may have given up.
fn say(ready: &Sender<()>) {
    ready.send(()).ok();
}

fn joined<T>(thread: JoinHandle<Result<T>>) -> Result<T> {
    thread.join().map_err(|_| anyhow!("a thread that measures has panicked"))?
}

//! Who is told when the state of a real server or of a service changes: the log, a file, programs,
//! mail, a web hook.
//!
//! Each of them is a task of its own behind a queue that never makes anybody wait: what does not fit
//! is dropped, and that is said. When it is not told any more, for want of it in the configuration or
//! because lvsd ends, it still gets what waits.

mod file;
mod hook;
mod mail;
mod webhook;

use std::{
    net::IpAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use serde::Serialize;
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinSet,
    time::timeout,
};
use tracing::{error, info, warn};

use crate::{
    director::{Change, State},
    model::Protocol,
    patience::Complaints,
};

/// Alerts that may wait for one of the receivers.
const WAITING: usize = 1024;
/// For the file, which is to have all: no fewer than the real servers that may change at once.
const WAITING_FOR_FILE: usize = 1 << 17;
/// So long lvsd waits at its end for those who are told.
const GOOD_BYE: Duration = Duration::from_secs(2);

/// Who is told: the `[alerts]` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A file that a line is appended to.
    pub file: Option<PathBuf>,
    /// Programs with their arguments.
    pub hooks: Vec<Vec<String>>,
    /// So long a program may take.
    pub hook_timeout: Duration,
    /// Where JSON is posted to.
    pub webhook: Option<String>,
    /// Who gets mail.
    pub mail: Option<Mail>,
}

/// Nobody is told.
impl Default for Settings {
    fn default() -> Self {
        let hook_timeout = Duration::from_secs(30);
        Self { file: None, hooks: Vec::new(), hook_timeout, webhook: None, mail: None }
    }
}

/// Mail, and how it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Mail server.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub encryption: Encryption,
    /// A file with certificates (PEM) of who is trusted besides those that the system trusts.
    pub ca_file: Option<PathBuf>,
    /// User and file with the password, if the server wants them.
    pub login: Option<(String, PathBuf)>,
    /// Sender.
    pub from: String,
    /// Receivers.
    pub to: Vec<String>,
    /// So long alerts are gathered for one mail.
    pub gather: Duration,
    /// So long after a failure it is tried again; then less and less often.
    pub retry: Duration,
}

/// How a connection to a mail server is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// By STARTTLS, or there is no mail (RFC 3207).
    #[default]
    StartTls,
    /// From the first byte (RFC 8314).
    Tls,
    /// Not at all.
    None,
}

/// A change of state, as it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// When (RFC 3339, UTC).
    pub time: String,
    /// Name of the director.
    pub director: String,
    /// Protocol of the virtual service; `null` if it is about the director itself.
    pub protocol: Option<Protocol>,
    /// Its address, alike.
    pub address: Option<IpAddr>,
    /// Its port, alike.
    pub port: Option<u16>,
    /// The real server; `null` if it is about the service or the director itself.
    pub real_server: Option<IpAddr>,
    /// What the state was.
    pub from: String,
    /// What it is.
    pub to: String,
    /// Why.
    pub reason: String,
}

impl Alert {
    fn new(change: &Change, director: &str, time: SystemTime) -> Self {
        let Change { service, real_server, from, to, reason } = change;
        Self {
            protocol: Some(service.protocol),
            address: Some(service.address),
            port: Some(service.port),
            real_server: *real_server,
            ..Self::of_role(&from.to_string(), &to.to_string(), reason, director, time)
        }
    }

    /// That the director is something else to the others.
    fn of_role(from: &str, to: &str, reason: &str, director: &str, time: SystemTime) -> Self {
        Self {
            time: humantime::format_rfc3339_seconds(time).to_string(),
            director: director.to_owned(),
            protocol: None,
            address: None,
            port: None,
            real_server: None,
            from: from.to_owned(),
            to: to.to_owned(),
            // It may be what a stranger has said, and shall stay one line.
            reason: reason.chars().map(|it| if it.is_control() { ' ' } else { it }).collect(),
        }
    }

    /// What it is about: the service, and the real server unless it is the service itself.
    fn about(&self) -> String {
        let (Some(protocol), Some(address), Some(port)) = (self.protocol, self.address, self.port)
        else {
            return "failover".to_owned();
        };
        let service = format!("{protocol} {}", std::net::SocketAddr::new(address, port));
        match self.real_server {
            Some(real_server) => format!("{service} {real_server}"),
            None => service,
        }
    }

    /// Whom it is about: the real server, whatever the service, or the service.
    fn whom(&self) -> String {
        self.real_server.map_or_else(|| self.about(), |it| it.to_string())
    }

    /// One line of text.
    fn line(&self) -> String {
        let Self { time, director, from, to, reason, .. } = self;
        format!("{time} {director} {}: {from} -> {to}: {reason}", self.about())
    }
}

/// Tells whoever is to be told.
pub struct Alerts {
    director: String,
    receivers: Vec<Receiver>,
    /// Theirs, and those of former ones that still have something to tell.
    tasks: JoinSet<()>,
    /// Programs are run by one task at a time.
    hooks: Arc<Mutex<()>>,
}

struct Receiver {
    way: Way,
    queue: mpsc::Sender<Alert>,
    dropped: u64,
    complaints: Complaints,
}

/// How somebody is told.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Way {
    File(PathBuf),
    Hooks(Vec<Vec<String>>, Duration),
    Webhook(String),
    Mail(Mail),
}

impl Settings {
    fn ways(&self) -> impl Iterator<Item = Way> {
        let Self { file, hooks, hook_timeout, webhook, mail } = self.clone();
        let hooks = (!hooks.is_empty()).then_some(Way::Hooks(hooks, hook_timeout));
        let (file, webhook) = (file.map(Way::File), webhook.map(Way::Webhook));
        file.into_iter().chain(hooks).chain(webhook).chain(mail.map(Way::Mail))
    }
}

impl Way {
    const fn name(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Hooks(..) => "hooks",
            Self::Webhook(_) => "webhook",
            Self::Mail(_) => "mail",
        }
    }
}

impl Alerts {
    /// Tells those of the settings. To be called where tasks can be started.
    #[must_use]
    pub fn new(director: &str, settings: &Settings) -> Self {
        let mut alerts = Self {
            director: director.to_owned(),
            receivers: Vec::new(),
            tasks: JoinSet::new(),
            hooks: Arc::default(),
        };
        alerts.reconfigure(settings);
        alerts
    }

    /// Tells those of other settings from now on. Who is told as before does not notice, and who is told no
    /// more still gets what waits.
    pub fn reconfigure(&mut self, settings: &Settings) {
        while self.tasks.try_join_next().is_some() {}
        let mut before = std::mem::take(&mut self.receivers);
        for way in settings.ways() {
            let receiver = match before.iter().position(|it| it.way == way) {
                Some(at) => before.swap_remove(at),
                None => self.start(way),
            };
            self.receivers.push(receiver);
        }
    }

    fn start(&mut self, way: Way) -> Receiver {
        let size = if matches!(way, Way::File(_)) { WAITING_FOR_FILE } else { WAITING };
        let (queue, alerts) = mpsc::channel(size);
        match way.clone() {
            Way::File(path) => self.tasks.spawn(file::write(path, alerts)),
            Way::Hooks(hooks, limit) => {
                let turn = Arc::clone(&self.hooks);
                self.tasks.spawn(async move {
                    // Of one real server, programs of other settings are told nothing at once, either.
                    let _turn = turn.lock().await;
                    hook::run(hooks, limit, alerts).await;
                })
            }
            Way::Webhook(url) => self.tasks.spawn(webhook::post(url, alerts)),
            Way::Mail(mail) => self.tasks.spawn(mail::send(mail, alerts)),
        };
        Receiver { way, queue, dropped: 0, complaints: Complaints::default() }
    }

    /// Gives those who are told a moment for what waits.
    pub async fn close(&mut self) {
        self.receivers.clear();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(GOOD_BYE, all).await.is_err() {
            warn!("not everybody was told of the latest changes");
        }
    }

    /// Tells of a change.
    pub fn tell(&mut self, change: &Change) {
        let Change { service, real_server, from, to, reason } = change;
        let real_server = real_server.map(|it| it.to_string());
        match (to, &real_server) {
            (State::Up | State::Checking, Some(real_server)) => {
                info!(%service, real_server, %from, %to, reason, "real server in service");
            }
            (State::Drained | State::Maintenance, Some(real_server)) => {
                info!(%service, real_server, %from, %to, reason, "real server taken out by its operator");
            }
            (State::Down | State::Quorum | State::NoQuorum, Some(real_server)) => {
                warn!(%service, real_server, %from, %to, reason, "real server out of service");
            }
            (State::NoQuorum, None) => error!(%service, %from, %to, reason, "quorum lost"),
            (_, None) => info!(%service, %from, %to, reason, "quorum gained"),
        }
        self.send(&Alert::new(change, &self.director, SystemTime::now()));
    }

    /// Tells that the director itself is something else now.
    pub fn tell_role(&mut self, from: &str, to: &str, reason: &str) {
        self.send(&Alert::of_role(from, to, reason, &self.director, SystemTime::now()));
    }

    fn send(&mut self, alert: &Alert) {
        for receiver in &mut self.receivers {
            if receiver.queue.try_send(alert.clone()).is_err() {
                receiver.dropped += 1;
                if receiver.complaints.is_due(Instant::now()) {
                    let (receiver, dropped) = (receiver.way.name(), receiver.dropped);
                    warn!(receiver, dropped, "too many alerts wait for it: some are dropped");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;

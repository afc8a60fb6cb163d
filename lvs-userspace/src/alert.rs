//! Who is told when the state of a real server or of a service changes: the log, a file, programs,
//! mail, a web hook.
//!
//! Each of them is a task of its own behind a queue that never makes anybody wait: what does not fit
//! is dropped, and that is said.

mod file;
mod hook;
mod mail;
mod webhook;

use std::{
    net::IpAddr,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use serde::Serialize;
use tokio::sync::mpsc;
use tracing::{error, info, warn};

use crate::{
    director::{Change, State},
    model::Protocol,
    patience::Complaints,
};

/// Alerts that may wait for one of the receivers.
const WAITING: usize = 1024;

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
    /// Protocol of the virtual service.
    pub protocol: Protocol,
    /// Its address.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// The real server; `null` if it is about the service itself.
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
        Self {
            time: humantime::format_rfc3339_seconds(time).to_string(),
            director: director.to_owned(),
            protocol: change.service.protocol,
            address: change.service.address,
            port: change.service.port,
            real_server: change.real_server,
            from: change.from.to_string(),
            to: change.to.to_string(),
            // It may be what a stranger has said, and shall stay one line.
            reason: change
                .reason
                .chars()
                .map(|it| if it.is_control() { ' ' } else { it })
                .collect(),
        }
    }

    /// What it is about: the service, and the real server unless it is the service itself.
    fn about(&self) -> String {
        let service =
            format!("{} {}", self.protocol, std::net::SocketAddr::new(self.address, self.port));
        match self.real_server {
            Some(real_server) => format!("{service} {real_server}"),
            None => service,
        }
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
    settings: Settings,
    receivers: Vec<Receiver>,
}

struct Receiver {
    name: &'static str,
    queue: mpsc::Sender<Alert>,
    complaints: Complaints,
}

impl Alerts {
    /// Tells those of the settings. To be called where tasks can be started.
    #[must_use]
    pub fn new(director: &str, settings: &Settings) -> Self {
        let mut alerts = Self {
            director: director.to_owned(),
            settings: Settings::default(),
            receivers: Vec::new(),
        };
        alerts.reconfigure(settings);
        alerts
    }

    /// Tells those of other settings from now on. Who was told before still gets what waits.
    pub fn reconfigure(&mut self, settings: &Settings) {
        if self.settings == *settings {
            return;
        }
        self.settings = settings.clone();
        self.receivers.clear();
        let Settings { file, hooks, hook_timeout, webhook, mail } = settings.clone();
        if let Some(file) = file {
            self.add("file", |alerts| tokio::spawn(file::write(file, alerts)));
        }
        for hook in hooks {
            self.add("hook", |alerts| tokio::spawn(hook::run(hook, hook_timeout, alerts)));
        }
        if let Some(url) = webhook {
            self.add("webhook", |alerts| tokio::spawn(webhook::post(url, alerts)));
        }
        if let Some(mail) = mail {
            self.add("mail", |alerts| tokio::spawn(mail::send(mail, alerts)));
        }
    }

    fn add<T>(&mut self, name: &'static str, start: impl FnOnce(mpsc::Receiver<Alert>) -> T) {
        let (queue, alerts) = mpsc::channel(WAITING);
        start(alerts);
        self.receivers.push(Receiver { name, queue, complaints: Complaints::default() });
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
        let alert = Alert::new(change, &self.director, SystemTime::now());
        for receiver in &mut self.receivers {
            if receiver.queue.try_send(alert.clone()).is_err()
                && receiver.complaints.is_due(std::time::Instant::now())
            {
                warn!(receiver = receiver.name, "too many alerts wait for it: some are dropped");
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! Asks the real servers for their load when it is due, each in a task of its own.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use tokio::sync::mpsc;

use super::{Due, Loads, News, Report, Settings, Standing, ask};

/// Reports that may wait to be taken in.
const REPORTS: usize = 1024;

/// A report that was asked for, or why there is none.
#[derive(Debug)]
pub struct Asked {
    due: Due,
    outcome: Result<Report, String>,
}

/// Who is asked, and where the answers go. Its tasks need a runtime of tokio.
pub struct Poller {
    loads: Loads,
    done: mpsc::Sender<Asked>,
}

impl Poller {
    /// One that asks nobody yet, and where its reports come.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<Asked>) {
        let (done, reports) = mpsc::channel(REPORTS);
        (Self { loads: Loads::default(), done }, reports)
    }

    /// Asks these from now on.
    pub fn reconfigure(&mut self, settings: Settings, addresses: &BTreeSet<IpAddr>, now: Instant) {
        self.loads.reconfigure(settings, addresses, now);
    }

    /// What followed from the reports to the lvsd before.
    pub fn restore(&mut self, standings: impl Iterator<Item = (IpAddr, Standing)>) {
        for (address, standing) in standings {
            self.loads.restore(address, standing);
        }
    }

    /// When the next report is due.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.loads.next()
    }

    /// Asks for the reports that are due.
    pub fn start_due(&mut self, now: Instant) {
        let Settings { port, timeout, .. } = *self.loads.settings();
        for due in self.loads.take_due(now) {
            let done = self.done.clone();
            tokio::spawn(async move {
                let outcome = ask(SocketAddr::new(due.address, port), timeout).await;
                // At the end nobody wants to know any more.
                done.send(Asked { due, outcome }).await.ok();
            });
        }
    }

    /// Takes in a report: of whom, and what is new.
    pub fn finish(&mut self, asked: &Asked, now: Instant) -> (IpAddr, Vec<News>) {
        (asked.due.address, self.loads.outcome(asked.due, &asked.outcome, now))
    }
}

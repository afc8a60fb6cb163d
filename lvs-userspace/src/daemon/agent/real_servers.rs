//! How the real servers are: where, what their checks find, and what they say of their load.

use std::{net::IpAddr, time::Instant};

use tracing::{debug, info, warn};

use super::Agent;
use crate::{
    daemon::reach::Moved,
    director::Event,
    health::{self, Found, Via},
    load::{Asked, News},
    net::{NeighbourState, netlink::NetError},
};

impl Agent {
    /// Finds the real servers on the network.
    pub(in crate::daemon) async fn find_real_servers(&mut self) -> Result<(), NetError> {
        let checks = self.director.checks();
        let through_vip = checks.filter(|(_, check)| check.via == Via::Vip);
        let through_vip = through_vip.map(|(target, _)| target).collect();
        let addresses = self.director.real_server_addresses();
        for moved in self.reach.watch(addresses, through_vip).await? {
            self.moved(moved);
        }
        self.checks.set_marks(self.reach.marks());
        Ok(())
    }

    /// Takes in news of neighbours.
    pub(in crate::daemon) fn news(&mut self, news: Vec<(u32, IpAddr, NeighbourState)>) {
        for (interface, address, state) in news {
            if let Some(moved) = self.reach.news(interface, address, state) {
                self.moved(moved);
            }
        }
    }

    /// Tells the director where a real server is.
    pub(super) fn moved(&mut self, (address, place): Moved) {
        self.is_dirty |= self.director.handle(Event::Neighbour(address, place), Instant::now());
    }

    /// Takes in what a check has found.
    pub(in crate::daemon) fn found(&mut self, found: Found) {
        let event = match found {
            Found::Latency(target, latency) => {
                Event::Latency(target, u64::try_from(latency.as_micros()).unwrap_or(u64::MAX))
            }
            Found::Change(health::Change { target, to, reason, .. }) => {
                Event::Health(target, to, reason)
            }
        };
        self.is_dirty |= self.director.handle(event, Instant::now());
    }

    /// When the next load report is due.
    pub(in crate::daemon) fn next_report(&self) -> Option<Instant> {
        self.poller.next()
    }

    /// Asks for the load reports that are due.
    pub(in crate::daemon) fn start_reports(&mut self) {
        self.poller.start_due(Instant::now());
    }

    /// Takes in a load report.
    pub(in crate::daemon) fn reported(&mut self, asked: &Asked) {
        let now = Instant::now();
        let (address, news) = self.poller.finish(asked, now);
        let mut why = String::new();
        for news in news {
            match news {
                News::Standing(standing) => {
                    debug!(%address, ?standing, why, "load report");
                    let event = Event::Load(address, standing, why.clone());
                    self.is_dirty |= self.director.handle(event, now);
                }
                News::Admin(admin, reason) => {
                    why = format!("its operator says {admin}{}", because(reason));
                }
                News::Down(reason) => {
                    why = format!("it reports that it is down{}", because(reason));
                }
                News::Up => "it reports that it is up".clone_into(&mut why),
                News::Silent(reason) => warn!(%address, reason, "no load report"),
                News::Stale => {
                    "no load report for too long".clone_into(&mut why);
                    warn!(%address, "no load report for too long: the configured weight holds");
                }
                News::Answers => info!(%address, "load reports again"),
            }
        }
    }

    /// Has the checks of the configuration made, and the load reports asked for. At the start, and
    /// when a real server is new, it is out of service until it has passed; one that was in service
    /// unchecked stays there.
    pub(super) fn check_real_servers(&mut self) {
        let targets: Vec<_> = self
            .director
            .checks()
            .map(|(target, check)| (target, check.clone(), self.director.health(&target)))
            .collect();
        let now = Instant::now();
        self.checks.reconfigure(targets);
        let load = self.director.config().load.clone();
        self.poller.reconfigure(load, &self.director.load_agents(), now);
    }

    /// Begins to check, and to ask for load reports. Not before the interfaces are this lvsd's.
    pub(in crate::daemon) async fn begin_checks(&mut self) -> Result<(), NetError> {
        self.reach.open_vip_routes().await?;
        self.checks.set_marks(self.reach.marks());
        self.check_real_servers();
        self.poller.restore(self.director.standings());
        Ok(())
    }
}

/// What stands behind a word, if anything does.
fn because(reason: Option<String>) -> String {
    reason.map(|reason| format!(": {reason}")).unwrap_or_default()
}

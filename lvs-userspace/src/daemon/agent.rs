//! The state of a running director, and what each event does to it.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use tracing::{error, info, warn};

use super::{RunError, report};
use crate::{
    config::Config,
    control::api::{ApiError, Request},
    dataplane::{
        Dataplane as _, Neighbour, Placement, Tables,
        bpf::{AttachedAs, BpfDataplane},
        plan,
    },
    director::{Director, Event},
    model::MacAddr,
    net::{
        Action, Link, NeighbourState, Neighbours,
        netlink::{NetError, Netlink},
    },
};

/// How long to wait before writes that failed are tried again.
const RETRY_WRITES: Duration = Duration::from_secs(1);

/// An interface that runs the program.
#[derive(Debug)]
pub(super) struct AttachedLink {
    pub(super) link: Link,
    pub(super) attached_as: AttachedAs,
}

/// Everything that lvsd knows.
pub(super) struct Agent {
    director: Director,
    dataplane: BpfDataplane,
    netlink: Netlink,
    links: Vec<AttachedLink>,
    neighbours: Neighbours,
    /// Interface that each real server is reached by.
    interfaces: BTreeMap<IpAddr, u32>,
    placement: Placement,
    /// What the maps hold.
    actual: Tables,
    /// Writes failed; when to try again.
    retry_at: Option<Instant>,
}

impl Agent {
    pub(super) fn new(director: Director, dataplane: BpfDataplane, netlink: Netlink) -> Self {
        Self {
            director,
            dataplane,
            netlink,
            links: Vec::new(),
            neighbours: Neighbours::default(),
            interfaces: BTreeMap::new(),
            placement: Placement::default(),
            actual: Tables::default(),
            retry_at: None,
        }
    }

    pub(super) fn dataplane(&mut self) -> &mut BpfDataplane {
        &mut self.dataplane
    }

    pub(super) fn name(&self) -> &str {
        &self.director.config().director.name
    }

    pub(super) fn add_link(&mut self, link: AttachedLink) {
        self.links.push(link);
    }

    /// Finds the interfaces of the real servers, and takes in what the kernel knows already.
    pub(super) async fn find_real_servers(&mut self) -> Result<(), NetError> {
        let addresses = self.director.real_server_addresses();
        self.neighbours.watch(&addresses);
        self.interfaces.retain(|address, _| addresses.contains(address));
        for &address in &addresses {
            match self.netlink.interface_to(address).await {
                Ok(interface) => {
                    self.interfaces.insert(address, interface);
                }
                Err(error) => warn!(%address, %error, "a real server can't be reached"),
            }
        }
        for (interface, address, state) in self.netlink.neighbours().await? {
            // How old a confirmation is, a dump does not say.
            let state = match state {
                NeighbourState::Confirmed(mac) => NeighbourState::Unconfirmed(mac),
                NeighbourState::Permanent(_)
                | NeighbourState::Unconfirmed(_)
                | NeighbourState::Failed => state,
            };
            if self.interfaces.get(&address) == Some(&interface) {
                self.neighbours.news(address, state, Instant::now());
            }
        }
        let known: Vec<_> = self.neighbours.known().collect();
        for (address, mac) in known {
            self.neighbour(address, Some(mac));
        }
        Ok(())
    }

    /// Goes by another configuration from now on. Connections stay where they are.
    pub(super) async fn reload(&mut self, config: Config) {
        let Config { director, virtual_services } = config;
        let running = &self.director.config().director;
        if director != *running {
            warn!("the section [director] has changed: that needs a restart of lvsd");
        }
        let director = running.clone();
        self.director.reconfigure(Config { director, virtual_services });
        if let Err(error) = self.find_real_servers().await {
            warn!(%error, "can't read the kernel's neighbours");
        }
        self.synchronise_or_retry();
    }

    /// Takes in news of a neighbour.
    pub(super) fn news(&mut self, interface: u32, address: IpAddr, state: NeighbourState) {
        if self.interfaces.get(&address) != Some(&interface) {
            return;
        }
        if let Some(mac) = self.neighbours.news(address, state, Instant::now())
            && self.neighbour(address, mac)
        {
            self.synchronise_or_retry();
        }
    }

    /// Does what is due.
    pub(super) async fn tick(&mut self) {
        let now = Instant::now();
        for action in self.neighbours.tick(now) {
            let (Action::Probe(address, _)
            | Action::Resolve(address)
            | Action::ForgetAndResolve(address)) = action;
            let Some(&interface) = self.interfaces.get(&address) else { continue };
            if let Err(error) = self.netlink.act(interface, action).await {
                warn!(%address, %error, "can't ask for a real server's MAC");
            }
        }
        if self.retry_at.is_some_and(|at| now >= at) {
            self.synchronise_or_retry();
        }
    }

    /// Answers a request from the control socket.
    pub(super) fn answer(&mut self, request: Request) {
        // Who asked may have gone away meanwhile; then nobody needs the answer.
        match request {
            Request::Services(reply) => drop(reply.send(self.services())),
            Request::Status(reply) => drop(reply.send(self.status())),
        }
    }

    fn services(&self) -> Result<crate::control::api::Services, ApiError> {
        report::services(&self.director, &self.placement, &self.dataplane)
            .map_err(|error| ApiError { error: format!("can't read the maps: {error}") })
    }

    fn status(&self) -> Result<crate::control::api::Status, ApiError> {
        report::status(self.name(), &self.links, &self.dataplane)
            .map_err(|error| ApiError { error: format!("can't read the maps: {error}") })
    }

    /// Tells the director where a real server is; says whether that changed anything.
    fn neighbour(&mut self, address: IpAddr, mac: Option<MacAddr>) -> bool {
        let place = mac.and_then(|mac| self.place(address, mac));
        let changed = self.director.handle(Event::Neighbour(address, place));
        match place {
            _ if !changed => {}
            Some(Neighbour { mac, .. }) => info!(%address, %mac, "real server found"),
            None => warn!(%address, "real server lost: its MAC is not known"),
        }
        changed
    }

    fn place(&self, address: IpAddr, mac: MacAddr) -> Option<Neighbour> {
        let index = *self.interfaces.get(&address)?;
        match self.links.iter().find(|attached| attached.link.index == index) {
            Some(AttachedLink { link, .. }) => {
                Some(Neighbour { mac, interface: index, source_mac: link.mac })
            }
            None => {
                warn!(%address, "real server is on an interface without the XDP program");
                None
            }
        }
    }

    fn synchronise_or_retry(&mut self) {
        self.retry_at = None;
        if let Err(error) = self.synchronise() {
            error!(%error, "the maps are out of sync; trying again");
            self.retry_at = Some(Instant::now() + RETRY_WRITES);
        }
    }

    /// Makes the maps what they should be.
    pub(super) fn synchronise(&mut self) -> Result<(), RunError> {
        let interfaces = self.links.iter().map(|it| (it.link.index, it.link.mac)).collect();
        let wanted = self.placement.place(&self.director.wanted(), &interfaces, Instant::now())?;
        for write in plan(&wanted, &self.actual) {
            self.dataplane.write(&write).map_err(RunError::Write)?;
            self.actual.note(&write);
        }
        Ok(())
    }
}

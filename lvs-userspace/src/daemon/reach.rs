//! Where the real servers are on the network, and how checks get to them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::{Duration, Instant},
};

use tracing::warn;

use crate::{
    dataplane::Neighbour,
    doctor,
    health::Target,
    model::MacAddr,
    net::{
        Action, NeighbourState, Neighbours, VipRoutes,
        netlink::{NetError, Netlink},
    },
};

/// How often to look for a way to the real servers that there was none to.
const SEARCH: Duration = Duration::from_secs(10);

/// That a real server is somewhere else now, or (`None`) that nobody knows where.
pub(super) type Moved = (IpAddr, Option<Neighbour>);

/// The way to a real server.
#[derive(Clone, Copy, Debug)]
struct Way {
    /// Interface that the kernel reaches it by.
    interface: u32,
    /// Interface that frames to it leave by: the same, or the one that it is a VLAN of.
    exit: u32,
    vlan: Option<u16>,
    source_mac: MacAddr,
}

/// Where everybody is.
pub(super) struct Reach {
    netlink: Netlink,
    neighbours: Neighbours,
    /// The way to each real server.
    ways: BTreeMap<IpAddr, Way>,
    addresses: BTreeSet<IpAddr>,
    /// The real servers that are checked through a VIP.
    through_vip: BTreeSet<Target>,
    vip_routes: VipRoutes,
    next_search: Instant,
}

impl Reach {
    pub(super) fn new(netlink: Netlink) -> Self {
        Self {
            netlink,
            neighbours: Neighbours::default(),
            ways: BTreeMap::new(),
            addresses: BTreeSet::new(),
            through_vip: BTreeSet::new(),
            vip_routes: VipRoutes::default(),
            next_search: Instant::now(),
        }
    }

    /// A MAC that was good before holds until the kernel says otherwise.
    pub(super) fn remember(&mut self, address: IpAddr, mac: MacAddr) {
        self.addresses.insert(address);
        self.neighbours.watch(&self.addresses);
        self.neighbours.news(address, NeighbourState::Unconfirmed(mac), Instant::now());
    }

    /// Clears away what a killed lvsd has left of its ways through VIPs.
    pub(super) async fn clear_vip_routes(&self) -> Result<(), NetError> {
        self.netlink.clear_vip_routes().await
    }

    /// Takes away the ways through VIPs.
    pub(super) async fn close(&mut self) {
        self.through_vip.clear();
        self.keep_vip_routes().await;
    }

    /// Looks for these real servers from now on, and takes in what the kernel knows already. Gives
    /// those that are known.
    pub(super) async fn watch(
        &mut self,
        addresses: BTreeSet<IpAddr>,
        through_vip: BTreeSet<Target>,
    ) -> Result<Vec<Moved>, NetError> {
        self.addresses = addresses;
        self.through_vip = through_vip;
        self.neighbours.watch(&self.addresses);
        self.ways.clear();
        self.find_ways().await;
        for (interface, address, state) in self.netlink.neighbours().await? {
            // How old a confirmation is, a dump does not say.
            let state = match state {
                NeighbourState::Confirmed(mac) => NeighbourState::Unconfirmed(mac),
                NeighbourState::Permanent(_)
                | NeighbourState::Unconfirmed(_)
                | NeighbourState::Failed => state,
            };
            if self.is_way(address, interface) {
                self.neighbours.news(address, state, Instant::now());
            }
        }
        let known = self.neighbours.known();
        Ok(known.map(|(address, mac)| (address, self.place(address, mac))).collect())
    }

    /// Takes in news of a neighbour.
    pub(super) fn news(
        &mut self,
        interface: u32,
        address: IpAddr,
        state: NeighbourState,
    ) -> Option<Moved> {
        if !self.is_way(address, interface) {
            return None;
        }
        let mac = self.neighbours.news(address, state, Instant::now())?;
        Some((address, mac.and_then(|mac| self.place(address, mac))))
    }

    /// Asks for those that have not been heard of.
    pub(super) async fn tick(&mut self, now: Instant) {
        for action in self.neighbours.tick(now) {
            let (Action::Probe(address, _)
            | Action::Resolve(address)
            | Action::ForgetAndResolve(address)) = action;
            let Some(way) = self.ways.get(&address) else { continue };
            if let Err(error) = self.netlink.act(way.interface, action).await {
                warn!(%address, %error, "can't ask for a real server's MAC");
            }
        }
        if now >= self.next_search {
            self.vip_routes.doubt();
            self.find_ways().await;
        }
    }

    /// The interfaces that frames to real servers leave by, with their MACs.
    pub(super) fn exits(&self) -> impl Iterator<Item = (u32, MacAddr)> {
        self.ways.values().map(|way| (way.exit, way.source_mac))
    }

    /// Where each real server is, as far as that is known.
    pub(super) fn places(&self) -> impl Iterator<Item = doctor::RealServer> {
        let known: BTreeMap<_, _> = self.neighbours.known().collect();
        self.addresses.iter().map(move |&address| doctor::RealServer {
            address,
            way: self
                .ways
                .get(&address)
                .map(|&Way { interface, exit, .. }| doctor::Way { interface, exit }),
            mac: known.get(&address).copied(),
        })
    }

    /// The connection to the kernel.
    pub(super) fn netlink(&self) -> &Netlink {
        &self.netlink
    }

    /// The mark of packets that go to a VIP at this real server; `None` as long as there is no way.
    pub(super) fn mark(&self, real_server: IpAddr) -> Option<u32> {
        self.vip_routes.mark(real_server)
    }

    /// Finds the way to the real servers that there was none to.
    async fn find_ways(&mut self) {
        self.next_search = Instant::now() + SEARCH;
        for &address in &self.addresses {
            if self.ways.contains_key(&address) {
                continue;
            }
            match self.way_to(address).await {
                Ok(way) => {
                    self.ways.insert(address, way);
                }
                Err(error) => warn!(%address, %error, "a real server can't be reached"),
            }
        }
        self.keep_vip_routes().await;
    }

    /// Makes the kernel's routes through VIPs those that checks need.
    async fn keep_vip_routes(&mut self) {
        let interfaces = self.through_vip.iter().filter_map(|target| {
            let way = self.ways.get(&target.real_server)?;
            Some((target.real_server, target.service.address, way.interface))
        });
        for step in self.vip_routes.plan(interfaces) {
            match self.netlink.change_vip_route(&step).await {
                Ok(()) => self.vip_routes.note(&step),
                Err(error) => warn!(?step, %error, "no way to check a real server through its VIP"),
            }
        }
    }

    /// The way to an address: through an interface, or through a VLAN of one.
    async fn way_to(&self, address: IpAddr) -> Result<Way, NetError> {
        let index = self.netlink.interface_to(address).await?;
        let link = self.netlink.link_by_index(index).await?;
        let (exit, vlan) = match link.vlan_of {
            Some((parent, id)) => (parent, Some(id)),
            None => (index, None),
        };
        Ok(Way { interface: index, exit, vlan, source_mac: link.mac })
    }

    fn is_way(&self, address: IpAddr, interface: u32) -> bool {
        self.ways.get(&address).is_some_and(|way| way.interface == interface)
    }

    fn place(&self, address: IpAddr, mac: MacAddr) -> Option<Neighbour> {
        let Way { exit, vlan, source_mac, .. } = *self.ways.get(&address)?;
        Some(Neighbour { mac, interface: exit, source_mac, vlan })
    }
}

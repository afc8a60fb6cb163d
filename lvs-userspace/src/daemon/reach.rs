//! Where the real servers are on the network, and how checks get to them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, btree_map::Entry},
    net::IpAddr,
    ops::Bound::{Excluded, Unbounded},
    time::{Duration, Instant},
};

use tokio::sync::mpsc;
use tracing::{info, warn};

use crate::{
    dataplane::Neighbour,
    doctor,
    health::Target,
    model::MacAddr,
    net::{
        Action, Link, NeighbourState, Neighbours, TICK, VipRoutes,
        netlink::{NetError, Netlink},
    },
    patience::Complaints,
};

/// How often to look for the way to each real server, if there was none or the interface is another now.
const SEARCH: Duration = Duration::from_secs(10);

/// So many ways at most are looked for in a tick, a tenth of it at 70 microseconds each. Of more than 12,500 real
/// servers, each has its turn less often.
const IN_A_TICK: usize = 250;

/// Neighbours that may wait to be asked for; for what does not fit there is a next time.
const ASKED: usize = 4096;

/// That a real server is somewhere else now, or (`None`) that nobody knows where.
pub(super) type Moved = (IpAddr, Option<Neighbour>);

/// The way to a real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// Whether the ways through VIPs are this lvsd's to make.
    owns_vip_routes: bool,
    /// Where the neighbours go that are to be asked for.
    asked: mpsc::Sender<(u32, Action)>,
    /// The real server whose way was looked for last.
    last: Option<IpAddr>,
    complaints: BTreeMap<IpAddr, Complaints>,
    vip_complaints: Complaints,
}

impl Reach {
    pub(super) fn new(netlink: Netlink) -> Self {
        let (asked, actions) = mpsc::channel(ASKED);
        tokio::spawn(ask(netlink.clone(), actions));
        Self {
            netlink,
            neighbours: Neighbours::default(),
            ways: BTreeMap::new(),
            addresses: BTreeSet::new(),
            through_vip: BTreeSet::new(),
            vip_routes: VipRoutes::default(),
            owns_vip_routes: false,
            asked,
            last: None,
            complaints: BTreeMap::new(),
            vip_complaints: Complaints::default(),
        }
    }

    /// A MAC that was good before holds until the kernel says otherwise.
    pub(super) fn remember(&mut self, address: IpAddr, mac: MacAddr) {
        self.addresses.insert(address);
        self.neighbours.watch_also(address);
        self.neighbours.news(address, NeighbourState::Unconfirmed(mac), Instant::now());
    }

    /// Clears away what a killed lvsd has left of its ways through VIPs, and makes them from now on. Not
    /// before it is certain that no other lvsd is at work.
    pub(super) async fn open_vip_routes(&mut self) -> Result<(), NetError> {
        self.netlink.clear_vip_routes().await?;
        self.owns_vip_routes = true;
        self.keep_vip_routes().await;
        Ok(())
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
        let Self { addresses, ways, neighbours, complaints, .. } = self;
        neighbours.watch(addresses);
        ways.retain(|address, _| addresses.contains(address));
        complaints.retain(|address, _| addresses.contains(address));
        let new: Vec<_> = addresses.iter().filter(|it| !ways.contains_key(it)).copied().collect();
        self.find_ways(&new).await;
        self.keep_vip_routes().await;
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

    /// Asks for those that have not been heard of, and looks for the ways to some, each in its turn.
    pub(super) async fn tick(&mut self, now: Instant) -> Vec<Moved> {
        for action in self.neighbours.tick(now) {
            let (Action::Probe(address, _)
            | Action::Resolve(address)
            | Action::ForgetAndResolve(address)) = action;
            let Some(way) = self.ways.get(&address) else { continue };
            // If there is no room, the next tick comes soon.
            self.asked.try_send((way.interface, action)).ok();
        }
        let turn = self.next_turn();
        let moved = self.find_ways(&turn).await;
        turn.iter().for_each(|address| self.vip_routes.doubt(*address));
        self.keep_vip_routes().await;
        moved
    }

    /// Whose way is looked for now, so that each has its turn once in [`SEARCH`] if there are not too many.
    fn next_turn(&mut self) -> Vec<IpAddr> {
        let ticks = SEARCH.as_millis().div_ceil(TICK.as_millis());
        let count = self.addresses.len().div_ceil(usize::try_from(ticks).unwrap_or(1));
        let count = count.min(IN_A_TICK);
        let after = self.last.map_or(Unbounded, Excluded);
        let following = self.addresses.range((after, Unbounded)).chain(&self.addresses);
        let turn: Vec<_> = following.take(count).copied().collect();
        self.last = turn.last().copied();
        turn
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

    /// The marks of packets that go to a VIP at a real server, of those that there is a way to.
    pub(super) fn marks(&self) -> BTreeMap<IpAddr, u32> {
        self.vip_routes.marks().collect()
    }

    /// Finds the ways to these real servers; gives those that are known and are elsewhere now.
    async fn find_ways(&mut self, addresses: &[IpAddr]) -> Vec<Moved> {
        let mut links = BTreeMap::new();
        let mut moved = BTreeSet::new();
        for &address in addresses {
            match self.way_to(address, &mut links).await {
                Ok(way) => {
                    if self.complaints.remove(&address).is_some() {
                        info!(%address, "there is a way to the real server");
                    }
                    if self.ways.insert(address, way) != Some(way) {
                        moved.insert(address);
                    }
                }
                // An old way is kept: a link that was down for a moment comes back as it was.
                Err(error) => {
                    if self.complaints.entry(address).or_default().is_due(Instant::now()) {
                        warn!(%address, %error, "a real server can't be reached");
                    }
                }
            }
        }
        let known = self.neighbours.known().filter(|(address, _)| moved.contains(address));
        known.map(|(address, mac)| (address, self.place(address, mac))).collect()
    }

    /// Makes the kernel's routes through VIPs those that checks need.
    async fn keep_vip_routes(&mut self) {
        if !self.owns_vip_routes {
            return;
        }
        let interfaces = self.through_vip.iter().filter_map(|target| {
            let way = self.ways.get(&target.real_server)?;
            Some((target.real_server, target.service.address, way.interface))
        });
        for step in self.vip_routes.plan(interfaces) {
            match self.netlink.change_vip_route(&step).await {
                Ok(()) => self.vip_routes.note(&step),
                Err(error) if self.vip_complaints.is_due(Instant::now()) => {
                    warn!(?step, %error, "no way to check a real server through its VIP");
                }
                Err(_) => {}
            }
        }
    }

    /// The way to an address: through an interface, or through a VLAN of one. Each interface is asked for
    /// but once.
    async fn way_to(
        &self,
        address: IpAddr,
        links: &mut BTreeMap<u32, Link>,
    ) -> Result<Way, NetError> {
        let index = self.netlink.interface_to(address).await?;
        let link = match links.entry(index) {
            Entry::Occupied(link) => link.into_mut(),
            Entry::Vacant(link) => link.insert(self.netlink.link_by_index(index).await?),
        };
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

/// Has the kernel ask for neighbours, one after the other, so that nobody else waits for it.
async fn ask(netlink: Netlink, mut actions: mpsc::Receiver<(u32, Action)>) {
    let mut complaints: HashMap<IpAddr, Complaints> = HashMap::new();
    while let Some((interface, action)) = actions.recv().await {
        let (Action::Probe(address, _)
        | Action::Resolve(address)
        | Action::ForgetAndResolve(address)) = action;
        match netlink.act(interface, action).await {
            Ok(()) => drop(complaints.remove(&address)),
            Err(error) => {
                if complaints.entry(address).or_default().is_due(Instant::now()) {
                    warn!(%address, %error, "can't ask for a real server's MAC");
                }
            }
        }
    }
}

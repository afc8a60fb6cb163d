//! The kernel's side of [`net`](super): links, routes and neighbours over rtnetlink.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the kernel has more attributes than are of interest, and gets new ones"
)]

mod addresses;
mod drivers;
mod links;
mod vip_routes;

use std::{net::IpAddr, time::Duration};

use futures::{
    FutureExt as _, StreamExt as _, TryStreamExt as _, channel::mpsc::UnboundedReceiver,
};
use rtnetlink::{
    Handle, MulticastGroup, RouteMessageBuilder, new_multicast_connection,
    packet_core::{NetlinkMessage, NetlinkPayload},
    packet_route::{
        AddressFamily, RouteNetlinkMessage,
        link::{InfoData, InfoVlan, LinkAttribute, LinkInfo, LinkMessage},
        neighbour::{
            NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage,
            NeighbourState as KernelState,
        },
        route::{RouteAddress, RouteAttribute, RouteMessage},
    },
    sys::SocketAddr,
};
use tokio::time::timeout;

pub use addresses::{Interface, InterfaceAddress, host_prefix};
pub use drivers::{Drivers, XdpAbilities};
pub use links::Links;

use super::{Action, Link, NeighbourState};
use crate::model::MacAddr;

/// So long the kernel may take to answer. It does so at once, or not at all.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why the kernel's network could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// No netlink socket.
    #[error("can't open a netlink socket: {0}")]
    Open(#[source] std::io::Error),
    /// There is no such interface.
    #[error("interface {0}: there is no such interface; `ip link` shows those that are there")]
    NoInterface(String),
    /// The interface has no MAC.
    #[error("interface {0} has no Ethernet address, so frames can't be forwarded through it")]
    NoMac(String),
    /// The kernel has no way to the address.
    #[error("there is no route to {0}")]
    NoRoute(IpAddr),
    /// The address is behind a router.
    #[error(
        "{0} is behind router {1}: direct routing needs it on the same network as the director"
    )]
    NotOnLink(IpAddr, IpAddr),
    /// The kernel refused a change.
    #[error("the kernel refuses: {0}")]
    Refused(std::io::Error),
    /// The answer of the kernel was lost.
    #[error("netlink: no answer from the kernel within {PATIENCE:?}")]
    Silent,
    /// The kernel refused a request.
    #[error("netlink: {0}")]
    Netlink(#[from] rtnetlink::Error),
}

/// A connection to the kernel.
#[derive(Clone, Debug)]
pub struct Netlink {
    handle: Handle,
}

/// What the kernel has to say of its neighbours, as it happens.
#[derive(Debug)]
pub struct News(UnboundedReceiver<(NetlinkMessage<RouteNetlinkMessage>, SocketAddr)>);

impl Netlink {
    /// Opens a connection, and a stream of news.
    ///
    /// # Errors
    /// When there are no sockets to be had.
    pub fn open() -> Result<(Self, News), NetError> {
        // On a socket of their own: when they are more than it holds, the kernel drops whatever comes
        // for it, and so it would drop answers.
        let (connection, _, messages) =
            new_multicast_connection(&[MulticastGroup::Neigh]).map_err(NetError::Open)?;
        tokio::spawn(connection);
        Ok((Self::without_news()?, News(messages)))
    }

    /// The interface with this name.
    ///
    /// # Errors
    /// When there is none, or none that carries Ethernet.
    pub async fn link(&self, name: &str) -> Result<Link, NetError> {
        let mut links = self.handle.link().get().match_name(name.to_owned()).execute();
        match answer(links.try_next()).await {
            Ok(Some(message)) => link(&message, name),
            Err(NetError::Silent) => Err(NetError::Silent),
            Ok(None) | Err(_) => Err(NetError::NoInterface(name.to_owned())),
        }
    }

    /// The interface with this index.
    ///
    /// # Errors
    /// When there is none, or none that carries Ethernet.
    pub async fn link_by_index(&self, index: u32) -> Result<Link, NetError> {
        let mut links = self.handle.link().get().match_index(index).execute();
        let name = format!("number {index}");
        match answer(links.try_next()).await {
            Ok(Some(message)) => link(&message, &name),
            Err(NetError::Silent) => Err(NetError::Silent),
            Ok(None) | Err(_) => Err(NetError::NoInterface(name)),
        }
    }

    /// The index of the interface that `address` is reached by without a router.
    ///
    /// # Errors
    /// When it is not on a network of this machine.
    pub async fn interface_to(&self, address: IpAddr) -> Result<u32, NetError> {
        on_link(address, &self.route_to(address).await?)
    }

    /// The index of the interface that packets to `address` leave by, to a router or not.
    ///
    /// # Errors
    /// When there is no way.
    pub async fn interface_towards(&self, address: IpAddr) -> Result<u32, NetError> {
        output_interface(&self.route_to(address).await?).ok_or(NetError::NoRoute(address))
    }

    async fn route_to(&self, address: IpAddr) -> Result<RouteMessage, NetError> {
        let request = match address {
            IpAddr::V4(v4) => {
                RouteMessageBuilder::<std::net::Ipv4Addr>::new().destination_prefix(v4, 32).build()
            }
            IpAddr::V6(v6) => {
                RouteMessageBuilder::<std::net::Ipv6Addr>::new().destination_prefix(v6, 128).build()
            }
        };
        let mut routes = Box::pin(self.handle.route().get(request).execute());
        match answer(routes.try_next()).await {
            Ok(Some(route)) => Ok(route),
            Err(NetError::Silent) => Err(NetError::Silent),
            Ok(None) | Err(_) => Err(NetError::NoRoute(address)),
        }
    }

    /// What the kernel knows of its neighbours now.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn neighbours(&self) -> Result<Vec<(u32, IpAddr, NeighbourState)>, NetError> {
        let messages: Vec<_> =
            answer(self.handle.neighbours().get().execute().try_collect()).await?;
        Ok(messages.iter().filter_map(neighbour).collect())
    }

    /// Asks the kernel to do something about a neighbour on an interface.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn act(&self, interface: u32, action: Action) -> Result<(), NetError> {
        match action {
            Action::Probe(address, mac) => {
                let request = self.handle.neighbours().add(interface, address).replace();
                let request = request.state(KernelState::Probe).link_layer_address(&mac.0);
                answer(request.execute()).await
            }
            Action::Resolve(address) => self.resolve(interface, address).await,
            Action::ForgetAndResolve(address) => {
                let mut forgotten = NeighbourMessage::default();
                forgotten.header.family = match address {
                    IpAddr::V4(_) => AddressFamily::Inet,
                    IpAddr::V6(_) => AddressFamily::Inet6,
                };
                forgotten.header.ifindex = interface;
                forgotten.attributes.push(NeighbourAttribute::Destination(address.into()));
                match answer(self.handle.neighbours().del(forgotten).execute()).await {
                    Err(error) if !error.is_gone() => return Err(error),
                    Ok(()) | Err(_) => {}
                }
                self.resolve(interface, address).await
            }
        }
    }

    /// What `NTF_USE` does (net/core/neighbour.c, neigh_add): as if a packet were to be sent there.
    async fn resolve(&self, interface: u32, address: IpAddr) -> Result<(), NetError> {
        let request = self.handle.neighbours().add(interface, address).replace();
        answer(request.state(KernelState::None).flags(NeighbourFlags::Use).execute()).await
    }
}

impl News {
    /// All changes of neighbours since the last time, as soon as the kernel has said anything; `None` when
    /// its end is gone.
    pub async fn next(&mut self) -> Option<Vec<(u32, IpAddr, NeighbourState)>> {
        let mut message = Some(self.0.next().await?);
        let mut news = Vec::new();
        while let Some((said, _)) = message {
            // An entry that is deleted is one that we asked to forget, or one that the kernel
            // found too old: either way, who has it is still there until it fails to answer.
            if let NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewNeighbour(said)) =
                said.payload
            {
                news.extend(neighbour(&said));
            }
            message = self.0.next().now_or_never().flatten();
        }
        Some(news)
    }
}

impl NetError {
    /// Whether what was to be removed was not there.
    fn is_gone(&self) -> bool {
        self.errno().is_some_and(|errno| [libc::ESRCH, libc::ENOENT].contains(&errno))
    }

    /// Whether what was to be added was there.
    fn is_there(&self) -> bool {
        self.errno() == Some(libc::EEXIST)
    }

    fn errno(&self) -> Option<i32> {
        match self {
            Self::Netlink(rtnetlink::Error::NetlinkError(error)) => Some(error.raw_code().abs()),
            _ => None,
        }
    }
}

/// What the kernel says to a request.
async fn answer<T>(
    asked: impl Future<Output = Result<T, rtnetlink::Error>>,
) -> Result<T, NetError> {
    Ok(timeout(PATIENCE, asked).await.map_err(|_| NetError::Silent)??)
}

fn link(message: &LinkMessage, name: &str) -> Result<Link, NetError> {
    let name = message
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            LinkAttribute::IfName(name) => Some(name.clone()),
            _ => None,
        })
        .unwrap_or_else(|| name.to_owned());
    let mac = mac(message).ok_or_else(|| NetError::NoMac(name.clone()))?;
    Ok(Link { index: message.header.index, name, mac, vlan_of: vlan_of(message) })
}

fn mac(message: &LinkMessage) -> Option<MacAddr> {
    let mac = message.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Address(bytes) => <[u8; 6]>::try_from(&bytes[..]).ok(),
        _ => None,
    });
    mac.filter(|mac| *mac != [0; 6]).map(MacAddr)
}

fn vlan_of(message: &LinkMessage) -> Option<(u32, u16)> {
    let parent = message.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Link(index) => Some(*index),
        _ => None,
    });
    let info = message.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::LinkInfo(info) => Some(info),
        _ => None,
    });
    let id = info?.iter().find_map(|info| match info {
        LinkInfo::Data(InfoData::Vlan(attributes)) => {
            attributes.iter().find_map(|attribute| match attribute {
                InfoVlan::Id(id) => Some(*id),
                _ => None,
            })
        }
        _ => None,
    });
    Some((parent?, id?))
}

fn on_link(address: IpAddr, route: &RouteMessage) -> Result<u32, NetError> {
    let gateway = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Gateway(RouteAddress::Inet(v4)) => Some(IpAddr::V4(*v4)),
        RouteAttribute::Gateway(RouteAddress::Inet6(v6)) => Some(IpAddr::V6(*v6)),
        RouteAttribute::Gateway(_) => Some(address),
        _ => None,
    });
    match gateway {
        Some(gateway) => Err(NetError::NotOnLink(address, gateway)),
        None => output_interface(route).ok_or(NetError::NoRoute(address)),
    }
}

fn output_interface(route: &RouteMessage) -> Option<u32> {
    route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Oif(index) => Some(*index),
        _ => None,
    })
}

fn neighbour(message: &NeighbourMessage) -> Option<(u32, IpAddr, NeighbourState)> {
    let mut address = None;
    let mut mac = None;
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => {
                address = Some(IpAddr::V4(*v4));
            }
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) => {
                address = Some(IpAddr::V6(*v6));
            }
            NeighbourAttribute::LinkLayerAddress(bytes) => {
                mac = <[u8; 6]>::try_from(&bytes[..]).ok().map(MacAddr);
            }
            _ => {}
        }
    }
    let state = match (message.header.state, mac) {
        (KernelState::Reachable, Some(mac)) => NeighbourState::Confirmed(mac),
        (KernelState::Permanent | KernelState::Noarp, Some(mac)) => NeighbourState::Permanent(mac),
        (KernelState::Stale | KernelState::Delay | KernelState::Probe, Some(mac)) => {
            NeighbourState::Unconfirmed(mac)
        }
        (KernelState::Failed, _) => NeighbourState::Failed,
        _ => return None, // Incomplete: it is being asked for.
    };
    Some((message.header.ifindex, address?, state))
}

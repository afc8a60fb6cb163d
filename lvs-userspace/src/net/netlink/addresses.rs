//! A machine's own interfaces and addresses, and those that are put on loopback.

use std::net::{IpAddr, Ipv4Addr};

use futures::TryStreamExt;
use rtnetlink::{
    AddressMessageBuilder, Error, RouteMessageBuilder, new_connection,
    packet_route::{
        address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope, CacheInfo},
        link::{LinkAttribute, LinkFlags, LinkMessage, LinkXdp},
        route::RouteAttribute,
    },
};

use super::{NetError, Netlink, mac, vlan_of};
use crate::model::MacAddr;

/// Any network interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Whether it is up.
    pub up: bool,
    /// Whether it is the machine's way to itself.
    pub loopback: bool,
    /// Whether nobody is ever answered there who has an address, as on dummy interfaces.
    pub silent: bool,
    /// Whether its cable is in, or whatever it has for one.
    pub carrier: bool,
    /// The longest packet that it sends, without the Ethernet header.
    pub mtu: u32,
    /// Its MAC, if it has one.
    pub mac: Option<MacAddr>,
    /// The XDP program on it, by the kernel's number.
    pub xdp_program: Option<u32>,
    /// If it is a VLAN of another: the index of that, and the VLAN's id.
    pub vlan_of: Option<(u32, u16)>,
}

/// An address on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// The interface's index.
    pub interface: u32,
    /// The address.
    pub address: IpAddr,
    /// Length of its network's prefix.
    pub prefix: u8,
}

impl Netlink {
    /// Opens a connection that brings no news.
    ///
    /// # Errors
    /// When there are no sockets to be had.
    pub fn without_news() -> Result<Self, NetError> {
        let (connection, handle, _) = new_connection().map_err(NetError::Open)?;
        tokio::spawn(connection);
        Ok(Self { handle })
    }

    /// All interfaces.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn interfaces(&self) -> Result<Vec<Interface>, NetError> {
        let links: Vec<_> = self.handle.link().get().execute().try_collect().await?;
        Ok(links.iter().filter_map(interface).collect())
    }

    /// All addresses of all interfaces.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn addresses(&self) -> Result<Vec<InterfaceAddress>, NetError> {
        let messages: Vec<_> = self.handle.address().get().execute().try_collect().await?;
        Ok(messages.iter().filter_map(own_address).collect())
    }

    /// Puts an address on a loopback interface, for itself alone. If it is there, that is no error.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn add_vip(&self, interface: u32, address: IpAddr) -> Result<(), NetError> {
        let mut request = self.handle.address().add(interface, address, host_prefix(address));
        let message = request.message_mut();
        match address {
            // So it is not taken for the source of what this machine begins itself.
            IpAddr::V4(_) => message.header.scope = AddressScope::Host,
            IpAddr::V6(_) => {
                // All machines with the VIP have it: looking for duplicates would find them.
                message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
                // Deprecated, which is IPv6's way not to be taken for a source.
                let mut lifetime = CacheInfo::default();
                lifetime.ifa_preferred = 0;
                lifetime.ifa_valid = u32::MAX;
                message.attributes.push(AddressAttribute::CacheInfo(lifetime));
            }
        }
        unless(libc::EEXIST, request.execute().await)
    }

    /// Takes away what [`add_vip`](Self::add_vip) has put there. If it is gone, that is no error.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn remove_vip(&self, interface: u32, address: IpAddr) -> Result<(), NetError> {
        let prefix = host_prefix(address);
        let message = match address {
            IpAddr::V4(v4) => AddressMessageBuilder::<Ipv4Addr>::new()
                .index(interface)
                .address(v4, prefix)
                .build(),
            IpAddr::V6(v6) => AddressMessageBuilder::<std::net::Ipv6Addr>::new()
                .index(interface)
                .address(v6, prefix)
                .build(),
        };
        unless(libc::EADDRNOTAVAIL, self.handle.address().del(message).execute().await)
    }

    /// The interfaces that the default routes of IPv4 go by.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn default_routes(&self) -> Result<Vec<u32>, NetError> {
        let all = RouteMessageBuilder::<Ipv4Addr>::new().build();
        let routes: Vec<_> = self.handle.route().get(all).execute().try_collect().await?;
        let default = routes.iter().filter(|it| it.header.destination_prefix_length == 0);
        let out = default.flat_map(|route| &route.attributes).filter_map(|it| match it {
            RouteAttribute::Oif(index) => Some(*index),
            _ => None,
        });
        Ok(out.collect())
    }
}

fn interface(link: &LinkMessage) -> Option<Interface> {
    let flags = link.header.flags;
    let mut interface = Interface {
        index: link.header.index,
        up: flags.contains(LinkFlags::Up),
        loopback: flags.contains(LinkFlags::Loopback),
        silent: flags.contains(LinkFlags::Noarp),
        carrier: flags.contains(LinkFlags::LowerUp),
        mac: mac(link),
        vlan_of: vlan_of(link),
        ..Interface::default()
    };
    for attribute in &link.attributes {
        match attribute {
            LinkAttribute::IfName(name) => interface.name.clone_from(name),
            LinkAttribute::Mtu(mtu) => interface.mtu = *mtu,
            LinkAttribute::Xdp(xdp) => {
                interface.xdp_program = xdp.iter().find_map(|attribute| match attribute {
                    LinkXdp::ProgId(id) | LinkXdp::DrvProgId(id) | LinkXdp::SkbProgId(id) => {
                        Some(*id)
                    }
                    _ => None,
                });
            }
            _ => {}
        }
    }
    (!interface.name.is_empty()).then_some(interface)
}

/// The prefix of a network of one address.
#[must_use]
pub const fn host_prefix(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn own_address(message: &AddressMessage) -> Option<InterfaceAddress> {
    let local = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    // On a link between two, Address is the other end; of IPv6 there is mostly only that.
    let address = local.or_else(|| {
        message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        })
    });
    let prefix = message.header.prefix_len;
    Some(InterfaceAddress { interface: message.header.index, address: address?, prefix })
}

/// Takes one error for a success.
fn unless(errno: i32, result: Result<(), Error>) -> Result<(), NetError> {
    match result {
        Err(Error::NetlinkError(message)) if message.raw_code() == -errno => Ok(()),
        Err(Error::NetlinkError(message)) => Err(NetError::Refused(message.to_io())),
        result => Ok(result?),
    }
}

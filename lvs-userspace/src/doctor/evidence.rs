//! What findings are drawn from: what lvsd knows, and what was seen when it looked.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use super::Clock;
use crate::{
    config::XdpMode,
    control::api,
    dataplane::{
        OutOfSync,
        bpf::{AttachedAs, PinFault, TableUse},
    },
    director::State,
    model::{MacAddr, ServiceId},
    net::{
        Link,
        netlink::{Interface, InterfaceAddress, XdpAbilities},
    },
};

/// Everything.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// What lvsd knows.
    pub known: Known,
    /// What was seen.
    pub seen: Seen,
}

/// What lvsd knows at one moment.
#[derive(Clone, Debug)]
pub struct Known {
    /// The interfaces that are to run the XDP program.
    pub attached: Vec<Attached>,
    /// How it is to be attached.
    pub xdp_mode: XdpMode,
    /// The program, by the kernel's number.
    pub program: Option<u32>,
    /// Why the maps are not what they should be; `None` if they are.
    pub out_of_sync: Option<OutOfSync>,
    /// What is wrong with the place of the pins, which is none of the BPF file system then.
    pub no_bpffs: Option<String>,
    /// What is wrong with what is pinned.
    pub pin_faults: Vec<PinFault>,
    /// Whether the maps are as large as the configuration says.
    pub sizes_followed: bool,
    /// How full the connection tables are.
    pub tables: Vec<TableUse>,
    /// The virtual services.
    pub services: Vec<Service>,
    /// All real servers and sorry servers, each once.
    pub real_servers: Vec<RealServer>,
    /// What it is to other directors; `None` if it is alone.
    pub failover: Option<Failover>,
}

/// What a director is to others.
#[derive(Clone, Debug)]
pub struct Failover {
    /// As it is shown.
    pub status: api::Failover,
    /// Why its thread has no real-time priority; `None` if it has.
    pub not_real_time: Option<String>,
}

/// An interface that is to run the XDP program.
#[derive(Clone, Debug)]
pub struct Attached {
    /// As it was when lvsd started.
    pub link: Link,
    /// How it does; `None`: it does not.
    pub attached_as: Option<AttachedAs>,
}

/// A virtual service.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name.
    pub id: ServiceId,
    /// Its real servers.
    pub members: Vec<Member>,
    /// Who serves if none of them does.
    pub sorry_server: Option<IpAddr>,
}

/// A real server of a virtual service.
#[derive(Clone, Debug)]
pub struct Member {
    /// Real IP address.
    pub address: IpAddr,
    /// What it is to the service.
    pub state: State,
    /// Its weight in force.
    pub weight: u32,
    /// Why that is not the configured one.
    pub why: Option<String>,
    /// Whether it is checked through the VIP.
    pub through_vip: bool,
}

/// A real server, or a sorry server.
#[derive(Clone, Copy, Debug)]
pub struct RealServer {
    /// Real IP address.
    pub address: IpAddr,
    /// The way to it; `None`: there is none.
    pub way: Option<Way>,
    /// Its MAC; `None`: nobody knows it.
    pub mac: Option<MacAddr>,
}

/// The way to a real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// Index of the interface that the kernel reaches it by.
    pub interface: u32,
    /// Index of the interface that frames leave by: the same, or what it is a VLAN of.
    pub exit: u32,
}

/// What was seen.
#[derive(Clone, Debug)]
pub struct Seen {
    /// All interfaces.
    pub interfaces: Vec<Interface>,
    /// All addresses of the director's own.
    pub addresses: Vec<InterfaceAddress>,
    /// Offloads that are on, by the index of the interface; those of drivers that say it.
    pub offloads: BTreeMap<u32, BTreeSet<String>>,
    /// What drivers do with XDP, by the index of the interface; those that say it.
    pub xdp: BTreeMap<u32, XdpAbilities>,
    /// `rp_filter` as it counts, by the index of the interface.
    pub rp_filter: BTreeMap<u32, i32>,
    /// The interfaces by which the kernel would send to VIPs.
    pub routes: BTreeMap<IpAddr, u32>,
    /// Why there is no way to a real server.
    pub no_way: BTreeMap<IpAddr, String>,
    /// The clock.
    pub clock: Clock,
    /// Whether VIPs were answered for on the network.
    pub asked: Vec<Asked>,
    /// What the real servers answered for themselves.
    pub reached: Vec<Reached>,
    /// What they answered for VIPs.
    pub tried: Vec<Tried>,
    /// What could not be asked, and why: the index of the interface.
    pub unasked: BTreeMap<u32, String>,
}

/// Who has a VIP, asked of everybody on a network.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Index of the interface.
    pub interface: u32,
    /// The VIP.
    pub vip: IpAddr,
    /// Who says to have it.
    pub answered: BTreeSet<MacAddr>,
}

/// What a real server answered for its own address.
#[derive(Clone, Copy, Debug)]
pub struct Reached {
    /// Its address.
    pub real_server: IpAddr,
    /// Whether it has answered an echo.
    pub echo: bool,
    /// Whether it has answered one as long as the interface's MTU.
    pub long_echo: bool,
    /// That length.
    pub mtu: u32,
}

/// What a real server answered for a VIP, in frames to its MAC.
#[derive(Clone, Debug)]
pub struct Tried {
    /// Its address.
    pub real_server: IpAddr,
    /// The VIP.
    pub vip: IpAddr,
    /// Who asked: the director's own address.
    pub source: IpAddr,
    /// Whether it has answered an echo.
    pub echo: bool,
    /// What it has answered to a SYN, by the port.
    pub syn: BTreeMap<u16, Syn>,
}

/// The answer to a SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Syn {
    /// None.
    Silence,
    /// Somebody listens.
    Accepted,
    /// Nobody does.
    Refused,
}

impl Seen {
    /// An interface.
    #[must_use]
    pub fn interface(&self, index: u32) -> Option<&Interface> {
        self.interfaces.iter().find(|it| it.index == index)
    }

    /// What an interface is called.
    #[must_use]
    pub fn name(&self, index: u32) -> String {
        self.interface(index).map_or_else(|| format!("number {index}"), |it| it.name.clone())
    }
}

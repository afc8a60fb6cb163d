//! What the operator wants: the configuration file, checked.

mod alerts;
mod check;
mod checks;
mod difference;
mod edit;
mod error;
mod failover;
mod reader;
pub mod realserver;
mod room;
mod values;
mod write;

use std::{fs, net::IpAddr, path::Path, time::Duration};

use lvs_common::limits;

pub(crate) use checks::RECORDS;
pub use difference::{Difference, difference, without_restart};
pub use edit::{Edit, EditError, Keys};
pub use error::{ConfigError, ConfigErrors};
pub(crate) use values::can_be_a_host;

use crate::{
    alert,
    failover::settings::Settings as Failover,
    health::Check,
    load,
    model::{Scheduler, ServiceId, Weight},
};

/// A whole configuration, without errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// This machine.
    pub director: Director,
    /// How it shares the VIPs with others; `None`: it is alone.
    pub failover: Option<Failover>,
    /// How connections are remembered.
    pub connections: Connections,
    /// How load reports become weights.
    pub load: load::Settings,
    /// Who is told of changes.
    pub alerts: alert::Settings,
    /// The virtual services, in the order of the file; no two have the same [`ServiceId`].
    pub virtual_services: Vec<VirtualService>,
}

impl Config {
    /// One without services, and all else as usual.
    #[must_use]
    pub fn new(director: Director) -> Self {
        Self {
            director,
            failover: None,
            connections: Connections::default(),
            load: load::Settings::default(),
            alerts: alert::Settings::default(),
            virtual_services: Vec::new(),
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// All that is wrong with it, each with its place.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        let file = path.display().to_string();
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, &file),
            Err(error) => Err(ConfigErrors::unreadable(&file, &error)),
        }
    }

    /// Reads a text; `file` is what errors call it.
    ///
    /// # Errors
    /// All that is wrong with it, each with its place.
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigErrors> {
        check::config(text, file)
    }
}

/// The `[director]` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Director {
    /// What it is called in logs and by its peers; the host name if the file says nothing.
    pub name: String,
    /// Where the XDP program is attached; at least one.
    pub interfaces: Vec<String>,
    /// How it is attached.
    pub xdp_mode: XdpMode,
    /// Real servers there is room for, summed over all services.
    pub max_real_servers: u32,
    /// What is thought of the real servers when lvsd starts while the program forwards already.
    pub on_restart: OnRestart,
}

impl Director {
    /// One with these, and all else as usual.
    #[must_use]
    pub fn new(name: String, interfaces: Vec<String>) -> Self {
        Self {
            name,
            interfaces,
            xdp_mode: XdpMode::default(),
            max_real_servers: limits::REAL_SERVERS as u32,
            on_restart: OnRestart::default(),
        }
    }
}

/// What is thought of the real servers when lvsd starts while the program forwards already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnRestart {
    /// What the lvsd before thought.
    #[default]
    Keep,
    /// Nothing: they are out of service until they have passed a check.
    Check,
}

/// How the XDP program is attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum XdpMode {
    /// Native where the driver can, generic otherwise.
    #[default]
    Auto,
    /// In the driver, or not at all.
    Native,
    /// In the kernel's network stack: works everywhere, slower.
    Generic,
}

/// The `[connections]` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connections {
    /// IPv4 connections there is room for.
    pub size: u32,
    /// IPv4 connections that are not established yet.
    pub half_open: u32,
    /// IPv6 connections there is room for.
    pub ipv6_size: u32,
    /// IPv6 connections that are not established yet.
    pub ipv6_half_open: u32,
    /// How long a connection may be silent.
    pub timeouts: Timeouts,
}

/// How long a connection in each state may be silent before it is forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP in use.
    pub established: Duration,
    /// TCP after a SYN.
    pub syn_received: Duration,
    /// TCP after the client's FIN.
    pub fin_wait: Duration,
    /// TCP that ended before it was established.
    pub time_wait: Duration,
    /// TCP after a RST.
    pub closed: Duration,
    /// UDP.
    pub udp: Duration,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            size: limits::CONNECTIONS,
            half_open: limits::HALF_OPEN,
            ipv6_size: limits::CONNECTIONS,
            ipv6_half_open: limits::HALF_OPEN,
            timeouts: Timeouts::default(),
        }
    }
}

/// Those of IPVS (tcp_timeouts and udp_timeouts in net/netfilter/ipvs/ip_vs_proto_{tcp,udp}.c).
impl Default for Timeouts {
    fn default() -> Self {
        Self {
            established: Duration::from_secs(15 * 60),
            syn_received: Duration::from_secs(60),
            fin_wait: Duration::from_secs(2 * 60),
            time_wait: Duration::from_secs(2 * 60),
            closed: Duration::from_secs(10),
            udp: Duration::from_secs(5 * 60),
        }
    }
}

/// A `[[virtual_service]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualService {
    /// Protocol, address and port.
    pub id: ServiceId,
    /// How new connections are shared out.
    pub scheduler: Scheduler,
    /// Whether and how clients stay with their real server.
    pub persistence: Option<Persistence>,
    /// Whether every datagram is scheduled for itself.
    pub one_packet: bool,
    /// Whether no connection is remembered, and a hash says where each packet goes.
    pub stateless: bool,
    /// What becomes of the connections of a real server that is down or removed.
    pub lost_connections: LostConnections,
    /// Who takes new connections when no real server does.
    pub sorry_server: Option<IpAddr>,
    /// Whether a real server that fails its checks keeps its connections: it only gets no new ones.
    pub inhibit_on_failure: bool,
    /// Whether the load reports of the real servers change their weights.
    pub follow_load: bool,
    /// How long the weight of a real server that is back from a failure takes to rise; zero: it has
    /// all of it at once.
    pub slow_start: Duration,
    /// With real servers up of less weight than this, the sorry server serves.
    pub quorum: u32,
    /// The quorum is lost so far below it, and there again so far above.
    pub quorum_hysteresis: u32,
    /// How its real servers are checked that have no check of their own.
    pub check: Option<Check>,
    /// In the order of the file; no two have the same address.
    pub real_servers: Vec<RealServer>,
}

impl VirtualService {
    /// One without real servers, and as usual otherwise.
    #[must_use]
    pub const fn new(id: ServiceId) -> Self {
        Self {
            id,
            scheduler: Scheduler::Wrr,
            persistence: None,
            one_packet: false,
            stateless: false,
            lost_connections: LostConnections::Reschedule,
            sorry_server: None,
            inhibit_on_failure: false,
            follow_load: false,
            slow_start: Duration::ZERO,
            quorum: 0,
            quorum_hysteresis: 0,
            check: None,
            real_servers: Vec::new(),
        }
    }
}

/// That clients stay with their real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Persistence {
    /// So long after their last connection.
    pub timeout: Duration,
    /// Clients that share so many leading bits of their address are one.
    pub granularity: u8,
}

/// What becomes of the connections of a real server that is down or removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LostConnections {
    /// They are given to another at their next packet, so that a TCP client is reset at once.
    #[default]
    Reschedule,
    /// They stay with it.
    Keep,
}

/// A `[[virtual_service.real_server]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealServer {
    /// Real IP address.
    pub address: IpAddr,
    /// Configured weight; 1 if the file says none.
    pub weight: Weight,
    /// With so many connections it gets no new ones; 0 for no limit.
    pub upper_threshold: u32,
    /// With fewer than so many it gets new ones again.
    pub lower_threshold: u32,
    /// How it is checked; `None`: not at all.
    pub check: Option<Check>,
    /// Whether the operator wants that it gets no new connections.
    pub drain: bool,
}

impl RealServer {
    /// One that is as usual otherwise, and not checked.
    #[must_use]
    pub const fn new(address: IpAddr, weight: Weight) -> Self {
        let (upper_threshold, lower_threshold) = (0, 0);
        Self { address, weight, upper_threshold, lower_threshold, check: None, drain: false }
    }
}

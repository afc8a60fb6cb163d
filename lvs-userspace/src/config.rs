//! What the operator wants: the configuration file, checked.

mod check;
mod error;
mod reader;
mod values;

use std::{fs, net::IpAddr, path::Path};

pub use error::{ConfigError, ConfigErrors};

use crate::model::{Scheduler, ServiceId, Weight};

/// A whole configuration, without errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// This machine.
    pub director: Director,
    /// The virtual services, in the order of the file; no two have the same [`ServiceId`].
    pub virtual_services: Vec<VirtualService>,
}

impl Config {
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
    /// What it is called in logs and by its peers.
    pub name: String,
    /// Where the XDP program is attached; at least one.
    pub interfaces: Vec<String>,
    /// How it is attached.
    pub xdp_mode: XdpMode,
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

/// A `[[virtual_service]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualService {
    /// Protocol, address and port.
    pub id: ServiceId,
    /// How new connections are shared out.
    pub scheduler: Scheduler,
    /// In the order of the file; no two have the same address.
    pub real_servers: Vec<RealServer>,
}

/// A `[[virtual_service.real_server]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealServer {
    /// Real IP address.
    pub address: IpAddr,
    /// Configured weight; 1 if the file says none.
    pub weight: Weight,
}

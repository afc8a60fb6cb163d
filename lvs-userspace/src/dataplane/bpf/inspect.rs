//! What there is to see of the program, its pins and its tables, for who looks whether all is well.

use std::path::PathBuf;

use aya::{
    maps::MapInfo,
    programs::{ProgramInfo, Xdp},
};
use lvs_common::{abi, names};

use super::{AttachedAs, BpfDataplane};

/// What is wrong with a pin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PinFault {
    /// There is no such file.
    Missing(PathBuf),
    /// The file is there, but of something else than what is in use.
    Other(PathBuf),
}

/// How full a connection table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableUse {
    /// Its connections, in words.
    pub of: &'static str,
    /// The key in `[connections]` that has its size.
    pub key: &'static str,
    /// Connections in it.
    pub used: u32,
    /// Connections that it is made for.
    pub size: u32,
}

impl BpfDataplane {
    /// The program, by the kernel's number.
    #[must_use]
    pub fn program_id(&self) -> Option<u32> {
        self.program_info().map(|info| info.id())
    }

    /// What is wrong with the pins, if the program is on these interfaces.
    #[must_use]
    pub fn pin_faults(&self, attached: &[(u32, AttachedAs)]) -> Vec<PinFault> {
        let Some(info) = self.program_info() else { return Vec::new() };
        let mut used = info.map_ids().ok().flatten().unwrap_or_default();
        used.push(self.past_traffic);
        let pins = &self.pins;
        let maps = names::MAPS.iter().map(|name| {
            let path = pins.path(name);
            let is_used = MapInfo::from_pin(&path).is_ok_and(|map| used.contains(&map.id()));
            let has_layout = *name != names::SETTINGS || pins.layout() == Some(abi::LAYOUT);
            (path, is_used && has_layout)
        });
        let path = pins.program_path();
        let is_same = ProgramInfo::from_pin(&path).is_ok_and(|pinned| pinned.id() == info.id());
        let links = attached.iter().map(|(interface, attached_as)| {
            let path = pins.link_path(*interface, *attached_as);
            let is_there = path.exists();
            (path, is_there)
        });
        maps.chain([(path, is_same)])
            .chain(links)
            .filter(|(_, is_right)| !is_right)
            .map(|(path, _)| match path.exists() {
                true => PinFault::Other(path),
                false => PinFault::Missing(path),
            })
            .collect()
    }

    fn program_info(&self) -> Option<ProgramInfo> {
        let program: &Xdp = self.ebpf.program(self.program)?.try_into().ok()?;
        program.info().ok()
    }
}

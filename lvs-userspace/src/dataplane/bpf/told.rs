//! What the program tells of connections while it goes on: two rings of names, and the map of where
//! clients stay, for who follows them in another thread.

use std::{
    io,
    os::fd::{AsRawFd, RawFd},
};

use aya::maps::{HashMap, Map, MapData, RingBuf};
use lvs_common::{
    abi::{Template, TemplateKey},
    flow::Flow,
    names,
};
use tokio::io::{Interest, unix::AsyncFd};

use super::{Abi, BpfDataplane, load::take};
use crate::dataplane::store::{ConnectionStore, FlowName};

/// Something that the program has told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// There is something new about a connection.
    Connection(FlowName),
    /// There is something new about where a client stays.
    Template(TemplateKey),
}

/// A ring that the program writes to.
pub struct Ring(RingBuf<MapData>);

/// Where clients stay.
pub struct Templates(HashMap<MapData, Abi<TemplateKey>, Abi<Template>>);

/// All that is needed to tell another director of connections, and to hear of its.
pub struct Told {
    /// The connections themselves.
    pub store: ConnectionStore,
    /// Where clients stay, to be looked up.
    pub templates: Templates,
    /// The same, to be written.
    pub to_note: Templates,
    /// What has changed.
    pub changes: Ring,
    /// What has begun.
    pub beginnings: Ring,
}

impl BpfDataplane {
    /// What the program tells. The rings can be had once.
    ///
    /// # Errors
    /// When the maps can't be had.
    pub fn told(&mut self) -> anyhow::Result<Told> {
        let templates = || -> anyhow::Result<Templates> {
            let map = MapData::from_pin(self.pins.path(names::TEMPLATES))?;
            Ok(Templates(HashMap::try_from(Map::LruHashMap(map))?))
        };
        Ok(Told {
            store: self.store.clone(),
            templates: templates()?,
            to_note: templates()?,
            changes: Ring(take(&mut self.ebpf, names::CHANGES)?),
            beginnings: Ring(take(&mut self.ebpf, names::BEGINNINGS)?),
        })
    }
}

impl Ring {
    /// The ring, to be waited for in a runtime of tokio.
    ///
    /// # Errors
    /// When it can't be waited for.
    pub fn awaited(self) -> io::Result<AsyncFd<Self>> {
        // SAFETY: the descriptor is the ring's own, always the same, and open as long as it lives.
        unsafe { AsyncFd::register_with_interest(self, Interest::READABLE) }.map_err(Into::into)
    }
}

/// All that was told and is not read yet; `None` among it is what nobody knows the meaning of.
impl Iterator for Ring {
    type Item = Option<Change>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|item| change(&item))
    }
}

impl AsRawFd for Ring {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Each kind has a length of its own.
fn change(bytes: &[u8]) -> Option<Change> {
    fn parts<K: bytemuck::Pod>(bytes: &[u8]) -> Option<(K, u32)> {
        let (key, protocol) = bytes.split_last_chunk::<4>()?;
        Some((bytemuck::try_pod_read_unaligned(key).ok()?, u32::from_ne_bytes(*protocol)))
    }
    Some(match bytes.len() {
        16 => {
            let (key, protocol) = parts(bytes)?;
            Change::Connection(FlowName::V4(Flow { key, protocol }))
        }
        40 => {
            let (key, protocol) = parts(bytes)?;
            Change::Connection(FlowName::V6(Flow { key, protocol }))
        }
        20 => Change::Template(bytemuck::try_pod_read_unaligned(bytes).ok()?),
        _ => return None,
    })
}

impl Templates {
    /// Where a client stays.
    #[must_use]
    pub fn get(&self, key: &TemplateKey) -> Option<Template> {
        self.0.get(&Abi(*key), 0).ok().map(|Abi(template)| template)
    }

    /// Notes where a client stays.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn set(&mut self, key: &TemplateKey, template: Template) -> io::Result<()> {
        self.0.insert(Abi(*key), Abi(template), 0).map_err(io::Error::other)
    }

    /// All of them.
    pub fn each(&self) -> impl Iterator<Item = (TemplateKey, Template)> {
        self.0.iter().filter_map(|entry| {
            let (Abi(key), Abi(template)) = entry.ok()?;
            Some((key, template))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_says_what_it_is() {
        for length in 0..64 {
            let bytes: Vec<u8> = (0..length).collect();
            let is_known = matches!(length, 16 | 20 | 40);
            assert_eq!(change(&bytes).is_some(), is_known, "{length}");
        }
        let mut bytes = vec![10, 0, 0, 1, 10, 0, 0, 2, 0x12, 0x34, 0, 80];
        bytes.extend(6u32.to_ne_bytes());
        let Some(Change::Connection(flow)) = change(&bytes) else { panic!("no connection") };
        assert_eq!(flow.service().unwrap().to_string(), "tcp 10.0.0.2:80");
    }
}

//! What stays when lvsd ends: the maps and the links, as files under the BPF file system.
//!
//! A map is pinned under its name, the link that holds the program on an interface under
//! `link_INDEX_MODE`, the program itself under `program`. Who holds the lock of the directory may change what is in it.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use aya::maps::{Array, Map, MapData};
use lvs_common::{
    abi::{self, Settings},
    names,
};
use nix::fcntl::{Flock, FlockArg};
use tracing::{debug, info, warn};

use super::{Abi, links::AttachedAs, sizes::Sizes};

/// The name of the program's file.
const PROGRAM: &str = "program";
/// What the names of the links' files begin with.
const LINK: &str = "link_";

/// What was pinned before.
pub(super) enum Found {
    /// Nothing, or nothing whole.
    Nothing,
    /// Maps that can be taken over.
    Ours(Sizes),
    /// Maps of a program with another layout.
    OtherLayout,
}

/// The files of one lvsd. They go with this value, unless they are to be kept.
#[derive(Debug)]
pub(super) struct Pins {
    directory: PathBuf,
    keep: bool,
    /// Held for as long as this lvsd lives; the kernel lets go of it if it is killed.
    _lock: Flock<File>,
}

/// A link that is pinned.
#[derive(Clone, Debug)]
pub(super) struct PinnedAt {
    /// Index of its interface.
    pub(super) interface: u32,
    pub(super) attached_as: AttachedAs,
    pub(super) path: PathBuf,
}

impl Pins {
    /// Makes the directory, unless it is there, and locks it.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let lock = Flock::lock(File::open(directory)?, FlockArg::LockExclusiveNonblock)
            .map_err(|(_, errno)| io::Error::from(errno))?;
        let mut pins = Self { directory: directory.to_owned(), keep: true, _lock: lock };
        // Whatever becomes of this lvsd, what forwards goes on.
        pins.keep = pins.links().next().is_some();
        Ok(pins)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name.to_lowercase())
    }

    pub(super) fn link_path(&self, interface: u32, attached_as: AttachedAs) -> PathBuf {
        self.path(&format!("{LINK}{interface}_{}", attached_as.name()))
    }

    pub(super) fn program_path(&self) -> PathBuf {
        self.path(PROGRAM)
    }

    /// The file of the program, where there is none any more.
    pub(super) fn new_program(&self) -> io::Result<PathBuf> {
        let path = self.program_path();
        remove(&path)?;
        Ok(path)
    }

    /// What is there.
    pub(super) fn look(&self) -> Found {
        let missing = names::MAPS.iter().filter(|name| !self.path(name).exists()).count();
        if missing == names::MAPS.len() {
            return Found::Nothing;
        }
        match (self.layout(), Sizes::pinned(self)) {
            (Some(abi::LAYOUT), Ok(sizes)) if missing == 0 => Found::Ours(sizes),
            _ => Found::OtherLayout,
        }
    }

    /// The layout of the pinned maps, if it can be read.
    pub(super) fn layout(&self) -> Option<u32> {
        let map = MapData::from_pin(self.path(names::SETTINGS)).ok()?;
        let settings: Array<MapData, Abi<Settings>> = Map::Array(map).try_into().ok()?;
        Some(settings.get(&0, 0).ok()?.0.layout)
    }

    /// The links that are pinned.
    pub(super) fn links(&self) -> impl Iterator<Item = PinnedAt> + use<> {
        let files = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        files.filter_map(|file| {
            let name = file.file_name().into_string().ok()?;
            let (index, mode) = name.strip_prefix(LINK)?.split_once('_')?;
            let modes = [AttachedAs::Native, AttachedAs::Generic];
            Some(PinnedAt {
                interface: index.parse().ok()?,
                attached_as: modes.into_iter().find(|it| it.name() == mode)?,
                path: file.path(),
            })
        })
    }

    /// Forgets the maps, which stay as long as a program uses them; those of another layout, too.
    pub(super) fn remove_maps(&mut self) -> io::Result<()> {
        names::MAPS.iter().try_for_each(|name| remove(&self.path(name)))?;
        self.remove_others(|name| name != PROGRAM && !name.starts_with(LINK))
    }

    /// Forgets what an earlier build may have pinned under names of its own. The root of a BPF file system
    /// is everybody's: there, only what is known to be ours goes.
    fn remove_others(&self, is_meant: impl Fn(&str) -> bool) -> io::Result<()> {
        let device = |path: &Path| fs::metadata(path).map(|it| it.dev());
        let is_root = match self.directory.parent() {
            Some(parent) => device(parent)? != device(&self.directory)?,
            None => true,
        };
        if is_root {
            return Ok(());
        }
        for file in fs::read_dir(&self.directory)? {
            let file = file?;
            let is_meant = file.file_name().to_str().is_none_or(&is_meant);
            if is_meant && !file.file_type()?.is_dir() {
                remove(&file.path())?;
            }
        }
        Ok(())
    }

    /// From now on everything stays when this is gone.
    pub(super) fn keep(&mut self) {
        self.keep = true;
    }

    fn remove_all(&mut self) -> io::Result<()> {
        // First who uses the maps: no packet shall meet a director without its tables.
        for link in self.links() {
            info!(interface = link.interface, "detaches the XDP program");
            remove(&link.path)?;
        }
        remove(&self.program_path())?;
        self.remove_maps()?;
        self.remove_others(|_| true)?;
        // It stays if somebody else has something in it.
        if let Err(error) = fs::remove_dir(&self.directory) {
            debug!(directory = %self.directory.display(), %error, "the directory of the pins stays");
        }
        Ok(())
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        if !self.keep
            && let Err(error) = self.remove_all()
        {
            warn!(directory = %self.directory.display(), %error, "can't remove the pins");
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Why nothing could be taken down.
#[derive(Debug, thiserror::Error)]
pub enum DetachError {
    /// An lvsd runs.
    #[error("an lvsd is at work with the maps in {}; stop it first", .0.display())]
    InUse(PathBuf),
    /// The files can't be removed.
    #[error("can't remove the pins in {}: {error}", directory.display())]
    Remove {
        /// Where.
        directory: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Takes the program off all interfaces and forgets its maps; says whether there was anything.
///
/// # Errors
/// When an lvsd is at work there, or the rights are missing.
pub fn detach_all(directory: &Path) -> Result<bool, DetachError> {
    if !directory.exists() {
        return Ok(false);
    }
    let failed = |error: io::Error| {
        let directory = directory.to_owned();
        if error.kind() == io::ErrorKind::WouldBlock {
            DetachError::InUse(directory)
        } else {
            DetachError::Remove { directory, error }
        }
    };
    let mut pins = Pins::open(directory).map_err(failed)?;
    pins.remove_all().map_err(failed)?;
    Ok(true)
}

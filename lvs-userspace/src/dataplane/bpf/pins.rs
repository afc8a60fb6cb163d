//! Where the maps can be found while lvsd runs.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use lvs_common::names;
use nix::fcntl::{Flock, FlockArg};
use tracing::{debug, info};

/// The files under the BPF file system: made with the maps, gone with this value.
#[derive(Debug)]
pub(super) struct Pins {
    directory: PathBuf,
    /// Held for as long as this lvsd lives; the kernel lets go of it if it is killed.
    _lock: Flock<File>,
}

impl Pins {
    /// Makes the directory, and clears away the pins that a killed lvsd left there.
    pub(super) fn make(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let lock = Flock::lock(File::open(directory)?, FlockArg::LockExclusiveNonblock)
            .map_err(|(_, errno)| io::Error::from(errno))?;
        let pins = Self { directory: directory.to_owned(), _lock: lock };
        for name in names::MAPS {
            match fs::remove_file(pins.path(name)) {
                Ok(()) => info!(name, "removed a pin that an earlier lvsd left behind"),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(pins)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name.to_lowercase())
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        for name in names::MAPS {
            let path = self.path(name);
            if let Err(error) = fs::remove_file(&path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(path = %path.display(), %error, "can't remove a pin");
            }
        }
        // It stays if somebody else has something in it.
        if let Err(error) = fs::remove_dir(&self.directory) {
            debug!(directory = %self.directory.display(), %error, "the directory of the pins stays");
        }
    }
}

//! Keeps two runs of the lab from mixing: they share names and addresses.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};

use super::process::wait_for;

/// Held as long as the lab is in use; the kernel lets go of it when its process dies.
#[derive(Debug)]
pub(super) struct Lock {
    _file: Flock<File>,
}

impl Lock {
    /// Takes the lock, waiting for at most `wait`.
    pub(super) fn take(path: &Path, wait: Duration) -> Result<Self> {
        let cannot = || format!("cannot lock {}", path.display());
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = Some(file.with_context(cannot)?);

        let locked = wait_for("the lab's lock", wait, || {
            match Flock::lock(file.take()?, FlockArg::LockExclusiveNonblock) {
                Ok(locked) => Some(Ok(locked)),
                Err((unlocked, Errno::EWOULDBLOCK)) => {
                    file = Some(unlocked);
                    None
                }
                Err((_, error)) => Some(Err(error)),
            }
        });
        let Ok(locked) = locked else {
            let holder = fs::read_to_string(path).unwrap_or_default();
            bail!("the lab is in use by process {}: end that first", holder.trim());
        };
        let mut file = locked.with_context(cannot)?;

        file.set_len(0).with_context(cannot)?;
        writeln!(file, "{}", std::process::id()).with_context(cannot)?;
        Ok(Self { _file: file })
    }
}

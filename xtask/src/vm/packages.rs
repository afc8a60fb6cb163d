//! Debian's packages, unpacked and not installed: what this machine has installed stays as it is.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{privilege, sh};

/// Has it done once more with new lists of packages if it fails: they may name what is not to be had any more.
pub(super) fn with_new_lists(download: impl Fn() -> Result<()>) -> Result<()> {
    if download().is_err() {
        sh::run_aside(privilege::command("apt-get", &[]).args(["-q", "update"]))?;
        download()?;
    }
    Ok(())
}

/// Downloads packages and unpacks them into a directory, in the place of what it had. `finish` has the last word; by
/// renaming, it is there whole or not at all.
pub(super) fn unpack(
    packages: &[&str],
    directory: &Path,
    finish: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let mut new = directory.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    remove(&new)?;
    fs::create_dir_all(&new).with_context(|| format!("cannot create {}", new.display()))?;
    let mut download = Command::new("apt-get");
    sh::run_aside(download.args(["-q", "download"]).args(packages).current_dir(&new))?;
    for file in fs::read_dir(&new)? {
        let file = file?.path();
        if file.extension().is_some_and(|it| it == "deb") {
            sh::run_aside(Command::new("dpkg").arg("-x").arg(&file).arg(&new))?;
            fs::remove_file(&file)?;
        }
    }
    finish(&new)?;
    remove(directory)?;
    fs::rename(&new, directory)?;
    Ok(())
}

fn remove(directory: &Path) -> Result<()> {
    if directory.exists() {
        let fail = || format!("cannot remove {}", directory.display());
        fs::remove_dir_all(directory).with_context(fail)?;
    }
    Ok(())
}

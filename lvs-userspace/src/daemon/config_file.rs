//! The configuration file beside what is running: whether they differ, and how one is made the other.

use std::{
    fs::{self, File, Metadata},
    io::{self, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use nix::unistd::{Gid, Uid, fchown};

use super::Options;
use crate::{
    config::{Config, ConfigErrors, Difference, difference},
    control::api,
};

/// What is known of the file, so that a large one is not read for each request.
#[derive(Debug, Default)]
pub(super) struct ConfigFile {
    /// What the file was when it was compared with what is running, and whether they differed.
    compared: Option<(Version, bool)>,
}

/// What is another if the file is another.
type Version = (u64, u64, i64, i64);

impl ConfigFile {
    /// What is running is something else from now on.
    pub(super) fn running_has_changed(&mut self) {
        self.compared = None;
    }

    /// Whether the file says something else than what is running.
    pub(super) fn state(&mut self, options: &Options, running: &Config) -> api::File {
        let path = options.config.display().to_string();
        let version = fs::metadata(&options.config).ok().map(|it| version(&it));
        if let Some((compared, differs)) = self.compared
            && version == Some(compared)
        {
            return api::File { path, differs: Some(differs) };
        }
        self.compared = None;
        let differs = self
            .difference(options, running)
            .ok()
            .map(|unsaved| !unsaved.changes.is_empty() || !unsaved.needs_restart.is_empty());
        self.compared = version.zip(differs);
        api::File { path, differs }
    }

    /// What is running and not in the file.
    pub(super) fn difference(
        &self,
        options: &Options,
        running: &Config,
    ) -> Result<api::Unsaved, ConfigErrors> {
        let file = options.config.display().to_string();
        let Difference { changes, needs_restart } = difference(&options.load()?, running);
        Ok(api::Unsaved { file, changes, needs_restart })
    }
}

fn version(file: &Metadata) -> Version {
    (file.ino(), file.size(), file.mtime(), file.mtime_nsec())
}

/// Writes what is running to the file: it is there whole or not at all, with the rights that it had, and
/// what stood there is kept in another.
pub(super) fn save(file: &Path, running: &Config) -> Result<api::Saved, SaveError> {
    // What a link leads to is what is meant.
    let target = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| SaveError { path, error }
    };
    let new = beside(&target, "new");
    let text = running.to_toml();
    let before = fs::metadata(&target).ok();
    File::create(&new)
        .and_then(|mut to| {
            if let Some(before) = &before {
                to.set_permissions(before.permissions())?;
                let (uid, gid) = (Uid::from_raw(before.uid()), Gid::from_raw(before.gid()));
                fchown(&to, Some(uid), Some(gid))?;
            }
            to.write_all(text.as_bytes())?;
            to.sync_all()
        })
        .map_err(failed(&new))?;
    let kept = before.is_some().then(|| beside(&target, "old"));
    if let Some(old) = &kept {
        // A copy, so that there is a file at every moment.
        fs::copy(&target, old).map_err(failed(old))?;
    }
    fs::rename(&new, &target).map_err(failed(&target))?;
    Ok(api::Saved {
        file: file.display().to_string(),
        before: kept.map(|it| it.display().to_string()),
    })
}

/// A file with the same name and something behind it.
fn beside(file: &Path, what: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(what);
    name.into()
}

/// Why the file can't be written.
#[derive(Debug, thiserror::Error)]
#[error("can't write {}: {error}", path.display())]
pub(super) struct SaveError {
    path: PathBuf,
    error: io::Error,
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_what_it_was_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("lvs.toml");
        let link = directory.path().join("link.toml");
        symlink(&file, &link).unwrap();
        let text = "# mine\ndirector = { name = \"midas\", interfaces = [\"eth0\"] }\n";
        let running = Config::parse(text, "").unwrap();

        let saved = save(&file, &running).unwrap();
        assert_eq!(saved.before, None);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let saved = save(&link, &running).unwrap();
        assert_eq!(Config::load(&file), Ok(running.clone()));
        assert_eq!(fs::read_to_string(saved.before.unwrap()).unwrap(), text);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());

        let nowhere = directory.path().join("none/lvs.toml");
        let error = save(&nowhere, &running).unwrap_err().to_string();
        assert!(error.ends_with("none/lvs.toml.new: No such file or directory (os error 2)"));
    }
}

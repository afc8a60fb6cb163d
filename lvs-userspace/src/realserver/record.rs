//! The state file: what has been changed, written before it is. It outlives a killed program.
//!
//! Beside it are a lock, held as long as `lvs-realserver run` runs, and the operator's word
//! ([`operator`](super::operator)).

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    net::{IpAddr, SocketAddr},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail};
use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};
use serde::{Deserialize, Serialize};

use super::plan::{Changed, SETTINGS};

/// What the state file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub(super) place: Place,
    pub(super) vips: Vec<IpAddr>,
    /// Where reports are served.
    pub(super) listen: Option<SocketAddr>,
    pub(super) changed: Changed,
}

/// Where the changes hold: they are gone after a restart of the machine, and no other network
/// namespace has them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    boot: String,
    namespace: String,
}

impl Place {
    pub(super) fn here() -> anyhow::Result<Self> {
        let boot = "/proc/sys/kernel/random/boot_id";
        let namespace = "/proc/self/ns/net";
        Ok(Self {
            boot: fs::read_to_string(boot).with_context(|| boot)?.trim().to_owned(),
            namespace: fs::read_link(namespace).with_context(|| namespace)?.display().to_string(),
        })
    }

    /// Whether the machine has started again since.
    pub(super) fn is_over(&self, now: &Self) -> bool {
        self.boot != now.boot
    }
}

/// The files that belong together.
#[derive(Clone, Debug)]
pub(super) struct Files {
    state: PathBuf,
}

/// Held by who runs.
#[derive(Debug)]
pub(super) struct Lock {
    _file: Flock<File>,
}

impl Files {
    pub(super) fn new(state: &Path) -> Self {
        Self { state: state.to_owned() }
    }

    /// The state file.
    pub(super) fn state(&self) -> &Path {
        &self.state
    }

    /// Where the operator's word is.
    pub(super) fn operator(&self) -> PathBuf {
        self.state.with_extension("operator")
    }

    /// Whether a process has the lock file open: what a file says of a process may be long out of
    /// date, and its number another's.
    pub(super) fn is_open_in(&self, pid: i32) -> bool {
        let Ok(lock) = fs::metadata(self.lock_file()) else { return false };
        let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
        let is_it = |file: fs::Metadata| (file.dev(), file.ino()) == (lock.dev(), lock.ino());
        open.flatten().any(|entry| fs::metadata(entry.path()).is_ok_and(is_it))
    }

    fn lock_file(&self) -> PathBuf {
        self.state.with_extension("lock")
    }

    /// Makes the directory that they are in.
    pub(super) fn make_directory(&self) -> anyhow::Result<()> {
        let Some(directory) = self.state.parent().filter(|it| !it.as_os_str().is_empty()) else {
            return Ok(());
        };
        fs::create_dir_all(directory)
            .with_context(|| format!("can't make the directory {}", directory.display()))
    }

    /// The record; `None` if there is none.
    pub(super) fn read(&self) -> anyhow::Result<Option<Record>> {
        let file = self.state.display();
        let text = match fs::read_to_string(&self.state) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("can't read {file}")),
        };
        let broken = || {
            format!(
                "{file} can't be understood, so what was changed is not known; see to the \
                 addresses of lo and to net.ipv4.conf.all.arp_* yourself, then remove it"
            )
        };
        let record: Record = serde_json::from_str(&text).with_context(broken)?;
        // A path that is written to comes from nowhere else but this program.
        let is_known = |name: &String| SETTINGS.iter().any(|(known, _)| known == name);
        if let Some(name) = record.changed.settings.keys().find(|name| !is_known(name)) {
            bail!("{file} has a setting {name} that is never changed; remove it from there");
        }
        Ok(Some(record))
    }

    /// Writes the record, whole or not at all.
    pub(super) fn write(&self, record: &Record) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(record)? + "\n";
        replace(&self.state, &text)
    }

    /// Removes the record, if there is one.
    pub(super) fn remove(&self) -> anyhow::Result<()> {
        remove(&self.state)
    }

    /// Takes the lock, waiting for at most `wait`; else says who has it.
    pub(super) async fn lock(&self, wait: Duration) -> anyhow::Result<Result<Lock, Option<i32>>> {
        let path = self.lock_file();
        let cannot = || format!("can't lock {}", path.display());
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(cannot)?;
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(mut locked) => {
                    locked.set_len(0).with_context(cannot)?;
                    writeln!(locked, "{}", std::process::id()).with_context(cannot)?;
                    return Ok(Ok(Lock { _file: locked }));
                }
                Err((file, Errno::EWOULDBLOCK)) => file,
                Err((_, error)) => return Err(error).with_context(cannot),
            };
            if tokio::time::Instant::now() >= deadline {
                return Ok(Err(pid(&mut file)));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Whether somebody has the lock, and who.
    pub(super) fn holder(&self) -> Option<Option<i32>> {
        let file = File::open(self.lock_file()).ok()?;
        match Flock::lock(file, FlockArg::LockSharedNonblock) {
            Ok(_) => None,
            Err((mut file, _)) => Some(pid(&mut file)),
        }
    }
}

/// The process that a lock file names.
fn pid(file: &mut File) -> Option<i32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    // 0 and less are groups of processes to kill().
    text.trim().parse().ok().filter(|pid| *pid > 0)
}

/// Replaces a file's text, whole or not at all.
pub(super) fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    fs::write(&new, text)
        .and_then(|()| fs::rename(&new, path))
        .with_context(|| format!("can't write {}", path.display()))
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("can't remove {}", path.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::realserver::plan::Values;

    fn record(setting: &str) -> Record {
        Record {
            place: Place { boot: "b".into(), namespace: "n".into() },
            vips: vec![[192, 0, 2, 10].into()],
            listen: None,
            changed: Changed {
                addresses: [[192, 0, 2, 10].into()].into(),
                settings: [(setting.to_owned(), Values { was: 0, set: 1 })].into(),
            },
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let files = Files::new(&directory.path().join("deep/realserver.json"));
        assert_eq!(files.read().unwrap(), None);
        files.make_directory().unwrap();
        let record = record(SETTINGS[0].0);
        files.write(&record).unwrap();
        assert_eq!(files.read().unwrap(), Some(record));
        files.remove().unwrap();
        files.remove().unwrap();
        assert_eq!(files.read().unwrap(), None);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let files = Files::new(&directory.path().join("realserver.json"));
        for text in ["", "{}", "nonsense"] {
            fs::write(files.state(), text).unwrap();
            files.read().expect_err(text);
        }
        files.write(&record("kernel/core_pattern")).unwrap();
        files.read().expect_err("another setting");
    }

    #[tokio::test]
    async fn one_has_the_lock() {
        let directory = tempfile::tempdir().unwrap();
        let files = Files::new(&directory.path().join("realserver.json"));
        assert_eq!(files.holder(), None);
        let lock = files.lock(Duration::ZERO).await.unwrap().unwrap();
        let own = Some(std::process::id().cast_signed());
        assert_eq!(files.lock(Duration::ZERO).await.unwrap().unwrap_err(), own);
        assert_eq!(files.holder(), Some(own));
        assert!(own.is_some_and(|pid| files.is_open_in(pid)));
        assert!(!files.is_open_in(1));
        drop(lock);
        assert!(!own.is_some_and(|pid| files.is_open_in(pid)));
        assert_eq!(files.holder(), None);
        files.lock(Duration::ZERO).await.unwrap().unwrap();
    }
}

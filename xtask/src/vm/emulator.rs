//! QEMU, and the file server that it needs: those that the machine has, or else Debian's, unpacked under `target/vm`.
//! They are not installed, because other packages of QEMU's may be there that have to stay as they are.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::{packages, place};
use crate::sh;

/// Where the program is that emulates a machine, if it is not on `PATH`.
const QEMU: &str = "usr/bin/qemu-system-x86_64";
/// Where distributions put virtiofsd, which is never on `PATH`.
const FILE_SERVERS: [&str; 3] =
    ["usr/lib/qemu/virtiofsd", "usr/libexec/virtiofsd", "usr/lib/virtiofsd"];
/// Where Debian puts libraries.
const LIBRARIES: [&str; 2] = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"];

/// The package that has QEMU, and up to Debian 12 virtiofsd.
const PACKAGE: &str = "qemu-system-x86";
/// The package that has virtiofsd, where there is one.
const FILE_SERVER_PACKAGE: &str = "virtiofsd";

/// Where both programs are.
pub(crate) struct Emulator {
    qemu: PathBuf,
    file_server: PathBuf,
}

impl Emulator {
    /// For each the machine's own, or the one that was unpacked.
    pub(crate) fn find() -> Option<Self> {
        let unpacked = root();
        let first = |root: &Path, names: &[&str]| {
            names.iter().map(|name| root.join(name)).find(|path| path.is_file())
        };
        let find = |names| first(Path::new("/"), names).or_else(|| first(&unpacked, names));
        Some(Self {
            qemu: sh::find("qemu-system-x86_64").or_else(|| find(&[QEMU]))?,
            file_server: find(&FILE_SERVERS)?,
        })
    }

    /// Downloads and unpacks them, with all that they depend on and the machine has not installed.
    pub(crate) fn fetch() -> Result<()> {
        packages::with_new_lists(|| {
            let mut wanted = vec![PACKAGE];
            if sh::succeeds(Command::new("apt-cache").args(["show", FILE_SERVER_PACKAGE])) {
                wanted.push(FILE_SERVER_PACKAGE);
            }
            let mut simulate = Command::new("apt-get");
            simulate.args(["install", "--simulate", "--no-install-recommends"]).args(wanted);
            let plan = sh::output(simulate.env("LC_ALL", "C"))?;
            packages::unpack(&installed_by(&plan), &root(), |_| Ok(()))
        })?;
        let both = Self::find().map(|_| ());
        both.with_context(|| format!("there is no virtiofsd in {PACKAGE}: install one by hand"))
    }

    pub(super) fn qemu(&self) -> Result<Command> {
        command(&self.qemu)
    }

    pub(super) fn file_server(&self) -> Result<Command> {
        command(&self.file_server)
    }
}

/// A program that is killed when this process is, with the libraries that were unpacked with it.
fn command(program: &Path) -> Result<Command> {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    let root = root();
    if program.starts_with(&root) {
        let libraries = LIBRARIES.map(|path| root.join(path));
        command.env("LD_LIBRARY_PATH", env::join_paths(libraries)?);
    }
    Ok(command)
}

fn root() -> PathBuf {
    place().join("qemu")
}

/// The packages that apt-get would install.
fn installed_by(plan: &str) -> Vec<&str> {
    plan.lines().filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_installed_is_read_from_the_plan() {
        let plan = "\
Reading package lists...
The following packages will be REMOVED:
  qemu-utils
Remv qemu-utils [1:10.0.2+ds-2]
Inst libfdt1 (1.6.1-4+b1 Debian:12.11/oldstable [amd64])
Inst qemu-system-x86 (1:7.2+dfsg-7 Debian:12.11/oldstable [amd64])
Conf libfdt1 (1.6.1-4+b1 Debian:12.11/oldstable [amd64])
";
        assert_eq!(installed_by(plan), ["libfdt1", "qemu-system-x86"]);
    }
}

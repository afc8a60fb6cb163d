//! QEMU, and the file server that it needs: those that the machine has, or else Debian's, unpacked under `target/vm`.
//! They are not installed, because other packages of QEMU's may be there that have to stay as they are.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use super::{packages, place};
use crate::sh;

/// The program that emulates a machine.
const QEMU: &str = "qemu-system-x86_64";
/// The package that has it.
const PACKAGE: &str = "qemu-system-x86";
/// Where distributions put virtiofsd, which is not on `PATH`.
const FILE_SERVERS: [&str; 3] =
    ["usr/lib/qemu/virtiofsd", "usr/libexec/virtiofsd", "usr/lib/virtiofsd"];
/// Where Debian puts libraries.
const LIBRARIES: [&str; 2] = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"];

/// Both programs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Emulator {
    qemu: PathBuf,
    file_server: PathBuf,
    /// Where libraries of theirs are that the machine does not have.
    libraries: Option<OsString>,
}

impl Emulator {
    /// The machine's own, or the one that was unpacked.
    pub(crate) fn find() -> Option<Self> {
        let file_server = |root: &Path| {
            FILE_SERVERS.iter().map(|path| root.join(path)).find(|path| path.is_file())
        };
        if let (Some(qemu), Some(file_server)) = (sh::find(QEMU), file_server(Path::new("/"))) {
            return Some(Self { qemu, file_server, libraries: None });
        }
        let root = root();
        let libraries = env::join_paths(LIBRARIES.map(|path| root.join(path))).ok()?;
        let qemu = root.join("usr/bin").join(QEMU);
        let qemu = qemu.is_file().then_some(qemu)?;
        Some(Self { qemu, file_server: file_server(&root)?, libraries: Some(libraries) })
    }

    /// Downloads and unpacks it, with all that it depends on and the machine has not installed.
    pub(crate) fn fetch() -> Result<()> {
        packages::with_new_lists(|| {
            let mut simulate = Command::new("apt-get");
            simulate.args(["install", "--simulate", "--no-install-recommends", PACKAGE]);
            let plan = sh::output(simulate.env("LC_ALL", "C"))?;
            packages::unpack(&installed_by(&plan), &root(), |_| Ok(()))
        })?;
        ensure!(Self::find().is_some(), "Debian's {PACKAGE} has not all that is needed");
        Ok(())
    }

    pub(super) fn qemu(&self) -> Result<Command> {
        self.command(&self.qemu)
    }

    pub(super) fn file_server(&self) -> Result<Command> {
        self.command(&self.file_server)
    }

    /// One of them, killed when this process is.
    fn command(&self, program: &Path) -> Result<Command> {
        let setpriv = sh::find("setpriv").context("there is no setpriv")?;
        let mut command = Command::new(setpriv);
        command.args(["--pdeathsig", "KILL", "--"]).arg(program);
        if let Some(libraries) = &self.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        Ok(command)
    }
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

//! The kernels, from Debian's packages: unpacked under `target/vm`, not installed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::{packages, place};
use crate::sh;

/// A program for the time before the root file system is there; it needs no libraries.
const BUSYBOX: &str = "busybox-static";

/// A line of kernels that Debian has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Kernel {
    /// That of Debian 12
    #[value(name = "6.1")]
    V6_1,
    /// That of Debian 13
    #[default]
    #[value(name = "6.12")]
    V6_12,
}

impl Kernel {
    /// All of them.
    pub(crate) const ALL: [Self; 2] = [Self::V6_1, Self::V6_12];

    /// How it is called on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::V6_1 => "6.1",
            Self::V6_12 => "6.12",
        }
    }

    /// Whether it is there, with all that its packages have.
    pub(crate) fn is_there(self) -> bool {
        self.root().is_dir()
    }

    /// The image to boot.
    pub(super) fn image(self) -> Result<PathBuf> {
        Ok(self.root().join("boot").join(format!("vmlinuz-{}", self.version()?)))
    }

    /// What stands for `/lib/modules`.
    pub(super) fn modules(self) -> PathBuf {
        modules(&self.root())
    }

    /// The whole version, as `uname -r` tells it.
    pub(super) fn version(self) -> Result<String> {
        version(&self.root())
    }

    pub(super) fn busybox(self) -> PathBuf {
        self.root().join("bin/busybox")
    }

    /// Where the packages are unpacked.
    fn root(self) -> PathBuf {
        place().join(self.name())
    }

    /// Downloads and unpacks it.
    pub(crate) fn fetch(self) -> Result<()> {
        packages::with_new_lists(|| self.download())
    }

    fn download(self) -> Result<()> {
        let list = sh::output(Command::new("apt-cache").args(["pkgnames", "linux-image-6."]))?;
        let package = self.newest(&list).with_context(|| {
            format!("apt-cache knows no linux-image-{}*-cloud-amd64-unsigned", self.name())
        })?;
        packages::unpack(&[package, BUSYBOX], &self.root(), |new| {
            let mut depmod = Command::new(sh::find("depmod").context("there is no depmod")?);
            sh::run_aside(depmod.arg("--basedir").arg(new).arg(version(new)?))
        })
    }

    /// The newest of a list of packages: a point release of this line, for virtual machines.
    fn newest(self, list: &str) -> Option<&str> {
        list.lines()
            .filter_map(|package| Some((self.release(package)?, package)))
            .max()
            .map(|it| it.1)
    }

    /// The numbers of a release of this line.
    fn release(self, package: &str) -> Option<Vec<u32>> {
        let release =
            package.strip_prefix("linux-image-")?.strip_suffix("-cloud-amd64-unsigned")?;
        let rest = release.strip_prefix(self.name())?.strip_prefix('.')?;
        let (numbers, debian) = rest.split_once("+deb").unwrap_or((rest, "0"));
        let numbers = numbers.split(['.', '-']).chain([debian]);
        numbers.map(|number| number.parse().ok()).collect()
    }
}

fn modules(root: &Path) -> PathBuf {
    root.join("lib/modules")
}

fn version(root: &Path) -> Result<String> {
    let modules = modules(root);
    let unreadable = || format!("cannot read {}", modules.display());
    let mut names = fs::read_dir(&modules).with_context(unreadable)?;
    let (Some(version), None) = (names.next(), names.next()) else {
        bail!("{} has not one version: remove {}", modules.display(), root.display());
    };
    Ok(version?.file_name().to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_release_of_a_line_is_found() {
        let list = "\
linux-image-6.1.0-9-cloud-amd64-unsigned
linux-image-6.1.0-56-cloud-amd64-unsigned
linux-image-6.1.0-57-amd64-unsigned
linux-image-6.1.0-57-cloud-amd64-dbg
linux-image-6.1.0-57-cloud-amd64
linux-image-6.12.9+deb12-cloud-amd64-unsigned
linux-image-6.12.117+deb12-cloud-amd64-unsigned
linux-image-6.12.118+bpo-cloud-amd64-unsigned
linux-image-6.12-cloud-amd64-unsigned
linux-image-6.17.13+deb13-cloud-amd64-unsigned
";
        let cases = [
            (Kernel::V6_1, Some("linux-image-6.1.0-56-cloud-amd64-unsigned")),
            (Kernel::V6_12, Some("linux-image-6.12.117+deb12-cloud-amd64-unsigned")),
        ];
        for (kernel, expected) in cases {
            assert_eq!(kernel.newest(list), expected, "{kernel:?}");
            assert_eq!(kernel.newest(""), None);
        }
    }

    #[test]
    fn each_kernel_is_called_by_its_name() {
        for kernel in Kernel::ALL {
            let value = clap::ValueEnum::to_possible_value(&kernel).expect("it is not hidden");
            assert_eq!(value.get_name(), kernel.name());
        }
    }
}

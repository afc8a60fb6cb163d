//! What must be so before anything is loaded, so that what is wrong is said in a sentence.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use nix::sys::{
    statfs::{FsType, statfs},
    utsname::uname,
};

/// The oldest kernel that the program is written for: 5.15, a long-term release. Atomic operations
/// that fetch came with 5.12.
const OLDEST_KERNEL: (u32, u32) = (5, 15);

/// `BPF_FS_MAGIC` of include/uapi/linux/magic.h.
const BPF_FS_MAGIC: FsType = FsType(0xcafe_4a11);

// Numbers of include/uapi/linux/capability.h.
const CAP_NET_ADMIN: u32 = 12;
const CAP_SYS_ADMIN: u32 = 21;
const CAP_BPF: u32 = 39;

/// What is missing.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    /// The kernel is older than the oldest that the program is written for.
    #[error("Linux {found} is too old: lvsd needs {}.{} or newer", OLDEST_KERNEL.0, OLDEST_KERNEL.1)]
    Kernel {
        /// Its release.
        found: String,
    },
    /// Loading a program is not allowed.
    #[error("no rights to load an XDP program: run as root, or with CAP_BPF and CAP_NET_ADMIN")]
    Rights,
    /// The program was not built.
    #[error("lvsd was built without its XDP program: build it with `cargo xtask build`")]
    NoProgram,
    /// There is no BPF file system for the pins.
    #[error("{} is not on a BPF file system: mount one with `mount -t bpf bpf /sys/fs/bpf`, or choose another with --bpffs", .0.display())]
    NotBpffs(PathBuf),
    /// Something could not be read.
    #[error("can't read {}: {error}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Looks at the kernel, the rights of this process, the program and the place of the pins.
///
/// # Errors
/// The first thing that is missing.
pub fn preflight(bpffs: &Path) -> Result<(), PreflightError> {
    let release = uname().map(|name| name.release().to_string_lossy().into_owned());
    check_kernel(&release.unwrap_or_default())?;

    let status = Path::new("/proc/self/status");
    let text = fs::read_to_string(status)
        .map_err(|error| PreflightError::Read { path: status.into(), error })?;
    check_rights(&text)?;

    if super::bpf::OBJECT.is_empty() {
        return Err(PreflightError::NoProgram);
    }
    check_bpffs(bpffs)
}

fn check_kernel(release: &str) -> Result<(), PreflightError> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) if (major, minor) < OLDEST_KERNEL => {
            Err(PreflightError::Kernel { found: release.to_owned() })
        }
        // A release that nobody can read is no reason to refuse: the kernel itself will say.
        _ => Ok(()),
    }
}

fn check_rights(status: &str) -> Result<(), PreflightError> {
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    let has = |capability: u32| effective >> capability & 1 == 1;
    if has(CAP_NET_ADMIN) && (has(CAP_BPF) || has(CAP_SYS_ADMIN)) {
        Ok(())
    } else {
        Err(PreflightError::Rights)
    }
}

/// Whether pins can be made in a directory. It may not be there yet; then the nearest one above it
/// counts.
///
/// # Errors
/// When that is not on a BPF file system.
pub fn check_bpffs(directory: &Path) -> Result<(), PreflightError> {
    let not_bpffs = || PreflightError::NotBpffs(directory.to_owned());
    let nearest = directory.ancestors().find(|path| path.exists()).ok_or_else(not_bpffs)?;
    match statfs(nearest) {
        Ok(found) if found.filesystem_type() == BPF_FS_MAGIC => Ok(()),
        Ok(_) | Err(_) => Err(not_bpffs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels() {
        for old in ["4.19.0-21-amd64", "5.4.0", "5.14.99", "3.10.0-1160.el7.x86_64"] {
            let error = check_kernel(old).unwrap_err().to_string();
            assert_eq!(error, format!("Linux {old} is too old: lvsd needs 5.15 or newer"));
        }
        for new in ["5.15.0", "6.1.0-44-amd64", "6.18.44-fc", "10.0", "a kernel of my own"] {
            assert!(check_kernel(new).is_ok(), "{new}");
        }
    }

    #[test]
    fn rights() {
        for (status, enough) in [
            ("Name:\tlvsd\nCapEff:\t000001ffffffffff\n", true),
            ("CapEff:\t0000008000001000\n", true),
            ("CapEff:\t0000000000201000\n", true),
            ("CapEff:\t0000008000000000\n", false),
            ("CapEff:\t0000000000000000\n", false),
            ("", false),
        ] {
            assert_eq!(check_rights(status).is_ok(), enough, "{status}");
        }
    }

    #[test]
    fn a_directory_elsewhere_is_no_bpffs() {
        let directory = tempfile::tempdir().unwrap();
        let error = check_bpffs(&directory.path().join("lvs")).unwrap_err().to_string();
        assert!(error.ends_with("or choose another with --bpffs"), "{error}");
    }
}

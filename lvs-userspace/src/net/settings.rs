//! The kernel's IPv4 settings of interfaces, as files under /proc/sys.

use std::{fs, io};

/// The file of an interface's setting; the interface `all` has what is set for all of them.
#[must_use]
pub fn setting_of(interface: &str, setting: &str) -> String {
    format!("net/ipv4/conf/{interface}/{setting}")
}

/// Where that file is.
#[must_use]
pub fn path(setting: &str) -> String {
    format!("/proc/sys/{setting}")
}

/// The value in a file; `None` if there is none: the interface has just gone, or has no IPv4.
///
/// # Errors
/// When it can't be read, or has no number in it.
pub fn read(setting: &str) -> io::Result<Option<i32>> {
    match fs::read_to_string(path(setting)) {
        Ok(text) => text.trim().parse().map(Some).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What counts for an interface of most settings: the larger of its own and that for all. `value`
/// gives what is in a file.
pub fn effective(
    interface: &str,
    setting: &str,
    value: impl Fn(&str) -> Option<i32>,
) -> Option<i32> {
    let of = |name| value(&setting_of(name, setting));
    Some(of(interface)?.max(of("all")?))
}

//! Who speaks on the control socket, and what they may do.

use std::fmt;

use nix::unistd::{Gid, Group, Uid, User, geteuid, getgrouplist};
use tokio::net::UnixStream;

/// Who may change things, besides root.
const ADMINISTRATORS: &str = "lvs-admin";

/// A process at the other end of the socket, as the kernel names it (SO_PEERCRED in unix(7)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    uid: u32,
    gid: u32,
    /// `None` if it is in another PID namespace.
    pid: Option<i32>,
}

impl Peer {
    /// Who is at the other end; `None` if the kernel does not say.
    pub(super) fn of(stream: &UnixStream) -> Option<Self> {
        let credentials = stream.peer_cred().ok()?;
        let (uid, gid) = (credentials.uid(), credentials.gid());
        Some(Self { uid, gid, pid: credentials.pid().filter(|&pid| pid > 0) })
    }

    /// Whether they may change anything: root, whom lvsd runs as, and who is in the group `lvs-admin`.
    pub(super) fn may_change(&self) -> bool {
        if self.uid == 0 || self.uid == geteuid().as_raw() {
            return true;
        }
        let Ok(Some(administrators)) = Group::from_name(ADMINISTRATORS) else { return false };
        self.groups().contains(&administrators.gid)
    }

    fn user(&self) -> Option<User> {
        User::from_uid(Uid::from_raw(self.uid)).ok().flatten()
    }

    fn groups(&self) -> Vec<Gid> {
        let gid = Gid::from_raw(self.gid);
        let mut groups = vec![gid];
        let name = self.user().and_then(|user| std::ffi::CString::new(user.name).ok());
        groups.extend(name.and_then(|name| getgrouplist(&name, gid).ok()).unwrap_or_default());
        groups
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut details = Vec::new();
        match self.user() {
            Some(user) => {
                f.write_str(&user.name)?;
                details.push(format!("uid {}", self.uid));
            }
            None => write!(f, "uid {}", self.uid)?,
        }
        details.extend(self.pid.map(|pid| format!("pid {pid}")));
        if details.is_empty() { Ok(()) } else { write!(f, " ({})", details.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_runs_lvsd_may_change_things_and_a_stranger_not() {
        let (_, there) = UnixStream::pair().unwrap();
        let own = Peer::of(&there).unwrap();
        assert_eq!(own.pid, i32::try_from(std::process::id()).ok());
        assert!(own.may_change());
        assert!(own.to_string().contains(&format!("pid {}", std::process::id())));

        // No user of any machine.
        let stranger = Peer { uid: 3_999_999_999, gid: 3_999_999_999, pid: None };
        assert!(!stranger.may_change());
        assert_eq!(stranger.to_string(), "uid 3999999999");
    }
}

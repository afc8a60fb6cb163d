//! The machines of the lab: their names, addresses and networks.

use std::{
    fmt,
    fs::File,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use anyhow::{Context, Result, anyhow};
use nix::sched::{CloneFlags, setns};

/// A machine of the lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// Asks for the virtual service.
    Client,
    /// Forwards to the real servers.
    Director,
    /// Takes over when the director fails.
    Standby,
    /// The first real server.
    Rs1,
    /// The second real server.
    Rs2,
    /// The third real server.
    Rs3,
}

impl Host {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Client, Self::Director, Self::Standby, Self::Rs1, Self::Rs2, Self::Rs3];
    /// Those that answer.
    pub const REAL_SERVERS: [Self; 3] = [Self::Rs1, Self::Rs2, Self::Rs3];

    /// Its name, which is also that of its port at the switch.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Director => "director",
            Self::Standby => "standby",
            Self::Rs1 => "rs1",
            Self::Rs2 => "rs2",
            Self::Rs3 => "rs3",
        }
    }

    /// The last part of its addresses.
    const fn number(self) -> u8 {
        match self {
            Self::Client => 2,
            Self::Director => 3,
            Self::Standby => 4,
            Self::Rs1 => 11,
            Self::Rs2 => 12,
            Self::Rs3 => 13,
        }
    }

    /// Its IPv4 address.
    #[must_use]
    pub const fn address(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, 0, self.number())
    }

    /// Its IPv6 address, which reads alike: `fd77::11` for 10.77.0.11.
    #[must_use]
    pub const fn address_v6(self) -> Ipv6Addr {
        let number = self.number();
        // Decimal digits, read as hexadecimal ones.
        let alike = number / 10 * 16 + number % 10;
        Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, alike as u16)
    }

    /// Its address of the same kind as another.
    #[must_use]
    pub const fn address_like(self, other: IpAddr) -> IpAddr {
        match other {
            IpAddr::V4(_) => IpAddr::V4(self.address()),
            IpAddr::V6(_) => IpAddr::V6(self.address_v6()),
        }
    }

    /// Its MAC: locally administered, then the IPv4 address.
    #[must_use]
    pub const fn mac_octets(self) -> [u8; 6] {
        [2, 0, 10, 77, 0, self.number()]
    }

    /// The same in words.
    #[must_use]
    pub fn mac(self) -> String {
        self.mac_octets().map(|it| format!("{it:02x}")).join(":")
    }

    /// Its network namespace.
    #[must_use]
    pub fn namespace(self) -> String {
        format!("lvs-{}", self.name())
    }

    /// Where its lvsd answers, on a director.
    #[must_use]
    pub fn socket(self) -> PathBuf {
        format!("/run/lvs/{}.sock", self.name()).into()
    }

    /// Where its lvsd pins maps, on a director.
    #[must_use]
    pub fn bpffs(self) -> PathBuf {
        Path::new(super::BPF_FILE_SYSTEM).join(match self {
            Self::Director => "lvs".to_owned(),
            Self::Client | Self::Standby | Self::Rs1 | Self::Rs2 | Self::Rs3 => self.namespace(),
        })
    }

    pub(super) fn command(self, program: &Path) -> Command {
        enter(&self.namespace(), program)
    }

    pub(super) fn within<T: Send>(self, f: impl FnOnce() -> T + Send) -> Result<T> {
        // A thread of its own, because the namespace is the thread's until it ends.
        thread::scope(|scope| {
            let thread = scope.spawn(|| self.enter().map(|()| f()));
            thread.join().unwrap_or_else(|_| Err(anyhow!("panicked in the network of {self}")))
        })
    }

    /// Has the thread that calls this in the host's network from now on.
    pub fn enter(self) -> Result<()> {
        let path = namespace_file(&self.namespace());
        let namespace =
            File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        setns(&namespace, CloneFlags::CLONE_NEWNET)
            .with_context(|| format!("cannot enter {}", path.display()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A command in a namespace. `ip netns exec` would do, but hides /sys/fs/bpf from it.
pub(super) fn enter(namespace: &str, program: &Path) -> Command {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net={}", namespace_file(namespace).display())).arg(program);
    command
}

/// The file that holds a namespace.
pub(super) fn namespace_file(namespace: &str) -> PathBuf {
    Path::new("/run/netns").join(namespace)
}

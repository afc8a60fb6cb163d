//! Whether the real servers do their work: what is asked of them, and what their answers mean.

mod checker;
mod monitor;
pub mod probe;
mod punctuality;
mod task;

use std::{fmt, io, net::IpAddr, time::Duration};

pub use checker::{Checker, Done};
pub use monitor::{Change, Due, Monitors};
pub use punctuality::Punctuality;
pub use task::{Checks, Found};

use crate::model::ServiceId;

/// One real server of one virtual service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// The virtual service.
    pub service: ServiceId,
    /// Address of the real server.
    pub real_server: IpAddr,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.real_server, self.service)
    }
}

/// How a real server is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What is asked of it.
    pub kind: Kind,
    /// Port that is asked; `None` for the service's own.
    pub port: Option<u16>,
    /// Where the question goes.
    pub via: Via,
    /// From the beginning of a check to that of the next, or to its end if that is later.
    pub interval: Duration,
    /// The same while it is unsure whether the real server has failed or is back.
    pub fast_interval: Duration,
    /// So long an answer may take.
    pub timeout: Duration,
    /// So many successes in a row bring it back.
    pub rise: u32,
    /// So many failures in a row take it out.
    pub fall: u32,
    /// When a real server that comes and goes is held out; `None` for never.
    pub quarantine: Option<Quarantine>,
}

impl Check {
    /// One that asks this, and is as usual otherwise.
    #[must_use]
    pub const fn new(kind: Kind) -> Self {
        Self {
            kind,
            port: None,
            via: Via::Rip,
            interval: Duration::from_secs(2),
            fast_interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            rise: 2,
            fall: 3,
            quarantine: None,
        }
    }

    /// Whether it asks the service's own port.
    #[must_use]
    pub const fn asks_service_port(&self) -> bool {
        self.port.is_none() && !matches!(self.kind, Kind::Ping | Kind::Exec(_))
    }
}

/// Where the question of a check goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Via {
    /// To the real server's own address.
    #[default]
    Rip,
    /// To the VIP at the real server's MAC, as the packets of clients do: so one that has not the VIP
    /// fails.
    Vip,
}

/// When a real server that comes and goes is held out, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// After so many failures
    pub failures: u32,
    /// within this time
    pub within: Duration,
    /// for so long.
    pub hold: Duration,
}

/// What is asked of a real server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// To accept a TCP connection.
    Tcp,
    /// To answer a ping.
    Ping,
    /// To answer an HTTP request.
    Http(Http),
    /// To answer a datagram.
    Udp(Udp),
    /// To answer a question for a name.
    Dns(Dns),
    /// To greet as a mail server does; how it is greeted.
    Smtp(String),
    /// Whatever a program of the operator finds out; its exit status 0 is a success.
    Exec(Vec<String>),
}

impl Kind {
    /// Its name in the configuration.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Ping => "ping",
            Self::Http(Http { tls: None, .. }) => "http",
            Self::Http(_) => "https",
            Self::Udp(_) => "udp",
            Self::Dns(_) => "dns",
            Self::Smtp(_) => "smtp",
            Self::Exec(_) => "exec",
        }
    }
}

/// An HTTP request, and the answer that is a success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// Path, and what follows it.
    pub path: String,
    /// The `Host` that is asked for (and, with TLS, the name in the certificate); `None` for the
    /// virtual address.
    pub host: Option<String>,
    /// The status that is a success; `None` for any of 200 to 299.
    pub status: Option<u16>,
    /// What the body must contain.
    pub body: Option<String>,
    /// `None` for plain HTTP.
    pub tls: Option<Tls>,
}

/// HTTP over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Whether the certificate must be good for the host, and signed by whom the system trusts.
    pub verify: bool,
}

/// A datagram, and the answer that is a success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Udp {
    /// What is sent.
    pub send: String,
    /// What the answer must contain; `None`: silence is a success, too, but not the message that
    /// nobody listens there.
    pub expect: Option<String>,
}

/// A question for a name, and the answer that is a success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// The name.
    pub name: String,
    /// What is asked of it.
    pub record: DnsRecord,
    /// The code that is a success; `None` for any.
    pub rcode: Option<u16>,
    /// What a record of the answer must say.
    pub expect: Option<String>,
}

/// A type of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named as in RFC 1035 and its successors")]
pub enum DnsRecord {
    A,
    Aaaa,
    Cname,
    Mx,
    Ns,
    Ptr,
    Soa,
    Srv,
    Txt,
}

/// What a check has found: how long the answer took, or why it was no success.
pub type Outcome = Result<Duration, Failure>;

/// Why a check was no success.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The real server did not do as it should.
    #[error("{0}")]
    Failed(String),
    /// This machine could not ask, for want of something of its own. That says nothing of the real server.
    #[error("{0}")]
    NotAsked(String),
}

impl Failure {
    /// What the kernel has refused: for want of files, memory, ports or processes, or for something else.
    pub(crate) fn io(what: impl fmt::Display, error: &io::Error) -> Self {
        let text = format!("{what}: {error}");
        match error.raw_os_error() {
            Some(
                libc::EMFILE
                | libc::ENFILE
                | libc::ENOBUFS
                | libc::ENOMEM
                | libc::EADDRNOTAVAIL
                | libc::EAGAIN,
            ) => Self::NotAsked(text),
            _ => Self::Failed(text),
        }
    }
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self::Failed(reason)
    }
}

/// What is thought of a real server that is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Nobody knows yet; it gets no connections.
    Checking,
    /// It answers.
    Up,
    /// It does not.
    Down,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Checking => "checking",
            Self::Up => "up",
            Self::Down => "down",
        })
    }
}

//! A client that asks so often a second, however the requests before fare, each over a connection of
//! its own.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, ppoll},
    sys::{
        socket::{self, AddressFamily, SockFlag, SockType, SockaddrStorage},
        time::TimeSpec,
    },
};

use super::{Plan, http};

/// A request, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// When it was begun.
    pub sent: Instant,
    /// When it was answered, or failed.
    pub ended: Instant,
    /// Who answered, or why nobody did.
    pub result: Result<String, String>,
}

impl Request {
    /// How long it took.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.ended.duration_since(self.sent)
    }
}

/// One that is under way.
struct Asking {
    stream: TcpStream,
    sent: Instant,
    has_asked: bool,
    received: Vec<u8>,
}

/// Asks until it is told to stop, and waits for what is under way then.
pub(super) fn run(plan: &Plan, stop: &AtomicBool) -> Result<Vec<Request>> {
    let period = Duration::from_secs(1) / plan.rate.max(1);
    let mut requests = Vec::new();
    let mut under_way: Vec<Asking> = Vec::new();
    let mut next = Instant::now();
    loop {
        let stops = stop.load(Ordering::Relaxed);
        if stops && under_way.is_empty() {
            return Ok(requests);
        }
        while !stops && next <= Instant::now() {
            let sent = Instant::now();
            match connect(plan.target) {
                Ok(stream) => {
                    let received = Vec::new();
                    under_way.push(Asking { stream, sent, has_asked: false, received });
                }
                Err(error) => {
                    let result = Err(error.to_string());
                    requests.push(Request { sent, ended: Instant::now(), result });
                }
            }
            next += period;
        }
        let expires = under_way.iter().map(|it| it.sent + plan.limit).min();
        // It also looks whether it is to stop.
        let usual = if stops { Instant::now() + Duration::from_millis(20) } else { next };
        let until = expires.map_or(usual, |it| it.min(usual));
        let ready = wait(&under_way, until)?;
        let now = Instant::now();
        let mut ready = ready.into_iter();
        under_way.retain_mut(|asking| {
            let is_ready = ready.next().unwrap_or(false);
            let result = match if is_ready { asking.go_on(plan) } else { Ok(None) } {
                Ok(Some(who)) => Ok(who),
                Ok(None) if now < asking.sent + plan.limit => return true,
                Ok(None) if asking.has_asked => {
                    Err(format!("connected, and no answer within {:?}", plan.limit))
                }
                Ok(None) => Err(format!("no connection within {:?}", plan.limit)),
                Err(error) => Err(format!("{error:#}")),
            };
            requests.push(Request { sent: asking.sent, ended: Instant::now(), result });
            false
        });
    }
}

/// Waits until one of them can go on; says which.
fn wait(under_way: &[Asking], until: Instant) -> Result<Vec<bool>> {
    let wants = |it: &Asking| if it.has_asked { PollFlags::POLLIN } else { PollFlags::POLLOUT };
    let mut sources: Vec<_> =
        under_way.iter().map(|it| PollFd::new(it.stream.as_fd(), wants(it))).collect();
    let timeout = TimeSpec::from(until.saturating_duration_since(Instant::now()));
    match ppoll(&mut sources, Some(timeout), None) {
        Ok(_) => Ok(sources.iter().map(|it| it.any().unwrap_or(false)).collect()),
        Err(Errno::EINTR) => Ok(vec![false; sources.len()]),
        Err(error) => Err(error.into()),
    }
}

impl Asking {
    /// Does what can be done without waiting; gives who answered, when that is known.
    fn go_on(&mut self, plan: &Plan) -> Result<Option<String>> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error.into());
        }
        if !self.has_asked {
            self.stream.write_all(&http::question(&plan.path, false))?;
            self.has_asked = true;
            return Ok(None);
        }
        let is_open = read(&mut self.stream, &mut self.received)?;
        if let Some(answer) = http::answer(&self.received)? {
            plan.check(&answer.body)?;
            return Ok(Some(answer.body));
        }
        ensure!(is_open, "closed after {} bytes", self.received.len());
        Ok(None)
    }
}

/// Reads all that has come; says whether more may come.
pub(super) fn read(stream: &mut TcpStream, received: &mut Vec<u8>) -> io::Result<bool> {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(false),
            Ok(length) => received.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(error) => return Err(error),
        }
    }
}

/// Begins to connect.
fn connect(target: SocketAddr) -> io::Result<TcpStream> {
    let family = if target.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket: OwnedFd = socket::socket(family, SockType::Stream, flags, None)?;
    let address = SockaddrStorage::from(target);
    match socket::connect(socket.as_raw_fd(), &address) {
        Ok(()) | Err(Errno::EINPROGRESS) => Ok(socket.into()),
        Err(error) => Err(error.into()),
    }
}

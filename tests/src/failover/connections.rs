//! Connections that stay open, over which questions go to and fro, as those of ssh or of a line protocol.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    os::fd::AsFd as _,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, ppoll},
    sys::time::TimeSpec,
};

use super::{
    Plan,
    http::{self, Answer},
    requests::read,
};

/// A connection that was to stay open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Who answers there.
    pub server: String,
    /// How many answers have come.
    pub answers: usize,
    /// The longest that an answer was waited for.
    pub longest_stall: Duration,
    /// Why it is open no more; `None` if it is.
    pub broken: Option<String>,
}

/// One that is open, or was.
struct Open {
    stream: TcpStream,
    received: Vec<u8>,
    /// The question that has no answer yet.
    asked: Option<Instant>,
    next: Instant,
    record: Connection,
}

/// Opens all of them, and each has answered once.
pub(super) struct Connections(Vec<Open>);

impl Connections {
    pub(super) fn open(plan: &Plan) -> Result<Self> {
        let now = Instant::now();
        let open = |number: u32| {
            // Not all at once.
            let next = now + plan.every * number / plan.connections.max(1);
            Open::new(plan, next).with_context(|| format!("connection {number}"))
        };
        (0..plan.connections).map(open).collect::<Result<_>>().map(Self)
    }

    /// Asks again and again until it is told to stop, and waits for the answers that are owed then.
    pub(super) fn run(mut self, plan: &Plan, stop: &AtomicBool) -> Result<Vec<Connection>> {
        loop {
            let stops = stop.load(Ordering::Relaxed);
            if stops && self.0.iter().all(|it| it.record.broken.is_some() || it.asked.is_none()) {
                return Ok(self.0.into_iter().map(|it| it.record).collect());
            }
            let ready = self.wait()?;
            let now = Instant::now();
            for (open, is_ready) in self.0.iter_mut().zip(ready) {
                if open.record.broken.is_none()
                    && let Err(error) = open.go_on(plan, is_ready, stops, now)
                {
                    open.record.broken = Some(format!("{error:#}"));
                }
            }
        }
    }

    fn wait(&self) -> Result<Vec<bool>> {
        let asks = |it: &&Open| it.record.broken.is_none() && it.asked.is_none();
        let next = self.0.iter().filter(asks).map(|it| it.next).min();
        let latest = Instant::now() + Duration::from_millis(20);
        let until = next.map_or(latest, |it| it.min(latest));
        // Of one that is broken there is nothing to be heard, again and again.
        let wants = |it: &Open| match it.record.broken {
            Some(_) => PollFlags::empty(),
            None => PollFlags::POLLIN,
        };
        let sources = self.0.iter().map(|it| PollFd::new(it.stream.as_fd(), wants(it)));
        let mut sources: Vec<_> = sources.collect();
        let pause = until.saturating_duration_since(Instant::now());
        match ppoll(&mut sources, Some(TimeSpec::from(pause)), None) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(sources.iter().map(|it| it.any().unwrap_or(false)).collect())
    }
}

impl Open {
    fn new(plan: &Plan, next: Instant) -> Result<Self> {
        let limit = Duration::from_secs(5);
        let mut stream = TcpStream::connect_timeout(&plan.target, limit)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(limit))?;
        stream.write_all(&http::question(&plan.path, true))?;
        let mut received = Vec::new();
        let server = loop {
            if let Some(Answer { body, .. }) = http::answer(&received)? {
                break body;
            }
            let mut buffer = [0; 1024];
            let length = stream.read(&mut buffer)?;
            ensure!(length > 0, "closed before it was asked");
            received.extend_from_slice(&buffer[..length]);
        };
        plan.check(&server)?;
        stream.set_nonblocking(true)?;
        let record = Connection { server, answers: 1, longest_stall: Duration::ZERO, broken: None };
        Ok(Self { stream, received: Vec::new(), asked: None, next, record })
    }

    fn go_on(&mut self, plan: &Plan, is_ready: bool, stops: bool, now: Instant) -> Result<()> {
        if is_ready {
            let is_open = read(&mut self.stream, &mut self.received)?;
            if let Some(Answer { body, length }) = http::answer(&self.received)? {
                let asked = self.asked.take().context("an answer to no question")?;
                let server = &self.record.server;
                ensure!(body == *server, "went from {server} to {body}");
                ensure!(length == self.received.len(), "more than was asked for");
                self.received.clear();
                self.record.answers += 1;
                self.record.longest_stall = self.record.longest_stall.max(asked.elapsed());
            }
            ensure!(is_open, "closed by {}", self.record.server);
        }
        match self.asked {
            Some(asked) => {
                let waited = now.duration_since(asked);
                ensure!(waited < plan.patience, "no answer for {waited:?}");
            }
            None if !stops && now >= self.next => {
                self.stream.write_all(&http::question(&plan.path, true))?;
                self.asked = Some(now);
                self.next = now + plan.every;
            }
            None => {}
        }
        Ok(())
    }
}

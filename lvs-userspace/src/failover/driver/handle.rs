//! The driver as the rest of lvsd sees it.

use std::{
    io,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc as std_mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::sys::eventfd::{EfdFlags, EventFd};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::warn;

use super::{
    Report, Settings, Setup, WireError,
    run::{Driver, Seams},
};
use crate::failover::{
    Interval, Order, Refusal,
    machine::{Change, Heard, State},
    track::Tell,
};

/// Notices that may wait to be read.
const NOTICES: usize = 256;

/// Why it could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No sockets for advertisements.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// Something else that the kernel refuses.
    #[error("[failover] can't start: {0}")]
    Io(#[from] io::Error),
}

/// Something that has happened, for the log and for who is to be alerted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The state is another; with it all that is wrong.
    Changed(Change, Vec<String>),
    /// Another was master at the same time.
    Split(Heard),
    /// An advertisement came so long after the one before.
    Late(Duration),
    /// This director was so late to send one.
    Slow(Duration),
    /// What this director is worth has changed, for these reasons.
    Worth(u8, Vec<String>),
    /// Something from there was not taken for an advertisement; not told each time.
    Refused(IpAddr, Refusal),
    /// A peer answers for other addresses.
    OtherVips(IpAddr),
    /// It runs without real-time priority.
    NotRealTime(String),
    /// The driver has ended, and nobody has told it to.
    Ended,
}

/// What the driver is told.
#[derive(Debug)]
pub(super) enum Command {
    Vips(Vec<IpAddr>),
    Ready(bool),
    PeersConfirm,
    Track(usize, Option<String>),
    Configure(Box<Settings>),
    Obey(Order, oneshot::Sender<State>),
    Stop,
}

/// Says that the daemon's loop comes round.
#[derive(Clone, Debug)]
pub struct Pulse {
    start: Instant,
    beat_ms: Arc<AtomicU64>,
}

impl Pulse {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), beat_ms: Arc::default() }
    }

    /// It does now.
    pub fn beat(&self) {
        self.beat_ms.store(self.start.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// How long it has not.
    pub(super) fn age(&self, now: Instant) -> Duration {
        let beat = Duration::from_millis(self.beat_ms.load(Ordering::Relaxed));
        now.duration_since(self.start).saturating_sub(beat)
    }
}

/// The way into the driver, which can be had several times.
#[derive(Clone, Debug)]
struct Door {
    commands: std_mpsc::Sender<Command>,
    waker: Arc<EventFd>,
}

impl Door {
    fn tell(&self, command: Command) {
        // One that has ended has said so.
        if self.commands.send(command).is_ok()
            && let Err(error) = self.waker.write(1)
        {
            warn!(%error, "can't wake the failover thread");
        }
    }
}

/// A running driver. Dropping it is a clean stop.
#[derive(Debug)]
pub struct Failover {
    door: Door,
    report: watch::Receiver<Report>,
    pulse: Pulse,
    interval: Interval,
    thread: Option<JoinHandle<()>>,
}

impl Failover {
    /// Starts it. From then on it is backup, or at fault, until nobody else is master.
    ///
    /// # Errors
    /// When there are no sockets, or no thread, to be had.
    pub fn start(setup: Setup) -> Result<(Self, mpsc::Receiver<Notice>), StartError> {
        let (sender, commands) = std_mpsc::channel();
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        let waker = Arc::new(EventFd::from_flags(flags).map_err(io::Error::from)?);
        let (notices, noticed) = mpsc::channel(NOTICES);
        let pulse = Pulse::new();
        let door = Door { commands: sender, waker: Arc::clone(&waker) };
        let seams = Seams { commands, waker, notices, pulse: pulse.clone() };
        let interval = setup.settings.machine.interval;
        let (driver, report) = Driver::new(setup, seams)?;
        let thread = thread::Builder::new().name("failover".to_owned()).spawn(|| driver.run())?;
        Ok((Self { door, report, pulse, interval, thread: Some(thread) }, noticed))
    }

    /// What it says of itself; it can be waited for changes of.
    #[must_use]
    pub fn report(&self) -> watch::Receiver<Report> {
        self.report.clone()
    }

    /// From one advertisement to the next.
    #[must_use]
    pub const fn interval(&self) -> Interval {
        self.interval
    }

    /// What is to beat as long as the daemon's loop comes round.
    #[must_use]
    pub const fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// The addresses that are answered for from now on.
    pub fn set_vips(&self, vips: Vec<IpAddr>) {
        self.door.tell(Command::Vips(vips));
    }

    /// Whether this director would serve as well as a living master does: before, it does not preempt
    /// one.
    pub fn set_ready(&self, is_ready: bool) {
        self.door.tell(Command::Ready(is_ready));
    }

    /// The others turned out to be directors of ours.
    pub fn set_peers_confirm(&self) {
        self.door.tell(Command::PeersConfirm);
    }

    /// What is wrong with what is tracked under a number.
    pub fn set_track(&self, number: usize, wrong: Option<String>) {
        self.door.tell(Command::Track(number, wrong));
    }

    /// [`set_track`](Self::set_track), for who has not all of this.
    #[must_use]
    pub fn tell(&self) -> Tell {
        let door = self.door.clone();
        Arc::new(move |number, wrong| door.tell(Command::Track(number, wrong)))
    }

    /// Goes by other settings from now on.
    pub fn reconfigure(&mut self, settings: Settings) {
        self.interval = settings.machine.interval;
        self.door.tell(Command::Configure(Box::new(settings)));
    }

    /// Does what an operator wants; says what it is then, if it still is anything.
    pub async fn obey(&self, order: Order) -> Option<State> {
        let (reply, state) = oneshot::channel();
        self.door.tell(Command::Obey(order, reply));
        state.await.ok()
    }
}

impl Drop for Failover {
    fn drop(&mut self) {
        self.door.tell(Command::Stop);
        // It is quick: all that it still does is to send a few packets.
        if self.thread.take().is_some_and(|it| it.join().is_err()) {
            warn!("the failover thread has panicked");
        }
    }
}

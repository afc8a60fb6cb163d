//! How many packets a second come through, over a stretch of time.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow};
use lvs_tests::lab::hurry;
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::{Pid, gettid},
};

use super::generator::Generator;

/// So long packets go before they count, which fills the caches.
const WARM: Duration = Duration::from_millis(100);
/// Of a window the fastest so long counts: who else is on a machine can only take time away, and does so for some
/// milliseconds at a time.
const SLICE: Duration = Duration::from_millis(10);
/// How often to look whether it still goes on.
const LOOK: Duration = Duration::from_millis(20);
/// What is in the queues when the last packet has been sent has come through after so long.
const REST: Duration = Duration::from_millis(30);

/// One stretch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// Packets a second that came back, when it went fastest.
    pub(crate) rate: f64,
    /// Packets that were sent, in and around the stretch.
    pub(crate) sent: u64,
    /// Those of them that came back.
    pub(crate) came_back: u64,
}

/// How to measure one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// The CPU for all packets.
    pub(crate) cpu: usize,
    pub(crate) length: Duration,
    /// So many are under way at once. With more it takes less to send each. But if others want the CPU, the
    /// kernel puts the rest of a batch off until the next has been sent, and both have to have room in a
    /// veth, which is 256.
    pub(crate) batch: u32,
}

impl Plan {
    /// Measures one, with whoever forwards now.
    pub(crate) fn measure(self, generator: &Generator) -> Result<Window> {
        let before = generator.sunk()?;
        let (mut sent, mut frames) = (0, 1024);
        let rate = loop {
            sent += u64::from(frames);
            let stretch = self.stretch(generator, frames)?;
            if let Some(rate) = stretch.rate {
                break rate;
            }
            // It ended too soon. What it takes to begin and to end weighs less the longer it takes.
            let needed = (self.length + WARM).as_secs_f64() / stretch.taken.as_secs_f64();
            frames = (f64::from(frames) * (1.5 * needed).clamp(2.0, 64.0)) as u32;
        };
        thread::sleep(REST);
        Ok(Window { rate, sent, came_back: generator.sunk()? - before })
    }

    /// Sends so many frames, and looks at the sink meanwhile.
    fn stretch(self, generator: &Generator, frames: u32) -> Result<Stretch> {
        let Self { cpu, length, batch } = self;
        let done = AtomicBool::new(false);
        let send = || {
            let start = Instant::now();
            let sent = generator.send(frames, batch);
            done.store(true, Ordering::Release);
            sent.map(|()| start.elapsed())
        };
        thread::scope(|scope| {
            let sending = scope.spawn(|| on(cpu, send));
            let rate = watch(generator, length, &done);
            let taken = sending.join().map_err(|_| anyhow!("the generator panicked"))???;
            Ok(Stretch { rate: rate?, taken })
        })
    }
}

/// What came of sending for a while.
struct Stretch {
    /// Packets a second, unless it ended too soon.
    rate: Option<f64>,
    taken: Duration,
}

/// The rate at the sink in the fastest slice of this time, unless the sending is done before that.
fn watch(generator: &Generator, length: Duration, done: &AtomicBool) -> Result<Option<f64>> {
    if !last(WARM, done) {
        return Ok(None);
    }
    let (end, mut fastest) = (Instant::now() + length, 0.0_f64);
    let mut before = Look::at(generator)?;
    while Instant::now() < end {
        if !last(SLICE, done) {
            return Ok(None);
        }
        let now = Look::at(generator)?;
        fastest = fastest.max(now.rate_since(&before));
        before = now;
    }
    // In the last one, the sending may have come to its end.
    Ok((!done.load(Ordering::Acquire)).then_some(fastest))
}

/// One look at the sink, some time between two looks at the clock.
struct Look {
    earliest: Instant,
    sunk: u64,
    latest: Instant,
}

impl Look {
    fn at(generator: &Generator) -> Result<Self> {
        let earliest = Instant::now();
        let sunk = generator.sunk()?;
        Ok(Self { earliest, sunk, latest: Instant::now() })
    }

    /// Packets a second, at least.
    fn rate_since(&self, before: &Self) -> f64 {
        let time = self.latest.duration_since(before.earliest);
        (self.sunk - before.sunk) as f64 / time.as_secs_f64()
    }
}

/// Waits, unless the sending is done before.
fn last(time: Duration, done: &AtomicBool) -> bool {
    let end = Instant::now() + time;
    while Instant::now() < end {
        if done.load(Ordering::Acquire) {
            return false;
        }
        thread::sleep(LOOK.min(time));
    }
    true
}

/// Calls `f` on a CPU, before whatever else there is to do for it.
pub(crate) fn on<T: Send>(cpu: usize, f: impl FnOnce() -> T + Send) -> Result<T> {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let mut cpus = CpuSet::new();
            cpus.set(cpu)?;
            sched_setaffinity(Pid::from_raw(0), &cpus)?;
            hurry(gettid().as_raw().cast_unsigned())?;
            Ok(f())
        });
        thread.join().unwrap_or_else(|_| Err(anyhow!("panicked on CPU {cpu}")))
    })
}

/// The last CPU that this process may use: the first has most of the interrupts.
pub(crate) fn last_cpu() -> Result<usize> {
    let allowed = sched_getaffinity(Pid::from_raw(0))?;
    let last = (0..CpuSet::count()).rev().find(|&cpu| allowed.is_set(cpu).unwrap_or_default());
    last.context("it may use no CPU")
}

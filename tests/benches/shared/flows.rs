//! Connections in the tables of an lvsd that runs: packets are shown to its own program.

use std::{
    net::SocketAddrV4,
    path::Path,
    thread::{available_parallelism, sleep},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use aya::programs::Xdp;
use aya_obj::programs::xdp::XdpAttachType;
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

use crate::{
    bench::Bench,
    plan::{Plan, kind},
};

const SYN: u8 = 0x02;
pub(crate) const ACK: u8 = 0x10;
/// Odd: so all flows differ, and neither their addresses nor their ports are in any order.
const SCATTERED: u64 = 0x9e37_79b9_7f4a_7c15;
/// MACs and what Ethernet carries.
const ETHERNET: [u8; 14] = [2, 0, 10, 77, 0, 3, 2, 0, 10, 77, 0, 2, 8, 0];
/// So many begin at a time, at most.
const AT_ONCE: u32 = 1 << 13;

/// The program of an lvsd, and what shows it packets.
pub(crate) struct Flows {
    bench: Bench,
    // The table of the other only knows it as long as it is open.
    _program: Xdp,
    /// From one connection to the next.
    pause: Duration,
    /// When the next may begin.
    next: Instant,
}

impl Flows {
    /// With the program that is pinned there, which has room for so many half-open connections. More than
    /// twice as many in a second, shared out among the CPUs, would be a flood, of which it records no more.
    pub(crate) fn through(pins: &Path, half_open: u32) -> Result<Self> {
        let program = Xdp::from_pin(pins.join("program"), XdpAttachType::Interface)?;
        let mut bench = Bench::load(1)?;
        bench.aim(program.fd()?)?;
        let cpus = u32::try_from(available_parallelism()?.get())?;
        let pause = Duration::from_secs(1) * cpus / half_open;
        Ok(Self { bench, _program: program, pause, next: Instant::now() })
    }

    /// Begins so many connections, from the one with this number on: a SYN and an ACK each.
    pub(crate) fn begin(&mut self, to: SocketAddrV4, first: u64, count: u32) -> Result<()> {
        for from in (0..count).step_by(AT_ONCE as usize) {
            let count = AT_ONCE.min(count - from);
            sleep(self.next.saturating_duration_since(Instant::now()));
            self.next = self.next.max(Instant::now()) + self.pause * count;
            let first = first + u64::from(from);
            let syn = Plan { alternates: 1, first, ..plan(to, SYN) };
            let ack = Plan { first, ..plan(to, ACK) };
            on_one_cpu(|| self.bench.show([syn, ack], &frame(to), 2 * count))??;
        }
        Ok(())
    }
}

/// The client of the connection with this number.
pub(crate) fn client(number: u64) -> SocketAddrV4 {
    let (number, Plan { address, port, .. }) =
        (number.wrapping_mul(SCATTERED), plan(SocketAddrV4::new([0; 4].into(), 0), ACK));
    let address = address.wrapping_add((number >> 16) as u32);
    SocketAddrV4::new(address.into(), port.wrapping_add(number as u16))
}

/// Packets to a service, from a client each.
pub(crate) fn plan(to: SocketAddrV4, flags: u8) -> Plan {
    let frame = frame(to);
    let word =
        |at: usize| u32::from_ne_bytes([frame[at], frame[at + 1], frame[at + 2], frame[at + 3]]);
    Plan {
        macs: [word(0), word(4), word(8)],
        kind: kind::TCP,
        address: u32::from_be_bytes([10, 80, 0, 0]),
        port: 1024,
        to_port: to.port().to_be_bytes(),
        flags: [0x50, flags, 0xff, 0xff],
        stride: 1,
        mask: u64::MAX,
        multiplier: SCATTERED,
        ..Plan::default()
    }
}

/// The shortest frame to a service.
pub(crate) fn frame(to: SocketAddrV4) -> Vec<u8> {
    let mut frame = ETHERNET.to_vec();
    frame.extend([0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 80, 0, 0]);
    frame.extend(to.ip().octets());
    frame.extend([4, 0]);
    frame.extend(to.port().to_be_bytes());
    frame.extend([0, 0, 0, 0, 0, 0, 0, 0, 0x50, ACK, 0xff, 0xff, 0, 0, 0, 0]);
    frame.resize(60, 0);
    frame
}

/// Each CPU counts packets for itself, so a run must not move to another.
fn on_one_cpu<T>(f: impl FnOnce() -> T) -> Result<T> {
    let this = Pid::from_raw(0);
    let allowed = sched_getaffinity(this)?;
    let last = (0..CpuSet::count()).rev().find(|&cpu| allowed.is_set(cpu).unwrap_or_default());
    let mut one = CpuSet::new();
    one.set(last.context("it may use no CPU")?)?;
    sched_setaffinity(this, &one)?;
    let result = f();
    sched_setaffinity(this, &allowed)?;
    Ok(result)
}

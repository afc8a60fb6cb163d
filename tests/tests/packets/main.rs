//! One table of packets, run through the same policy twice: on the host, as an ordinary function,
//! and in the kernel, as the XDP program (`BPF_PROG_TEST_RUN`; needs root, feature `privileged`).
#![expect(unreachable_pub, reason = "the modules are shared with the benchmark")]

mod cases;
#[cfg(feature = "privileged")]
mod changes;
#[cfg(feature = "privileged")]
mod counted;
mod explained;
mod frames;
mod host;
#[cfg(feature = "privileged")]
mod kernel;
mod laws;
#[cfg(feature = "privileged")]
mod object;
mod services;
mod shares;
mod told;
mod world;

use cases::{Case, Expected};
use lvs_common::{
    abi::Traffic,
    fate::Fate,
    forward::{Explanation, Verdict},
};
use told::Told;

/// What the lease allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lease {
    /// All.
    Whole,
    /// To forward, but not to answer.
    Silent,
    /// Nothing.
    Over,
}

/// Something that runs packets.
trait Runner {
    /// Runs one frame; it comes back as it is left.
    fn run(&mut self, frame: &mut Vec<u8>) -> Verdict;
    /// What it would do with a frame; `None` if that is for a VIP, and of no flow.
    fn explain(&mut self, frame: &[u8]) -> Option<Explanation>;
    /// Gives it a lease.
    fn lease(&mut self, lease: Lease);
    /// Has it tell lvsd of this from now on: bits of [`tells`](lvs_common::abi::tells).
    fn listen(&mut self, tells: u32);
    /// What it has told since the last time.
    fn told(&mut self) -> Told;
    /// Whether another director is told of new connections.
    fn follow(&mut self, is_followed: bool);
    /// Whether another director may still tell of connections.
    fn hold_strays(&mut self, holds: bool);
    /// How many SYNs were forwarded and not recorded, for a flood.
    fn unrecorded(&self) -> u64;
    /// How many packets met a fate.
    fn fate(&self, fate: Fate) -> u64;
    /// What went to a real server of the [`world`].
    fn real_server_traffic(&self, index: u32) -> Traffic;
    /// What went through a service of the [`world`].
    fn service_traffic(&self, id: u32) -> Traffic;
}

/// Has a case explained, then runs it, and fails with its name if anything is not as expected.
fn check(case: &Case, runner: &mut impl Runner) {
    for frame in &case.before {
        runner.run(&mut frame.clone());
    }
    let before = counters(runner);
    // If this changed anything, what follows would be otherwise.
    explained::check(case, runner.explain(&case.frame));
    let mut frame = case.frame.clone();
    let verdict = runner.run(&mut frame);
    let after = counters(runner);

    let name = case.name;
    let (expected_verdict, expected_frame) = match &case.expected {
        Expected::Passed(_) => (Verdict::Pass, &case.frame),
        Expected::Dropped(_) => (Verdict::Drop, &case.frame),
        Expected::Answered(_, frame) => (Verdict::Transmit, frame),
        Expected::Forwarded { to, frame, .. } if *to == world::FAR => {
            (Verdict::Redirect(world::FAR_INTERFACE), frame)
        }
        Expected::Forwarded { frame, .. } => (Verdict::Transmit, frame),
    };
    assert_eq!(verdict, expected_verdict, "{name}: verdict");
    assert_eq!(hex(&frame), hex(expected_frame), "{name}: frame");

    let mut expected_after = before;
    match &case.expected {
        Expected::Passed(fate) | Expected::Dropped(fate) | Expected::Answered(fate, _) => {
            expected_after.fates[fate.index() as usize] += 1;
        }
        Expected::Forwarded { to, connections, .. } => {
            let traffic = Traffic {
                connections: *connections,
                packets: 1,
                bytes: frames::ip_length(&case.frame),
            };
            expected_after.real_servers[to.index as usize] += traffic;
            expected_after.services[to.service as usize] += traffic;
        }
    }
    assert_eq!(after, expected_after, "{name}: counters");
}

#[derive(Clone, Debug, PartialEq)]
struct Counters {
    fates: Vec<u64>,
    services: Vec<Traffic>,
    real_servers: Vec<Traffic>,
}

fn counters(runner: &impl Runner) -> Counters {
    Counters {
        fates: Fate::ALL.iter().map(|&fate| runner.fate(fate)).collect(),
        services: (0..world::SERVICES).map(|id| runner.service_traffic(id)).collect(),
        real_servers: (0..world::REAL_SERVERS).map(|i| runner.real_server_traffic(i)).collect(),
    }
}

/// Sixteen bytes a line, so that a difference can be found.
fn hex(bytes: &[u8]) -> String {
    let line = |line: &[u8]| line.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>();
    bytes.chunks(16).map(|chunk| line(chunk).join(" ")).collect::<Vec<_>>().join("\n")
}

//! How the programs and their maps come into the kernel, and what must be found out for that.

use std::{
    fs::File,
    io::{self, Read as _},
    path::PathBuf,
    time::{Duration, Instant},
};

use aya::{
    Ebpf,
    maps::{Map, MapData, MapError},
    programs::{TestRun as _, TestRunOptions, Xdp},
};
use lvs_common::{
    abi::{self, Settings},
    connections::Secrets,
    names,
};
use tracing::debug;

use super::Sizes;
use crate::dataplane::{
    Clock,
    shared::{Shared, SharedArray},
};

/// Why the program could not be put to work.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The kernel took not the program, or not its maps.
    #[error("can't load the XDP program: {0:#}")]
    Load(anyhow::Error),
    /// The program does not go on that interface.
    #[error("can't attach the XDP program to {interface}: {reason}")]
    Attach {
        /// Which interface.
        interface: String,
        /// What the kernel said.
        reason: String,
    },
    /// Another lvsd is at work there.
    #[error("another lvsd has its maps in {}; stop it or choose another place with --bpffs", .0.display())]
    InUse(PathBuf),
    /// The maps can't be pinned.
    #[error("can't pin the maps in {}: {error}", directory.display())]
    Pin {
        /// Where.
        directory: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Loads the program that the kernel can: the one for frames in several buffers, or else the plain
/// one.
pub(super) fn load_program(ebpf: &mut Ebpf) -> anyhow::Result<&'static str> {
    let name = match program(ebpf, names::PROGRAM_FRAGS)?.load() {
        Ok(()) => names::PROGRAM_FRAGS,
        Err(error) => {
            debug!(%error, "the kernel has no XDP with several buffers");
            program(ebpf, names::PROGRAM)?.load()?;
            names::PROGRAM
        }
    };
    let instructions = program(ebpf, name)?.info()?.verified_instruction_count();
    debug!(name, instructions, "the verifier took the program");
    Ok(name)
}

/// Finds out how the kernel's clock goes, by looking at it twice.
pub(super) fn read_clock(ebpf: &mut Ebpf) -> anyhow::Result<Clock> {
    /// Long enough to tell 250 ticks a second from 300.
    const WATCHED: Duration = Duration::from_millis(100);
    /// So finely a tick is looked at.
    const LOOKS: u32 = 8;
    let clock = program(ebpf, names::CLOCK)?;
    clock.load()?;
    let first = jiffies(clock)?;
    let start = Instant::now();
    std::thread::sleep(WATCHED);
    let last = jiffies(clock)?;
    let now = Instant::now();
    let hz = Clock::hz(last.saturating_sub(first), now.duration_since(start));
    let mut best = Clock::new(hz, last, now);
    // The one that was read soonest after a tick is behind the least.
    for _ in 0..LOOKS {
        std::thread::sleep(best.tick() / LOOKS);
        let jiffies = jiffies(clock)?;
        best = best.ahead(Clock::new(hz, jiffies, Instant::now()));
    }
    Ok(best)
}

fn jiffies(clock: &Xdp) -> anyhow::Result<u64> {
    let mut frame = [0; 64];
    clock.test_run(TestRunOptions {
        data_in: Some(&[0; 64]),
        data_out: Some(&mut frame),
        ..TestRunOptions::default()
    })?;
    let [a, b, c, d, e, f, g, h, ..] = frame;
    Ok(u64::from_ne_bytes([a, b, c, d, e, f, g, h]))
}

/// What the program is to know before the first packet.
pub(super) fn first_settings(sizes: &Sizes, clock: &Clock) -> io::Result<Settings> {
    Ok(Settings {
        layout: abi::LAYOUT,
        clock_shift: clock.shift(),
        secrets: random_secrets()?,
        active_until: u64::MAX,
        answers_until: u64::MAX,
        scheduled_until: u64::MAX,
        strays_until: 0,
        tells: 0,
        cpus: online_cpus()?,
        buckets: sizes.buckets,
        half_open_buckets: sizes.half_open,
        buckets_v6: sizes.buckets_v6,
        half_open_buckets_v6: sizes.half_open_v6,
    })
}

fn online_cpus() -> io::Result<u32> {
    let cpus = aya::util::online_cpus().map_err(|(_, error)| error)?;
    u32::try_from(cpus.len()).map_err(io::Error::other)
}

fn random_secrets() -> io::Result<Secrets> {
    let mut bytes = [0; size_of::<Secrets>()];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytemuck::cast(bytes))
}

pub(super) fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> anyhow::Result<&'a mut Xdp> {
    let program = ebpf.program_mut(name);
    let program = program.ok_or_else(|| anyhow::anyhow!("it has no program {name}"))?;
    Ok(program.try_into()?)
}

pub(super) fn take<M: TryFrom<Map, Error = MapError>>(
    ebpf: &mut Ebpf,
    name: &str,
) -> anyhow::Result<M> {
    let map = ebpf.take_map(name).ok_or_else(|| anyhow::anyhow!("it has no map {name}"))?;
    Ok(M::try_from(map)?)
}

/// The kernel's number of a map.
pub(super) fn id(ebpf: &Ebpf, name: &str) -> anyhow::Result<u32> {
    Ok(array(ebpf, name)?.info()?.id())
}

pub(super) fn share<T: Shared>(
    ebpf: &Ebpf,
    name: &str,
    length: usize,
) -> anyhow::Result<SharedArray<T>> {
    Ok(SharedArray::map(array(ebpf, name)?.fd(), length)?)
}

fn array<'a>(ebpf: &'a Ebpf, name: &str) -> anyhow::Result<&'a MapData> {
    let map = ebpf.map(name).ok_or_else(|| anyhow::anyhow!("it has no map {name}"))?;
    let Map::Array(data) = map else { anyhow::bail!("the map {name} is no array") };
    Ok(data)
}

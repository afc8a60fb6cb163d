//! The programs that are only here to be measured, and the one that shows packets to a program.

use std::fs;

use anyhow::{Context as _, Result};
use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, MapData, PerCpuArray, PerCpuValues, ProgramArray},
    programs::{ProgramFd, TestRun as _, TestRunOptions, Xdp},
    util::nr_cpus,
};

use crate::plan::{self, Plan};

/// Where `cargo xtask build` leaves them.
const OBJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/bpf-bench/lvs-bench.o");

/// What a program may return for a packet.
pub(crate) mod action {
    pub(crate) const PASS: u32 = 2;
    pub(crate) const TX: u32 = 3;
}

/// A plan's bytes, which aya may copy.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Abi(Plan);

// SAFETY: integers, laid out as in C, and nothing between them.
unsafe impl aya::Pod for Abi {}
const _: () = assert!(size_of::<Plan>() == 8 * 4 + 4 * 8 + 6 * 4, "nothing between them");

/// What `prepare` has noted on a CPU, alike.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct OfCpu(plan::Run);

// SAFETY: as above.
unsafe impl aya::Pod for OfCpu {}

/// Packets and bytes that a floor has counted.
#[derive(Clone, Copy)]
#[repr(C)]
struct Traffic {
    packets: u64,
    bytes: u64,
}

// SAFETY: as above.
unsafe impl aya::Pod for Traffic {}

/// The object, loaded.
pub(crate) struct Bench {
    ebpf: Ebpf,
    plans: Array<MapData, Abi>,
    run: PerCpuArray<MapData, OfCpu>,
    target: ProgramArray<MapData>,
    traffic: PerCpuArray<MapData, Traffic>,
}

impl Bench {
    /// With a table of so many flows for the floors.
    pub(crate) fn load(flows: u32) -> Result<Self> {
        let object = fs::read(OBJECT).with_context(|| format!("cannot read {OBJECT}"))?;
        let mut ebpf = EbpfLoader::new().map_max_entries("FLOWS", flows).load(&object)?;
        for name in ["pass", "tx", "swap", "floor", "floor_insert", "prepare"] {
            program(&mut ebpf, name)?.load().with_context(|| format!("cannot load {name}"))?;
        }
        let mut take = |name| ebpf.take_map(name).with_context(|| format!("no map {name}"));
        Ok(Self {
            plans: take("PLANS")?.try_into()?,
            run: take("RUN")?.try_into()?,
            target: take("TARGET")?.try_into()?,
            traffic: take("TRAFFIC")?.try_into()?,
            ebpf,
        })
    }

    /// From now on packets are shown to this program.
    pub(crate) fn aim(&mut self, target: &ProgramFd) -> Result<()> {
        Ok(self.target.set(0, target, 0)?)
    }

    /// From now on packets are shown to this one of the object.
    pub(crate) fn aim_at(&mut self, name: &str) -> Result<()> {
        let target = program(&mut self.ebpf, name)?.fd()?;
        Ok(self.target.set(0, target, 0)?)
    }

    /// Runs a program of the object itself on a frame; gives the time for a packet.
    pub(crate) fn run(&mut self, name: &str, frame: &[u8], packets: u32) -> Result<Run> {
        run(program(&mut self.ebpf, name)?, frame, packets)
    }

    /// Shows the target so many packets of these plans.
    pub(crate) fn show(&mut self, plans: [Plan; 2], frame: &[u8], packets: u32) -> Result<Run> {
        for (index, plan) in (0..).zip(plans) {
            self.plans.set(index, Abi(plan), 0)?;
        }
        let cpus = nr_cpus().map_err(|(_, error)| error).context("cannot count CPUs")?;
        let last = u64::from(packets.saturating_sub(1));
        let of_cpu = OfCpu(plan::Run { last, ..plan::Run::default() });
        self.run.set(0, PerCpuValues::try_from(vec![of_cpu; cpus])?, 0)?;
        let run = self.run("prepare", frame, packets)?;
        // The kernel tells the time for a packet in whole nanoseconds only, of which it takes some thirty.
        let times = self.run.get(&0, 0)?;
        let whole = times.iter().map(|it| it.0).find(|it| it.packets == u64::from(packets));
        let plan::Run { begin, end, .. } = whole.context("not all packets came on one CPU")?;
        Ok(Run { ns: (end - begin) as f64 / last.max(1) as f64, ..run })
    }

    /// Packets that the floors have sent.
    pub(crate) fn sent(&self) -> Result<u64> {
        Ok(self.traffic.get(&0, 0)?.iter().map(|it| it.packets).sum())
    }
}

/// What came of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Nanoseconds for a packet.
    pub(crate) ns: f64,
    /// What was returned for the last packet.
    pub(crate) action: u32,
}

/// Runs a program on a frame again and again.
pub(crate) fn run(program: &Xdp, frame: &[u8], packets: u32) -> Result<Run> {
    let options =
        TestRunOptions { data_in: Some(frame), repeat: packets, ..TestRunOptions::default() };
    let result = program.test_run(options)?;
    let ns = result.duration.as_nanos() as f64;
    Ok(Run { ns, action: result.return_value })
}

fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Xdp> {
    Ok(ebpf.program_mut(name).with_context(|| format!("no program {name}"))?.try_into()?)
}

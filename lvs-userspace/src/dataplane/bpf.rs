//! The maps and the program in the kernel: the only file that speaks to aya.

mod load;
mod pins;

use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    time::Instant,
};

use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, DevMapHash, HashMap, MapData, PerCpuArray, PerCpuValues},
    programs::{ProgramError, Xdp, XdpMode as AyaMode},
    util::nr_cpus,
};
use aya_log::EbpfLogger;
use lvs_common::{
    abi::{self, Settings, Traffic, real_server_state},
    fate::Fate,
    limits, names,
};
use tracing::{debug, info};
use tracing_log::LogTracer;

use load::{load_program, program, random_secrets, read_clock, share, take};
use pins::Pins;

use super::{
    Clock, Dataplane, Limits, MapWrite,
    shared::{SharedArray, SharedBucket, SharedBucketV6, SharedLoad},
    sweep::{self, Count, Rules, Swept},
};
use crate::config::{self, Config, XdpMode};

/// The program, as it was built; empty if it was not.
pub static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/lvs-xdp.o"));

/// Bytes of the maps: what bytemuck calls plain old data, aya may copy.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Abi<T>(T);

// SAFETY: `repr(transparent)` over a type that has no padding and for which every bit pattern is
// valid, as bytemuck's derive has checked.
unsafe impl<T: bytemuck::Pod> aya::Pod for Abi<T> {}

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

/// How an interface runs the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachedAs {
    /// In its driver.
    Native,
    /// In the kernel's network stack.
    Generic,
}

impl AttachedAs {
    /// Its name in logs and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Generic => "generic",
        }
    }
}

/// How large the maps are made.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Buckets of each table.
    buckets: u32,
    half_open: u32,
    buckets_v6: u32,
    half_open_v6: u32,
    /// Places of real servers; the first is never used.
    real_servers: u32,
}

/// Those of a configuration that says nothing about them.
impl Default for Sizes {
    fn default() -> Self {
        Self::of(&config::Connections::default(), limits::REAL_SERVERS as u32)
    }
}

impl Sizes {
    /// Room for what the configuration says.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self::of(&config.connections, config.director.max_real_servers)
    }

    fn of(connections: &config::Connections, max_real_servers: u32) -> Self {
        Self {
            real_servers: max_real_servers + 1,
            buckets: buckets(connections.size),
            half_open: buckets(connections.half_open),
            buckets_v6: buckets(connections.ipv6_size),
            half_open_v6: buckets(connections.ipv6_half_open),
        }
    }

    /// Memory of the connection tables, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        (self.buckets + self.half_open) as usize * size_of::<abi::Bucket>()
            + (self.buckets_v6 + self.half_open_v6) as usize * size_of::<abi::BucketV6>()
    }
}

/// Buckets for so many connections: of the three places in each, half are taken then, so that hardly
/// a flow finds both its buckets full, nor any that could move
/// ([`make_room`](lvs_common::connections::make_room)).
fn buckets(connections: u32) -> u32 {
    connections.div_ceil(3) * 2
}

/// The connection tables and the loads, which lvsd shares with the program.
struct SharedMaps {
    loads: SharedArray<SharedLoad>,
    connections: SharedArray<SharedBucket>,
    half_open: SharedArray<SharedBucket>,
    connections_v6: SharedArray<SharedBucketV6>,
    half_open_v6: SharedArray<SharedBucketV6>,
}

/// The loaded program and its pinned maps. Dropping it detaches and unpins everything.
pub struct BpfDataplane {
    settings: Array<MapData, Abi<Settings>>,
    services: HashMap<MapData, Abi<abi::ServiceKey>, Abi<abi::Service>>,
    real_servers: Array<MapData, Abi<abi::RealServer>>,
    slots: Array<MapData, u32>,
    vips: HashMap<MapData, [u8; 16], Abi<abi::Vip>>,
    interfaces: HashMap<MapData, u32, Abi<abi::Interface>>,
    devices: DevMapHash<MapData>,
    service_traffic: PerCpuArray<MapData, Abi<Traffic>>,
    real_server_traffic: PerCpuArray<MapData, Abi<Traffic>>,
    fates: PerCpuArray<MapData, u64>,
    shared: SharedMaps,
    clock: Clock,
    program: &'static str,
    ebpf: Ebpf,
    _pins: Pins,
}

impl BpfDataplane {
    /// Loads the program and pins its maps in `directory`; `log_level` is how much the program
    /// itself says, 0 for nothing to 5 for everything.
    ///
    /// # Errors
    /// When the kernel refuses the program or a map, or the pins can't be made.
    pub fn load(directory: &Path, sizes: Sizes, log_level: u8) -> Result<Self, LoadError> {
        let pins = Pins::make(directory).map_err(|error| {
            let directory = directory.to_owned();
            if error.kind() == io::ErrorKind::WouldBlock {
                LoadError::InUse(directory)
            } else {
                LoadError::Pin { directory, error }
            }
        })?;

        let mut loader = EbpfLoader::new();
        loader.override_global(aya_log::LEVEL, &log_level, false);
        for (name, size) in [
            (names::CONNECTIONS, sizes.buckets),
            (names::HALF_OPEN, sizes.half_open),
            (names::CONNECTIONS_V6, sizes.buckets_v6),
            (names::HALF_OPEN_V6, sizes.half_open_v6),
            (names::REAL_SERVERS, sizes.real_servers),
            (names::REAL_SERVER_TRAFFIC, sizes.real_servers),
            (names::LOADS, sizes.real_servers),
        ] {
            loader.map_max_entries(name, size);
        }
        for name in names::MAPS {
            loader.map_pin_path(name, pins.path(name));
        }
        let ebpf = loader.load(OBJECT).map_err(|error| LoadError::Load(error.into()))?;
        Self::set_up(ebpf, pins, sizes).map_err(LoadError::Load)
    }

    fn set_up(mut ebpf: Ebpf, pins: Pins, sizes: Sizes) -> anyhow::Result<Self> {
        let program = load_program(&mut ebpf)?;
        let clock = read_clock(&mut ebpf)?;
        let mut dataplane = Self {
            settings: take(&mut ebpf, names::SETTINGS)?,
            services: take(&mut ebpf, names::SERVICES)?,
            real_servers: take(&mut ebpf, names::REAL_SERVERS)?,
            slots: take(&mut ebpf, names::SLOTS)?,
            vips: take(&mut ebpf, names::VIPS)?,
            interfaces: take(&mut ebpf, names::INTERFACES)?,
            devices: take(&mut ebpf, names::DEVICES)?,
            service_traffic: take(&mut ebpf, names::SERVICE_TRAFFIC)?,
            real_server_traffic: take(&mut ebpf, names::REAL_SERVER_TRAFFIC)?,
            fates: take(&mut ebpf, names::FATES)?,
            shared: SharedMaps {
                loads: share(&ebpf, names::LOADS, sizes.real_servers as usize)?,
                connections: share(&ebpf, names::CONNECTIONS, sizes.buckets as usize)?,
                half_open: share(&ebpf, names::HALF_OPEN, sizes.half_open as usize)?,
                connections_v6: share(&ebpf, names::CONNECTIONS_V6, sizes.buckets_v6 as usize)?,
                half_open_v6: share(&ebpf, names::HALF_OPEN_V6, sizes.half_open_v6 as usize)?,
            },
            clock,
            program,
            ebpf,
            _pins: pins,
        };
        let settings = Settings {
            secrets: random_secrets()?,
            active_until: u64::MAX,
            clock_shift: clock.shift(),
            buckets: sizes.buckets,
            half_open_buckets: sizes.half_open,
            buckets_v6: sizes.buckets_v6,
            half_open_buckets_v6: sizes.half_open_v6,
            reserved: 0,
        };
        dataplane.settings.set(0, Abi(settings), 0)?;
        Ok(dataplane)
    }

    /// The clock that the program goes by.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Forgets what was silent for too long, or whose real server is gone, counts what is left, and
    /// takes what was forgotten off the loads.
    pub fn sweep(&self, limits: &sweep::Limits, is_vacant: &impl Fn(u32) -> bool) -> Swept {
        let rules = Rules { limits, now: self.clock.stamp(Instant::now()) };
        let mut swept = Swept::default();
        let shared = &self.shared;
        sweep::sweep(shared.connections.iter(), rules, is_vacant, &mut swept);
        sweep::sweep(shared.half_open.iter(), rules, is_vacant, &mut swept);
        sweep::sweep(shared.connections_v6.iter(), rules, is_vacant, &mut swept);
        sweep::sweep(shared.half_open_v6.iter(), rules, is_vacant, &mut swept);
        for (&index, count) in &swept.forgotten {
            if let Some(load) = shared.loads.get(index as usize) {
                load.active.fetch_sub(count.active, Ordering::AcqRel);
                load.inactive.fetch_sub(count.inactive, Ordering::AcqRel);
            }
        }
        swept
    }

    /// What the program counts as the connections of a real server.
    #[must_use]
    pub fn counted(&self, index: u32) -> Count {
        let load = self.shared.loads.get(index as usize);
        load.map_or(Count::default(), |load| Count {
            active: load.active.load(Ordering::Acquire),
            inactive: load.inactive.load(Ordering::Acquire),
        })
    }

    /// Corrects what the program counts.
    pub fn correct(&self, index: u32, by: (i32, i32)) {
        if let Some(load) = self.shared.loads.get(index as usize) {
            load.active.fetch_add(by.0.cast_unsigned(), Ordering::AcqRel);
            load.inactive.fetch_add(by.1.cast_unsigned(), Ordering::AcqRel);
        }
    }

    /// Shows each connection to `visit`.
    pub fn connections(&self, limits: &sweep::Limits, visit: &mut impl FnMut(sweep::Connection)) {
        let rules = Rules { limits, now: self.clock.stamp(Instant::now()) };
        let shared = &self.shared;
        sweep::list(shared.connections.iter(), rules, &self.clock, visit);
        sweep::list(shared.half_open.iter(), rules, &self.clock, visit);
        sweep::list(shared.connections_v6.iter(), rules, &self.clock, visit);
        sweep::list(shared.half_open_v6.iter(), rules, &self.clock, visit);
    }

    /// Attaches the program to an interface.
    ///
    /// # Errors
    /// When the kernel does not take it in any of the modes that are allowed.
    pub fn attach(&mut self, interface: &str, mode: XdpMode) -> Result<AttachedAs, LoadError> {
        let failed = |error: &anyhow::Error| LoadError::Attach {
            interface: interface.to_owned(),
            reason: attach_advice(error),
        };
        let program = program(&mut self.ebpf, self.program).map_err(|error| failed(&error))?;
        let mut attach = |mode| program.attach(interface, mode).map(drop).map_err(Into::into);

        let native = match mode {
            XdpMode::Auto | XdpMode::Native => attach(AyaMode::Driver),
            XdpMode::Generic => Err(anyhow::anyhow!("not asked for")),
        };
        match (native, mode) {
            (Ok(()), _) => Ok(AttachedAs::Native),
            (Err(error), XdpMode::Native) => Err(failed(&error)),
            (Err(error), _) if is_busy(&error) => Err(failed(&error)),
            (Err(error), XdpMode::Auto | XdpMode::Generic) => {
                if mode == XdpMode::Auto {
                    let reason = format!("{error:#}");
                    info!(interface, reason, "the driver does not take XDP, trying generic mode");
                }
                attach(AyaMode::Skb).map_err(|error| failed(&error))?;
                Ok(AttachedAs::Generic)
            }
        }
    }

    /// The reader of what the program says.
    ///
    /// # Errors
    /// When the program has no log.
    pub fn logger(&mut self) -> anyhow::Result<ProgramLog> {
        let logger = EbpfLogger::init_with_logger(&mut self.ebpf, LogTracer::new())?;
        Ok(ProgramLog(logger))
    }

    /// The program itself, to be run on a packet without an interface.
    ///
    /// # Errors
    /// When the object has no such program.
    pub fn program(&mut self) -> anyhow::Result<&mut Xdp> {
        program(&mut self.ebpf, self.program)
    }
}

/// What the program has to say, on its way into tracing.
pub struct ProgramLog(EbpfLogger<LogTracer>);

impl ProgramLog {
    /// Logs all that was said since the last time.
    pub fn flush(&mut self) {
        self.0.flush();
    }
}

impl Dataplane for BpfDataplane {
    fn write(&mut self, write: &MapWrite) -> io::Result<()> {
        debug!(?write, "map");
        match write {
            MapWrite::SetInterface(index, interface) => self
                .interfaces
                .insert(index, Abi(*interface), 0)
                .map_err(io::Error::other)
                .and_then(|()| {
                    self.devices.insert(*index, *index, None, 0).map_err(io::Error::other)
                }),
            MapWrite::RemoveInterface(index) => self
                .interfaces
                .remove(index)
                .map_err(io::Error::other)
                .and_then(|()| self.devices.remove(*index).map_err(io::Error::other)),
            MapWrite::SetRealServer { index, real_server, new } => {
                if *new {
                    reset(&mut self.real_server_traffic, *index)?;
                    self.reset_load(*index);
                }
                self.real_servers.set(*index, Abi(*real_server), 0).map_err(io::Error::other)
            }
            MapWrite::VacateRealServer(index) => {
                self.set_limits(
                    *index,
                    Limits { weight: 0, upper_threshold: 0, lower_threshold: 0 },
                );
                let Abi(last) = self.real_servers.get(index, 0).map_err(io::Error::other)?;
                let vacant =
                    abi::RealServer { state: real_server_state::VACANT, weight: 0, ..last };
                self.real_servers.set(*index, Abi(vacant), 0).map_err(io::Error::other)
            }
            MapWrite::SetLimits(index, limits) => {
                self.set_limits(*index, *limits);
                Ok(())
            }
            MapWrite::SetSlots(first, slots) => slots
                .iter()
                .zip(*first..)
                .try_for_each(|(slot, index)| self.slots.set(index, slot, 0))
                .map_err(io::Error::other),
            MapWrite::SetService { key, service, new } => {
                if *new {
                    reset(&mut self.service_traffic, service.id)?;
                }
                self.services.insert(Abi(*key), Abi(*service), 0).map_err(io::Error::other)
            }
            MapWrite::RemoveService(key) => {
                self.services.remove(&Abi(*key)).map_err(io::Error::other)
            }
            MapWrite::SetVip(address, vip) => {
                self.vips.insert(address, Abi(*vip), 0).map_err(io::Error::other)
            }
            MapWrite::RemoveVip(address) => self.vips.remove(address).map_err(io::Error::other),
        }
    }

    fn service_traffic(&self, id: u32) -> io::Result<Traffic> {
        sum(&self.service_traffic, id)
    }

    fn real_server_traffic(&self, index: u32) -> io::Result<Traffic> {
        sum(&self.real_server_traffic, index)
    }

    fn fate(&self, fate: Fate) -> io::Result<u64> {
        let values = self.fates.get(&fate.index(), 0).map_err(io::Error::other)?;
        Ok(values.iter().sum())
    }
}

impl BpfDataplane {
    /// Writes the limits alone: the counts beside them are the program's.
    fn set_limits(&self, index: u32, limits: Limits) {
        if let Some(load) = self.shared.loads.get(index as usize) {
            load.upper_threshold.store(limits.upper_threshold, Ordering::Release);
            load.lower_threshold.store(limits.lower_threshold, Ordering::Release);
            load.weight.store(limits.weight, Ordering::Release);
        }
    }

    fn reset_load(&self, index: u32) {
        if let Some(load) = self.shared.loads.get(index as usize) {
            load.active.store(0, Ordering::Release);
            load.inactive.store(0, Ordering::Release);
            load.overloaded.store(0, Ordering::Release);
        }
    }
}

fn sum(map: &PerCpuArray<MapData, Abi<Traffic>>, index: u32) -> io::Result<Traffic> {
    let mut sum = Traffic::default();
    for Abi(traffic) in map.get(&index, 0).map_err(io::Error::other)?.iter() {
        sum += *traffic;
    }
    Ok(sum)
}

fn reset(map: &mut PerCpuArray<MapData, Abi<Traffic>>, index: u32) -> io::Result<()> {
    let cpus = nr_cpus().map_err(|(_, error)| error)?;
    let zeros = PerCpuValues::try_from(vec![Abi(Traffic::default()); cpus])?;
    map.set(index, zeros, 0).map_err(io::Error::other)
}

/// The kernel's error, with what to do about those that operators meet.
fn attach_advice(error: &anyhow::Error) -> String {
    if is_busy(error) {
        return "another XDP program is attached there; detach it first (`ip link set DEV xdp off`)"
            .to_owned();
    }
    if let Some(ProgramError::UnknownInterface { .. }) = error.downcast_ref() {
        return "there is no such interface".to_owned();
    }
    format!("{error:#}")
}

/// Whether another program is there already.
fn is_busy(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let errno = cause.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
        matches!(errno, Some(libc::EBUSY | libc::EEXIST))
    })
}

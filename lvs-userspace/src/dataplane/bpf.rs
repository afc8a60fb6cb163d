//! The maps and the program in the kernel: the only file that speaks to aya.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray, PerCpuValues},
    programs::{ProgramError, Xdp, XdpMode as AyaMode},
    util::nr_cpus,
};
use aya_log::EbpfLogger;
use lvs_common::{
    abi::{self, Connection, FlowKey, ServiceKey, Traffic, real_server_state},
    fate::Fate,
    names,
};
use nix::fcntl::{Flock, FlockArg};
use tracing::{debug, info};
use tracing_log::LogTracer;

use super::{Dataplane, MapWrite};
use crate::config::XdpMode;

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

/// The loaded program and its pinned maps. Dropping it detaches and unpins everything.
pub struct BpfDataplane {
    services: HashMap<MapData, Abi<ServiceKey>, Abi<abi::Service>>,
    real_servers: Array<MapData, Abi<abi::RealServer>>,
    slots: Array<MapData, u32>,
    connections: HashMap<MapData, Abi<FlowKey>, Abi<Connection>>,
    vips: HashMap<MapData, [u8; 4], Abi<abi::Vip>>,
    interfaces: HashMap<MapData, u32, Abi<abi::Interface>>,
    service_traffic: PerCpuArray<MapData, Abi<Traffic>>,
    real_server_traffic: PerCpuArray<MapData, Abi<Traffic>>,
    fates: PerCpuArray<MapData, u64>,
    ebpf: Ebpf,
    _pins: Pins,
}

impl BpfDataplane {
    /// Loads the program and pins its maps in `directory`; `log_level` is how much the program
    /// itself says, 0 for nothing to 5 for everything.
    ///
    /// # Errors
    /// When the kernel refuses the program or a map, or the pins can't be made.
    pub fn load(directory: &Path, log_level: u8) -> Result<Self, LoadError> {
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
        for name in names::MAPS {
            loader.map_pin_path(name, pins.path(name));
        }
        let mut ebpf = loader.load(OBJECT).map_err(|error| LoadError::Load(error.into()))?;
        program(&mut ebpf).and_then(|program| Ok(program.load()?)).map_err(LoadError::Load)?;
        Self::with_maps(ebpf, pins).map_err(LoadError::Load)
    }

    fn with_maps(mut ebpf: Ebpf, pins: Pins) -> anyhow::Result<Self> {
        Ok(Self {
            services: take(&mut ebpf, names::SERVICES)?,
            real_servers: take(&mut ebpf, names::REAL_SERVERS)?,
            slots: take(&mut ebpf, names::SLOTS)?,
            connections: take(&mut ebpf, names::CONNECTIONS)?,
            vips: take(&mut ebpf, names::VIPS)?,
            interfaces: take(&mut ebpf, names::INTERFACES)?,
            service_traffic: take(&mut ebpf, names::SERVICE_TRAFFIC)?,
            real_server_traffic: take(&mut ebpf, names::REAL_SERVER_TRAFFIC)?,
            fates: take(&mut ebpf, names::FATES)?,
            ebpf,
            _pins: pins,
        })
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
        let program = program(&mut self.ebpf).map_err(|error| failed(&error))?;
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
        program(&mut self.ebpf)
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
            MapWrite::SetInterface(index, interface) => {
                self.interfaces.insert(index, Abi(*interface), 0)
            }
            MapWrite::RemoveInterface(index) => self.interfaces.remove(index),
            MapWrite::SetRealServer { index, real_server, new } => new
                .then(|| reset(&mut self.real_server_traffic, *index))
                .unwrap_or(Ok(()))
                .and_then(|()| self.real_servers.set(*index, Abi(*real_server), 0)),
            MapWrite::VacateRealServer(index) => {
                let vacant = abi::RealServer {
                    state: real_server_state::VACANT,
                    ..bytemuck::Zeroable::zeroed()
                };
                self.real_servers.set(*index, Abi(vacant), 0)
            }
            MapWrite::SetSlots(first, turns) => turns
                .iter()
                .zip(*first..)
                .try_for_each(|(turn, index)| self.slots.set(index, turn, 0)),
            MapWrite::SetService { key, service, new } => new
                .then(|| reset(&mut self.service_traffic, service.id))
                .unwrap_or(Ok(()))
                .and_then(|()| self.services.insert(Abi(*key), Abi(*service), 0)),
            MapWrite::RemoveService(key) => self.services.remove(&Abi(*key)),
            MapWrite::SetVip(address, vip) => self.vips.insert(address, Abi(*vip), 0),
            MapWrite::RemoveVip(address) => self.vips.remove(address),
        }
        .map_err(io::Error::other)
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

    fn connections(&self, visit: &mut dyn FnMut(FlowKey, Connection)) -> io::Result<()> {
        for entry in self.connections.iter() {
            match entry {
                Ok((Abi(flow), Abi(connection))) => visit(flow, connection),
                Err(MapError::KeyNotFound) => {} // Gone since its key was read.
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(())
    }
}

fn program(ebpf: &mut Ebpf) -> anyhow::Result<&mut Xdp> {
    let program = ebpf.program_mut(names::PROGRAM);
    let program = program.ok_or_else(|| anyhow::anyhow!("it has no {}", names::PROGRAM))?;
    Ok(program.try_into()?)
}

fn take<M: TryFrom<Map, Error = MapError>>(ebpf: &mut Ebpf, name: &str) -> anyhow::Result<M> {
    let map = ebpf.take_map(name).ok_or_else(|| anyhow::anyhow!("it has no map {name}"))?;
    Ok(M::try_from(map)?)
}

fn sum(map: &PerCpuArray<MapData, Abi<Traffic>>, index: u32) -> io::Result<Traffic> {
    let mut sum = Traffic::default();
    for Abi(traffic) in map.get(&index, 0).map_err(io::Error::other)?.iter() {
        sum += *traffic;
    }
    Ok(sum)
}

fn reset(map: &mut PerCpuArray<MapData, Abi<Traffic>>, index: u32) -> Result<(), MapError> {
    let cpus = nr_cpus().map_err(|(_, error)| error)?;
    let zeros = PerCpuValues::try_from(vec![Abi(Traffic::default()); cpus])?;
    map.set(index, zeros, 0)
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

/// The files under the BPF file system: made with the maps, gone with this value.
#[derive(Debug)]
struct Pins {
    directory: PathBuf,
    /// Held for as long as this lvsd lives; the kernel lets go of it if it is killed.
    _lock: Flock<File>,
}

impl Pins {
    /// Makes the directory, and clears away the pins that a killed lvsd left there.
    fn make(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let lock = Flock::lock(File::open(directory)?, FlockArg::LockExclusiveNonblock)
            .map_err(|(_, errno)| io::Error::from(errno))?;
        let pins = Self { directory: directory.to_owned(), _lock: lock };
        for name in names::MAPS {
            match fs::remove_file(pins.path(name)) {
                Ok(()) => info!(name, "removed a pin that an earlier lvsd left behind"),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(pins)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name.to_lowercase())
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        for name in names::MAPS {
            let path = self.path(name);
            if let Err(error) = fs::remove_file(&path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(path = %path.display(), %error, "can't remove a pin");
            }
        }
        // It stays if somebody else has something in it.
        if let Err(error) = fs::remove_dir(&self.directory) {
            debug!(directory = %self.directory.display(), %error, "the directory of the pins stays");
        }
    }
}

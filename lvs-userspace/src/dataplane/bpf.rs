//! The maps and the program in the kernel: the only module that speaks to aya.

mod connections;
mod explain;
mod inspect;
mod links;
mod load;
mod pins;
mod read;
mod service_copies;
mod sizes;
mod told;
mod traffic;
mod vip_filter;
mod write;

use std::{collections::BTreeMap, io, path::Path, sync::Arc, time::Instant};

use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, DevMapHash, HashMap, MapData, PerCpuArray},
    programs::Xdp,
};
use aya_log::EbpfLogger;
use lvs_common::{
    abi::{self, Settings, Traffic, real_server_state},
    fate::Fate,
    limits, names,
};
use tracing::{info, warn};
use tracing_log::LogTracer;

pub use inspect::{PinFault, TableUse};
pub use links::AttachedAs;
pub use load::LoadError;
pub use pins::{DetachError, detach_all};
pub use sizes::Sizes;
pub use told::{Change, Ring, Templates, Told};

use load::{first_settings, id, load_program, program, read_clock, share, take};
use pins::{Found, Pins};
use service_copies::ServiceCopies;
use traffic::Counters;
use vip_filter::VipFilter;

use super::{
    Clock, Dataplane, Lease, MapWrite, ServiceTraffic, Tables,
    store::{ConnectionStore, SharedMaps},
};

/// The program, as it was built; empty if it was not.
pub static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/lvs-xdp.o"));

/// Bytes of the maps: what bytemuck calls plain old data, aya may copy.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Abi<T>(T);

// SAFETY: `repr(transparent)` over a type that has no padding and for which every bit pattern is
// valid, as bytemuck's derive has checked.
unsafe impl<T: bytemuck::Pod> aya::Pod for Abi<T> {}

/// The loaded program and its pinned maps. Until it is told to [stay](Self::stay), dropping it takes
/// away all that it has made.
pub struct BpfDataplane {
    /// Kept open: a program that is loaded later on knows it by the number of its file.
    _settings: Array<MapData, Abi<Settings>>,
    services: HashMap<MapData, Abi<abi::ServiceKey>, Abi<abi::Service>>,
    service_copies: ServiceCopies,
    real_servers: Array<MapData, Abi<abi::RealServer>>,
    slots: Array<MapData, u32>,
    vips: HashMap<MapData, [u8; 16], Abi<abi::Vip>>,
    vip_filter: VipFilter,
    templates: HashMap<MapData, Abi<abi::TemplateKey>, Abi<abi::Template>>,
    interfaces: HashMap<MapData, u32, Abi<abi::Interface>>,
    devices: DevMapHash<MapData>,
    counters: Counters,
    /// The kernel's number of the map that the program does not use.
    past_traffic: u32,
    fates: PerCpuArray<MapData, u64>,
    begun: PerCpuArray<MapData, Abi<abi::Begun>>,
    shared: Arc<SharedMaps>,
    store: ConnectionStore,
    lease: Arc<Lease>,
    clock: Clock,
    program: &'static str,
    ebpf: Ebpf,
    pins: Pins,
    sizes: Sizes,
    takes_over: bool,
}

impl BpfDataplane {
    /// Loads the program, with the maps that are pinned in `directory` or new ones; `log_level` is
    /// how much the program itself says, 0 for nothing to 5 for everything. Pinned maps keep their
    /// sizes. Those of another layout are given up: the program that uses them keeps them until it
    /// is replaced.
    ///
    /// # Errors
    /// When the kernel refuses the program or a map, or the pins can't be made.
    pub fn load(directory: &Path, sizes: Sizes, log_level: u8) -> Result<Self, LoadError> {
        let failed = |error: io::Error| {
            let directory = directory.to_owned();
            if error.kind() == io::ErrorKind::WouldBlock {
                LoadError::InUse(directory)
            } else {
                LoadError::Pin { directory, error }
            }
        };
        let mut pins = Pins::open(directory).map_err(failed)?;
        let found = pins.look();
        let sizes = match found {
            Found::Ours(held) => {
                if held != sizes {
                    warn!(
                        "the sizes of the maps have changed: that needs `lvsd --detach-all` first"
                    );
                }
                info!("takes over the maps of the lvsd before");
                held
            }
            Found::OtherLayout => {
                warn!("the maps of the lvsd before have another layout: its connections are lost");
                pins.remove_maps().map_err(failed)?;
                sizes
            }
            Found::Nothing => sizes,
        };

        let mut loader = EbpfLoader::new();
        loader.override_global(aya_log::LEVEL, &log_level, false);
        for (name, size) in sizes.maps() {
            loader.map_max_entries(name, size);
        }
        for name in names::MAPS {
            loader.map_pin_path(name, pins.path(name));
        }
        let ebpf = loader.load(OBJECT).map_err(|error| LoadError::Load(error.into()))?;
        let takes_over = matches!(found, Found::Ours(_));
        Self::set_up(ebpf, pins, sizes, takes_over).map_err(LoadError::Load)
    }

    fn set_up(mut ebpf: Ebpf, pins: Pins, sizes: Sizes, takes_over: bool) -> anyhow::Result<Self> {
        let program = load_program(&mut ebpf)?;
        let clock = read_clock(&mut ebpf)?;
        let lease = Arc::new(Lease::new(share(&ebpf, names::SETTINGS, 1)?, clock));
        let shared_settings = Arc::new(share(&ebpf, names::SETTINGS, 1)?);
        let shared = Arc::new(SharedMaps {
            loads: share(&ebpf, names::LOADS, sizes.real_servers as usize)?,
            connections: share(&ebpf, names::CONNECTIONS, sizes.buckets as usize)?,
            half_open: share(&ebpf, names::HALF_OPEN, sizes.half_open as usize)?,
            connections_v6: share(&ebpf, names::CONNECTIONS_V6, sizes.buckets_v6 as usize)?,
            half_open_v6: share(&ebpf, names::HALF_OPEN_V6, sizes.half_open_v6 as usize)?,
        });
        let mut settings: Array<_, Abi<Settings>> = take(&mut ebpf, names::SETTINGS)?;
        if !takes_over {
            let first = first_settings(&sizes, &clock)?;
            settings.set(0, Abi(first), 0)?;
        }
        let Abi(Settings { secrets, .. }) = settings.get(&0, 0)?;
        let store = ConnectionStore::new(Arc::clone(&shared), shared_settings, secrets, clock);
        // Whatever the lvsd before has left: nobody listens just now.
        store.tell(false, false);
        store.schedule_until(None);
        let services: HashMap<_, Abi<abi::ServiceKey>, Abi<abi::Service>> =
            take(&mut ebpf, names::SERVICES)?;
        let vips: HashMap<_, [u8; 16], Abi<abi::Vip>> = take(&mut ebpf, names::VIPS)?;
        let mut vip_filter = VipFilter::new(take(&mut ebpf, names::VIP_FILTER)?);
        for vip in vips.keys() {
            vip_filter.hold(vip?);
        }
        let mut held = BTreeMap::new();
        for entry in services.iter() {
            let (Abi(key), Abi(service)) = entry?;
            vip_filter.hold_service(&key, &service);
            held.insert(key, service);
        }
        let copies = share(&ebpf, names::SERVICE_COPIES, limits::SERVICE_COPIES)?;
        let mut service_copies = ServiceCopies::new(copies);
        service_copies.renew(&held, Instant::now());
        vip_filter.restore()?;
        let real_servers: Array<_, Abi<abi::RealServer>> = take(&mut ebpf, names::REAL_SERVERS)?;
        let traffic = take(&mut ebpf, names::REAL_SERVER_TRAFFIC)?;
        let past_traffic = id(&ebpf, names::PAST_TRAFFIC)?;
        let mut counters = Counters::new(traffic, take(&mut ebpf, names::PAST_TRAFFIC)?);
        if takes_over {
            for index in 1..sizes.real_servers {
                let Abi(found) = real_servers.get(&index, 0)?;
                if found.state != real_server_state::VACANT {
                    counters.hold(index, found.service);
                }
            }
        }
        Ok(Self {
            _settings: settings,
            lease,
            store,
            services,
            service_copies,
            real_servers,
            slots: take(&mut ebpf, names::SLOTS)?,
            vips,
            vip_filter,
            templates: take(&mut ebpf, names::TEMPLATES)?,
            interfaces: take(&mut ebpf, names::INTERFACES)?,
            devices: take(&mut ebpf, names::DEVICES)?,
            counters,
            past_traffic,
            fates: take(&mut ebpf, names::FATES)?,
            begun: take(&mut ebpf, names::BEGUN)?,
            shared,
            clock,
            program,
            ebpf,
            pins,
            sizes,
            takes_over,
        })
    }

    /// Whether these maps were in use before.
    #[must_use]
    pub fn takes_over(&self) -> bool {
        self.takes_over
    }

    /// Whether a program forwards already, by these maps or others.
    #[must_use]
    pub fn was_forwarding(&self) -> bool {
        self.pins.links().next().is_some()
    }

    /// How large the maps are.
    #[must_use]
    pub fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    /// From now on program and maps stay when this is gone.
    ///
    /// # Errors
    /// When the program can't be pinned.
    pub fn stay(&mut self) -> io::Result<()> {
        let path = self.pins.new_program()?;
        let program = program(&mut self.ebpf, self.program).map_err(io::Error::other)?;
        program.pin(path).map_err(io::Error::other)?;
        self.pins.keep();
        Ok(())
    }

    /// The clock that the program goes by.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The program's lease; without end for as long as nobody changes it, or as the lvsd before has left
    /// it.
    #[must_use]
    pub fn lease(&self) -> Arc<Lease> {
        Arc::clone(&self.lease)
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
        self.carry_out(write)
    }

    fn read(&self, real_servers: &mut dyn Iterator<Item = u32>) -> io::Result<Tables> {
        self.read_tables(real_servers)
    }

    fn service_traffic(&self, id: u32) -> io::Result<ServiceTraffic> {
        self.counters.of_service(id)
    }

    fn fate(&self, fate: Fate) -> io::Result<u64> {
        let values = self.fates.get(&fate.index(), 0).map_err(io::Error::other)?;
        Ok(values.iter().sum())
    }

    fn unrecorded(&self) -> io::Result<u64> {
        let mut sum = 0;
        for family in 0..self.begun.len() {
            for Abi(begun) in self.begun.get(&family, 0).map_err(io::Error::other)?.iter() {
                sum += begun.unrecorded;
            }
        }
        Ok(sum)
    }
}

impl BpfDataplane {
    /// What went to a real server, since its place was given to it.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn real_server_traffic(&self, index: u32) -> io::Result<Traffic> {
        self.counters.of_real_server(index)
    }

    /// Has the program find these services, which are those of `SERVICES`, without a call. To be called again
    /// and again.
    pub fn copy_services(&mut self, services: &BTreeMap<abi::ServiceKey, abi::Service>) {
        self.service_copies.renew(services, Instant::now());
    }

    /// Shares the room among the half-open connections out to those CPUs that connections begin on. To be called
    /// again and again.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn share_half_open(&self) -> io::Result<()> {
        let now = u32::from(self.clock.stamp(Instant::now()));
        let mut most = 1;
        for family in 0..self.begun.len() {
            let begun = self.begun.get(&family, 0).map_err(io::Error::other)?;
            // The clock of the entries has 16 bits. This one may be a little behind the program's.
            let is_recent = |Abi(it): &&Abi<abi::Begun>| {
                it.recorded > 0 && now.wrapping_sub(it.time).wrapping_add(1) & 0xffff <= 3
            };
            most = most.max(begun.iter().filter(is_recent).count());
        }
        self.share_half_open_among(u32::try_from(most).map_err(io::Error::other)?);
        Ok(())
    }

    /// Shares it out among so many CPUs; 0 to have each record all that begins.
    pub fn share_half_open_among(&self, cpus: u32) {
        self.store.share_among(cpus);
    }
}

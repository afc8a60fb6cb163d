//! The BPF maps, and what the forwarding policy does with them.
//!
//! Each has BTF (`#[btf_map]`), so that `bpftool map dump` shows every field by its name.

use core::intrinsics::{AtomicOrdering, atomic_xadd};

use aya_ebpf::{
    bindings::{BPF_ANY, BPF_F_MMAPABLE, BPF_F_NO_PREALLOC, xdp_action},
    btf_maps::{Array, DevMapHash, HashMap, LruHashMap, PerCpuArray, RingBuf},
    macros::btf_map,
    programs::XdpContext,
};
use lvs_common::{
    abi::{
        Begun, Bucket, BucketV6, FragmentKey, Interface, Load, RealServer, Service, ServiceKey,
        Settings, Template, TemplateKey, Traffic, Vip,
    },
    fate::Fate,
    flow::Flow,
    forward::{FamilyTables, Loads, Peekable, Table, Tables},
    limits,
    packet::transport::Segment,
    schedule::{Best, Slots},
    vip_filter::Marks,
};

use crate::{
    buckets::SharedBucket,
    clock,
    loads::{self, MapLoads},
    log,
    long_way::{self, v4, v6},
    service_copies::{self, Found},
    vip_filter,
};

// Hash maps that userspace writes are not preallocated: only then is a value replaced whole, and
// never reused for another key while a packet still reads it (kernel/bpf/hashtab.c).
const REPLACED_WHOLE: usize = BPF_F_NO_PREALLOC as usize;
// Arrays that lvsd maps into its own memory.
const SHARED: usize = BPF_F_MMAPABLE as usize;

// Arrays whose values are to be in a cache line each: only one that could be mapped begins at a page.
const LINES: usize = SHARED;

// The number of buckets is set when the program is loaded.
const SET_AT_LOAD: usize = 1;

#[btf_map]
static SETTINGS: Array<Settings, 1, SHARED> = Array::new();
#[btf_map]
static SERVICES: HashMap<ServiceKey, Service, { limits::SERVICES }, REPLACED_WHOLE> =
    HashMap::new();
#[btf_map]
static REAL_SERVERS: Array<RealServer, { limits::REAL_SERVERS }, LINES> = Array::new();
#[btf_map]
static TURNS: Array<u64, { limits::SERVICES }> = Array::new();
#[btf_map]
static CONNECTIONS: Array<Bucket, SET_AT_LOAD, SHARED> = Array::new();
#[btf_map]
static HALF_OPEN: Array<Bucket, SET_AT_LOAD, SHARED> = Array::new();
#[btf_map]
static CONNECTIONS_V6: Array<BucketV6, SET_AT_LOAD, SHARED> = Array::new();
#[btf_map]
static HALF_OPEN_V6: Array<BucketV6, SET_AT_LOAD, SHARED> = Array::new();
#[btf_map]
static TEMPLATES: LruHashMap<TemplateKey, Template, { limits::TEMPLATES }> = LruHashMap::new();
#[btf_map]
static FRAGMENTS: LruHashMap<FragmentKey, u32, { limits::FRAGMENTS }> = LruHashMap::new();
// Of what is told there are several kinds, each of another length.
#[btf_map]
static CHANGES: RingBuf<Flow<[u8; 4]>, { limits::CHANGES }> = RingBuf::new();
#[btf_map]
static BEGINNINGS: RingBuf<Flow<[u8; 4]>, { limits::BEGINNINGS }> = RingBuf::new();
#[btf_map]
static VIPS: HashMap<[u8; 16], Vip, { limits::VIPS }, REPLACED_WHOLE> = HashMap::new();
#[btf_map]
static BEGUN: PerCpuArray<Begun, 2> = PerCpuArray::new();
#[btf_map]
static INTERFACES: HashMap<u32, Interface, { limits::INTERFACES }, REPLACED_WHOLE> = HashMap::new();
#[btf_map]
static DEVICES: DevMapHash<{ limits::INTERFACES }> = DevMapHash::new();
// Here so that it is made with the others: it is lvsd's alone.
#[btf_map]
static PAST_TRAFFIC: Array<Traffic, { limits::SERVICES }> = Array::new();
#[btf_map]
static RS_TRAFFIC: PerCpuArray<Traffic, { limits::REAL_SERVERS }> = PerCpuArray::new();
#[btf_map]
static FATES: PerCpuArray<u64, { Fate::ALL.len() }> = PerCpuArray::new();

/// Sends the frame out of another interface.
#[inline(always)]
pub(crate) fn redirect(interface: u32) -> u32 {
    DEVICES.redirect(interface, 0).unwrap_or(xdp_action::XDP_ABORTED)
}

/// The maps, seen by one packet; without one where none is needed.
pub(crate) struct BpfMaps<'a> {
    context: Option<&'a XdpContext>,
}

impl<'a> BpfMaps<'a> {
    #[inline(always)]
    pub(crate) fn new(context: &'a XdpContext) -> Self {
        Self { context: Some(context) }
    }

    /// For functions that look at no packet.
    #[inline(always)]
    pub(crate) fn without_packet() -> Self {
        Self { context: None }
    }
}

macro_rules! family {
    ($address:ty, $bucket:ty, [$established:ident, $half_open:ident], [$n:ident, $n_half_open:ident],
     $begun:literal, $functions:ident) => {
        impl FamilyTables<$address> for BpfMaps<'_> {
            type Bucket = SharedBucket<$bucket>;

            #[inline(always)]
            fn bucket(&self, table: Table, index: u32) -> Option<&Self::Bucket> {
                let bucket = match table {
                    Table::Established => $established.get_ptr_mut(index),
                    Table::HalfOpen => $half_open.get_ptr_mut(index),
                };
                // SAFETY: the map's own memory, aligned as its values are.
                bucket.map(|bucket| unsafe { SharedBucket::at(bucket) })
            }

            #[inline(always)]
            fn n_buckets(&self, table: Table, settings: &Settings) -> u32 {
                match table {
                    Table::Established => settings.$n,
                    Table::HalfOpen => settings.$n_half_open,
                }
            }

            #[inline(always)]
            fn begun(&self) -> Begun {
                BEGUN.get($begun).copied().unwrap_or_default()
            }

            #[inline(always)]
            fn set_begun(&self, begun: Begun) {
                if let Some(place) = BEGUN.get_ptr_mut($begun) {
                    // SAFETY: as in `add`.
                    unsafe { *place = begun };
                }
            }

            #[inline(always)]
            fn unrecorded(&self, flow: &Flow<$address>) -> u32 {
                $functions::unrecorded(flow)
            }

            #[inline(always)]
            fn make_room(&self, flow: &Flow<$address>) -> u32 {
                $functions::make_room(flow)
            }

            #[inline(always)]
            fn long_way(&self, flow: &Flow<$address>, segment: Segment) -> u64 {
                $functions::long_way(flow, segment as u32)
            }

            #[inline(always)]
            fn choose(&self, flow: &Flow<$address>) -> u64 {
                $functions::choose(flow)
            }

            #[inline(always)]
            fn settle(&self, flow: &Flow<$address>, segment: Segment, decided: u64) -> u64 {
                $functions::settle(flow, segment as u32, decided)
            }

            #[inline(always)]
            fn tell(&self, flow: &Flow<$address>, table: Table) {
                // What finds no room is told in the next round of all that is remembered.
                let _full = match table {
                    Table::Established => CHANGES.output_untyped::<Flow<$address>>(flow, 0),
                    Table::HalfOpen => BEGINNINGS.output_untyped::<Flow<$address>>(flow, 0),
                };
            }

            #[inline(always)]
            fn find(&self, flow: &Flow<$address>, segment: Segment, table: Table) -> u64 {
                $functions::find(flow, segment as u32, table as u32)
            }
        }
    };
}

family!([u8; 4], Bucket, [CONNECTIONS, HALF_OPEN], [buckets, half_open_buckets], 0, v4);
family!(
    [u8; 16],
    BucketV6,
    [CONNECTIONS_V6, HALF_OPEN_V6],
    [buckets_v6, half_open_buckets_v6],
    1,
    v6
);

impl Loads for BpfMaps<'_> {
    #[inline(always)]
    fn slot(&self, index: u32) -> Option<u32> {
        MapLoads.slot(index)
    }

    #[inline(always)]
    fn load(&self, real_server: u32) -> Option<Load> {
        MapLoads.load(real_server)
    }

    #[inline(always)]
    fn is_overloaded(&self, real_server: u32) -> bool {
        MapLoads.is_overloaded(real_server)
    }

    #[inline(always)]
    fn compare(&self, slots: Slots, best: &mut Best) -> bool {
        MapLoads.compare(slots, best)
    }

    #[inline(always)]
    fn set_overloaded(&self, real_server: u32, overloaded: bool) {
        MapLoads.set_overloaded(real_server, overloaded);
    }
}

impl Tables for BpfMaps<'_> {
    #[inline(always)]
    fn settings(&self) -> Option<&Settings> {
        SETTINGS.get(0)
    }

    #[inline(always)]
    fn jiffies(&self) -> u64 {
        clock::jiffies()
    }

    #[inline(always)]
    fn ingress(&self) -> u32 {
        match self.context {
            Some(context) => context.ingress_ifindex() as u32,
            None => 0,
        }
    }

    #[inline(always)]
    fn interface(&self) -> Option<Interface> {
        // SAFETY: not preallocated, as above.
        unsafe { INTERFACES.get(self.ingress()) }.copied()
    }

    #[inline(always)]
    fn service(&self, key: &ServiceKey) -> Option<&Service> {
        match service_copies::find(key) {
            Found::Is(service) => Some(service),
            Found::IsNone => None,
            // SAFETY: not preallocated, so the value stays as it is while this program reads it.
            Found::Unknown => unsafe { SERVICES.get(key) },
        }
    }

    #[inline(always)]
    fn marks(&self, fold: u32) -> Marks {
        vip_filter::marks(fold)
    }

    #[inline(always)]
    fn is_vip(&self, address: &[u8; 16]) -> bool {
        VIPS.get_ptr(address).is_some()
    }

    #[inline(always)]
    fn real_server(&self, index: u32) -> Option<&RealServer> {
        REAL_SERVERS.get(index)
    }

    #[inline(always)]
    fn take_turn(&self, service: u32) -> Option<u64> {
        let turn = TURNS.get_ptr_mut(service)?;
        // SAFETY: the pointer is to an aligned u64 of the map; others only add to it, atomically.
        Some(unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::SeqCst }>(turn, 1) })
    }

    #[inline(always)]
    fn least(&self, slots: Slots) -> u32 {
        long_way::lvs_least(slots.first, slots.n, slots.scheduler)
    }

    #[inline(always)]
    fn add_connections(&self, real_server: u32, active: i32, inactive: i32) {
        loads::add_connections(real_server, active, inactive);
    }

    #[inline(always)]
    fn template(&self, key: &TemplateKey) -> Option<Template> {
        // SAFETY: two words; should they be of two moments, the client goes to another real
        // server once, as if it had been forgotten.
        unsafe { TEMPLATES.get(key) }.copied()
    }

    #[inline(always)]
    fn set_template(&self, key: &TemplateKey, template: Template) {
        // A full LRU map makes room by itself. Should the kernel fail for want of memory, the
        // client is not remembered this time.
        let _failed = TEMPLATES.insert(key, template, u64::from(BPF_ANY));
    }

    #[inline(always)]
    fn tell_template(&self, key: &TemplateKey) {
        // As with connections.
        let _full = CHANGES.output_untyped::<TemplateKey>(key, 0);
    }

    #[inline(always)]
    fn fragment(&self, key: &FragmentKey) -> Option<u32> {
        // SAFETY: one word.
        unsafe { FRAGMENTS.get(key) }.copied()
    }

    #[inline(always)]
    fn set_fragment(&self, key: &FragmentKey, real_server: u32) {
        // As with templates: then the rest of the datagram is dropped, and sent again.
        let _failed = FRAGMENTS.insert(key, real_server, u64::from(BPF_ANY));
    }

    #[inline(always)]
    fn account(&self, real_server: u32, traffic: Traffic) {
        add(RS_TRAFFIC.get_ptr_mut(real_server), traffic);
    }

    #[inline(always)]
    fn count(&self, fate: Fate) {
        if let Some(context) = self.context {
            log::tell(context, fate);
        }
        if let Some(counter) = FATES.get_ptr_mut(fate.index()) {
            // SAFETY: as in `add`.
            unsafe { *counter = (*counter).wrapping_add(1) };
        }
    }
}

impl Peekable for BpfMaps<'_> {
    #[inline(always)]
    fn next_turn(&self, service: u32) -> Option<u64> {
        TURNS.get(service).copied()
    }

    #[inline(always)]
    fn peek_overloaded(&self, real_server: u32) -> bool {
        long_way::lvs_peek_overloaded(real_server) != 0
    }

    #[inline(always)]
    fn peek_compare(&self, slots: Slots, best: &mut Best) -> bool {
        long_way::lvs_peek_compare(slots.first, slots.n, slots.scheduler, best) != 0
    }

    #[inline(always)]
    fn peek_least(&self, slots: Slots) -> u32 {
        long_way::lvs_peek_least(slots.first, slots.n, slots.scheduler)
    }
}

/// Adds to a counter of this CPU.
#[inline(always)]
fn add(counter: Option<*mut Traffic>, traffic: Traffic) {
    if let Some(counter) = counter {
        // SAFETY: the value is this CPU's own, and XDP programs do not interrupt each other on one
        // CPU.
        unsafe { *counter += traffic };
    }
}

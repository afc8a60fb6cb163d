//! The BPF maps, and what the forwarding policy does with them.
//!
//! Each has BTF (`#[btf_map]`), so that `bpftool map dump` shows every field by its name.

use core::intrinsics::{AtomicOrdering, atomic_xadd};

use aya_ebpf::{
    bindings::{BPF_ANY, BPF_F_NO_PREALLOC},
    btf_maps::{Array, HashMap, LruHashMap, PerCpuArray},
    macros::btf_map,
    programs::XdpContext,
};
use lvs_common::{
    abi::{Connection, FlowKey, Interface, RealServer, Service, ServiceKey, Traffic, Vip},
    fate::Fate,
    forward::Tables,
    limits,
};

// Hash maps that userspace writes are not preallocated: only then is a value replaced whole, and
// never reused for another key while a packet still reads it (kernel/bpf/hashtab.c).
const REPLACED_WHOLE: usize = BPF_F_NO_PREALLOC as usize;

#[btf_map]
static SERVICES: HashMap<ServiceKey, Service, { limits::SERVICES }, REPLACED_WHOLE> =
    HashMap::new();
#[btf_map]
static REAL_SERVERS: Array<RealServer, { limits::REAL_SERVERS }> = Array::new();
#[btf_map]
static SLOTS: Array<u32, { limits::SLOTS }> = Array::new();
#[btf_map]
static TURNS: Array<u64, { limits::SERVICES }> = Array::new();
#[btf_map]
static CONNECTIONS: LruHashMap<FlowKey, Connection, { limits::CONNECTIONS }> = LruHashMap::new();
#[btf_map]
static VIPS: HashMap<[u8; 4], Vip, { limits::VIPS }, REPLACED_WHOLE> = HashMap::new();
#[btf_map]
static INTERFACES: HashMap<u32, Interface, { limits::INTERFACES }, REPLACED_WHOLE> = HashMap::new();
#[btf_map]
static SERVICE_TRAFFIC: PerCpuArray<Traffic, { limits::SERVICES }> = PerCpuArray::new();
#[btf_map]
static RS_TRAFFIC: PerCpuArray<Traffic, { limits::REAL_SERVERS }> = PerCpuArray::new();
#[btf_map]
static FATES: PerCpuArray<u64, { Fate::ALL.len() }> = PerCpuArray::new();

/// The maps, seen by one packet.
pub(crate) struct BpfMaps {
    ingress: u32,
}

impl BpfMaps {
    #[inline(always)]
    pub(crate) fn new(context: &XdpContext) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "xdp_md.ingress_ifindex is a u32")]
        Self { ingress: context.ingress_ifindex() as u32 }
    }
}

impl Tables for BpfMaps {
    #[inline(always)]
    fn service(&self, key: &ServiceKey) -> Option<Service> {
        // SAFETY: not preallocated, so the value stays as it is while this program reads it.
        unsafe { SERVICES.get(key) }.copied()
    }

    #[inline(always)]
    fn connection(&self, flow: &FlowKey) -> Option<Connection> {
        // SAFETY: two words, of which only the second is ever written anew.
        unsafe { CONNECTIONS.get(flow) }.copied()
    }

    #[inline(always)]
    fn real_server(&self, index: u32) -> Option<&RealServer> {
        REAL_SERVERS.get(index)
    }

    #[inline(always)]
    fn slot(&self, index: u32) -> Option<u32> {
        SLOTS.get(index).copied()
    }

    #[inline(always)]
    fn take_turn(&self, service: u32) -> Option<u64> {
        let turn = TURNS.get_ptr_mut(service)?;
        // SAFETY: the pointer is to an aligned u64 of the map; others only add to it, atomically.
        Some(unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::SeqCst }>(turn, 1) })
    }

    #[inline(always)]
    fn vip(&self, address: [u8; 4]) -> Option<Vip> {
        // SAFETY: not preallocated, as above.
        unsafe { VIPS.get(address) }.copied()
    }

    #[inline(always)]
    fn ingress(&self) -> Option<Interface> {
        // SAFETY: not preallocated, as above.
        unsafe { INTERFACES.get(self.ingress) }.copied()
    }

    #[inline(always)]
    fn record(&mut self, flow: &FlowKey, connection: Connection) {
        // A full LRU map makes room by itself. Should the kernel fail for want of memory, the next
        // packet is stray or first again; this one is forwarded all the same.
        let _full = CONNECTIONS.insert(flow, connection, u64::from(BPF_ANY));
    }

    #[inline(always)]
    fn account(&mut self, service: u32, real_server: u32, traffic: Traffic) {
        let counters = [SERVICE_TRAFFIC.get_ptr_mut(service), RS_TRAFFIC.get_ptr_mut(real_server)];
        for counter in counters.into_iter().flatten() {
            // SAFETY: the value is this CPU's own, and XDP programs do not interrupt each other on
            // one CPU.
            unsafe { *counter += traffic };
        }
    }

    #[inline(always)]
    fn count(&mut self, fate: Fate) {
        if let Some(counter) = FATES.get_ptr_mut(fate.index()) {
            // SAFETY: as in `account`.
            unsafe { *counter = (*counter).wrapping_add(1) };
        }
    }
}

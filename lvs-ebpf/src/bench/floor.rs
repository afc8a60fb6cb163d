//! What a packet costs at least.
//!
//! No load balancer that remembers connections in a map of the kernel is cheaper than [`floor`]: it
//! reads the headers, finds the flow in an LRU hash map, writes both MACs, counts, and sends the frame
//! back. Nothing else is looked up, and nothing can go wrong.

use aya_ebpf::{
    bindings::{BPF_ANY, xdp_action},
    btf_maps::{LruHashMap, PerCpuArray},
    macros::{btf_map, xdp},
    programs::XdpContext,
};
use lvs_common::frame::{Frame as _, Head};

use crate::frame::{Length, XdpFrame};

/// Names a flow.
#[repr(C)]
pub(crate) struct Key {
    source: u32,
    destination: u32,
    ports: u32,
    protocol: u32,
}

/// Both MACs that packets of a flow leave with, as they lie in the frame.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Way {
    macs: [u32; 3],
    reserved: u32,
}

#[repr(C)]
pub(crate) struct Traffic {
    packets: u64,
    bytes: u64,
}

/// Its size is set when it is loaded.
#[btf_map]
static FLOWS: LruHashMap<Key, Way, 65_536> = LruHashMap::new();
#[btf_map]
static TRAFFIC: PerCpuArray<Traffic, 1> = PerCpuArray::new();

/// Passes the frame: what a test run costs by itself.
#[xdp(frags)]
pub(crate) fn pass(_context: XdpContext) -> u32 {
    xdp_action::XDP_PASS
}

/// Sends the frame back as it is.
#[xdp(frags)]
pub(crate) fn tx(_context: XdpContext) -> u32 {
    xdp_action::XDP_TX
}

/// Sends the frame back to where it came from.
#[xdp(frags)]
pub(crate) fn swap(context: XdpContext) -> u32 {
    let mut frame = XdpFrame::new(&context, Length::Linear);
    let Some(mut head) = frame.head::<12>() else { return xdp_action::XDP_ABORTED };
    let [a, b, c] = [head.word::<0>(), head.word::<4>(), head.word::<8>()];
    write_macs(&mut head, [b >> 16 | c << 16, c >> 16 | a << 16, a >> 16 | b << 16]);
    xdp_action::XDP_TX
}

/// Sends the frame where its flow goes; it has to be known.
#[xdp(frags)]
pub(crate) fn floor(context: XdpContext) -> u32 {
    let mut frame = XdpFrame::new(&context, Length::Linear);
    finish(forward(&mut frame, length(&context)))
}

/// The same, for a flow that is new.
#[xdp(frags)]
pub(crate) fn floor_insert(context: XdpContext) -> u32 {
    let mut frame = XdpFrame::new(&context, Length::Linear);
    finish(begin(&mut frame, length(&context)))
}

#[inline(always)]
fn forward(frame: &mut XdpFrame<'_>, length: usize) -> Option<()> {
    let mut head = frame.head::<54>()?;
    let key = parse(&head)?;
    // SAFETY: the words are read once; should the place be given to another flow meanwhile, this
    // packet goes where that one goes.
    let way = unsafe { FLOWS.get(&key) }?;
    write_macs(&mut head, way.macs);
    count(length)
}

#[inline(always)]
fn begin(frame: &mut XdpFrame<'_>, length: usize) -> Option<()> {
    let mut head = frame.head::<54>()?;
    let key = parse(&head)?;
    let way = Way { macs: [0x0a00_0002, 0x0002_014d, 0x4d0a_0300], reserved: 0 };
    FLOWS.insert(&key, way, u64::from(BPF_ANY)).ok()?;
    write_macs(&mut head, way.macs);
    count(length)
}

/// EtherType, version and header length of what is read.
const PLAIN: u32 = 0x0800_4500;
const PLAIN_MASK: u32 = 0xffff_ff00;

/// The flow of a TCP packet over IPv4.
#[inline(always)]
fn parse(head: &impl Head) -> Option<Key> {
    // IPv4 without options, and TCP.
    let is_plain = head.word::<12>() & PLAIN_MASK.to_be() == PLAIN.to_be();
    let is_fragment = head.word::<18>() & 0x3fff_u32.to_be() != 0;
    let protocol = head.word::<22>().to_ne_bytes()[1];
    if !is_plain || is_fragment || protocol != 6 {
        return None;
    }
    Some(Key {
        source: head.word::<26>(),
        destination: head.word::<30>(),
        ports: head.word::<34>(),
        protocol: protocol.into(),
    })
}

#[inline(always)]
fn write_macs(head: &mut impl Head, [a, b, c]: [u32; 3]) {
    head.set_word::<0>(a);
    head.set_word::<4>(b);
    head.set_word::<8>(c);
}

#[inline(always)]
fn count(length: usize) -> Option<()> {
    let traffic = TRAFFIC.get_ptr_mut(0)?;
    // SAFETY: this CPU's own; XDP programs do not interrupt each other on one CPU.
    let Traffic { packets, bytes } = unsafe { &mut *traffic };
    *packets = packets.wrapping_add(1);
    *bytes = bytes.wrapping_add(length as u64);
    Some(())
}

#[inline(always)]
fn length(context: &XdpContext) -> usize {
    context.data_end() - context.data()
}

#[inline(always)]
fn finish(done: Option<()>) -> u32 {
    if done.is_some() { xdp_action::XDP_TX } else { xdp_action::XDP_ABORTED }
}

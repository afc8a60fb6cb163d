//! Makes a packet of a plan and hands it to the program that is measured.
//!
//! `BPF_PROG_TEST_RUN` gives a program the same frame again and again, as the program has left it. So
//! this one runs first: it undoes what the program has changed, names a client, and goes on to the
//! program by a tail call, which costs a nanosecond at most.

use aya_ebpf::{
    bindings::xdp_action,
    btf_maps::{Array, PerCpuArray, ProgramArray},
    helpers::generated::bpf_ktime_get_ns,
    macros::{btf_map, xdp},
    programs::XdpContext,
};
use lvs_common::frame::Frame as _;

use crate::{
    frame::{Length, XdpFrame},
    plan::{Plan, Run, kind},
};

#[btf_map]
static PLANS: Array<Plan, 2> = Array::new();
#[btf_map]
static RUN: PerCpuArray<Run, 1> = PerCpuArray::new();
/// The program that is measured.
#[btf_map]
static TARGET: ProgramArray<1> = ProgramArray::new();

/// Entry point. `XDP_ABORTED` if there is no plan or no target.
#[xdp(frags)]
pub(crate) fn prepare(context: XdpContext) -> u32 {
    if write(&mut XdpFrame::new(&context, Length::Linear)).is_some() {
        // SAFETY: nothing is owned here that would have to be dropped.
        unsafe { TARGET.tail_call(&context, 0) };
    }
    xdp_action::XDP_ABORTED
}

#[inline(always)]
fn write(frame: &mut XdpFrame<'_>) -> Option<()> {
    // SAFETY: this CPU's own.
    let run = unsafe { &mut *RUN.get_ptr_mut(0)? };
    let mut number = run.packets;
    run.packets = number.wrapping_add(1);
    if number == 0 {
        run.begin = now();
    }
    if number == run.last {
        run.end = now();
    }
    let mut plan = PLANS.get(0)?;
    if plan.alternates != 0 {
        if number & 1 != 0 {
            plan = PLANS.get(1)?;
        }
        number >>= 1;
    }

    frame.write::<12>(0, bytes(plan.macs))?;
    let number = (plan.first.wrapping_add(number.wrapping_mul(plan.stride)) & plan.mask)
        .wrapping_mul(plan.multiplier);
    let address = plan.address.wrapping_add((number >> 16) as u32).to_be_bytes();
    let [a, b] = plan.port.wrapping_add(number as u16).to_be_bytes();
    let [c, d] = plan.to_port;
    // Whole words, as programs read them: the processor waits when a word is read of which only a part was
    // just written, and no packet from a network card would have it wait.
    let ports = [a, b, c, d];
    match plan.kind {
        kind::TCP => {
            frame.write(26, address)?;
            frame.write(34, ports)?;
            frame.write(46, plan.flags)
        }
        kind::TCP_V6 => {
            frame.write(34, address)?;
            frame.write(54, ports)?;
            frame.write(66, plan.flags)
        }
        kind::UDP => {
            frame.write(26, address)?;
            frame.write(34, ports)
        }
        kind::UDP_V6 => {
            frame.write(34, address)?;
            frame.write(54, ports)
        }
        kind::BODY => {
            let [a, b, c, d, e, rest] = plan.body;
            frame.write::<20>(20, bytes([a, b, c, d, e]))?;
            frame.write(40, rest.to_ne_bytes())
        }
        kind::MACS => Some(()),
        _ => None,
    }
}

/// The time in nanoseconds.
#[inline(always)]
fn now() -> u64 {
    // SAFETY: nothing has to hold for it.
    unsafe { bpf_ktime_get_ns() }
}

/// The bytes of words, as they lie in memory.
#[inline(always)]
pub(crate) fn bytes<const WORDS: usize, const BYTES: usize>(words: [u32; WORDS]) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    let mut at = 0;
    while at < WORDS && 4 * at + 4 <= BYTES {
        let [a, b, c, d] = words[at].to_ne_bytes();
        (bytes[4 * at], bytes[4 * at + 1], bytes[4 * at + 2], bytes[4 * at + 3]) = (a, b, c, d);
        at += 1;
    }
    bytes
}

//! The XDP program: a thin shell around [`lvs_common`].
//!
//! What becomes of a packet is decided in `lvs_common::forward`; here are only the kernel's sides
//! of its seams: the frame ([`frame`]), the tables ([`maps`]) and the buckets of the connection
//! tables ([`buckets`]).
#![no_std]
#![no_main]
#![feature(asm_experimental_arch, core_intrinsics)]
#![expect(internal_features, reason = "atomic instructions of BPF are reached by intrinsics alone")]

mod buckets;
mod clock;
mod frame;
mod log;
mod long_way;
mod maps;

use aya_ebpf::{bindings::xdp_action, macros::xdp, programs::XdpContext};
use lvs_common::forward::{self, Verdict};

use crate::{
    frame::{Length, XdpFrame},
    maps::BpfMaps,
};

/// Entry point: every frame that an interface receives.
#[xdp]
pub(crate) fn lvs_xdp(context: XdpContext) -> u32 {
    run(&context, Length::Linear)
}

/// The same, for drivers that hand over a frame in several buffers; the headers are in the first.
#[xdp(frags)]
pub(crate) fn lvs_xdp_frags(context: XdpContext) -> u32 {
    run(&context, Length::Fragments)
}

#[inline(always)]
fn run(context: &XdpContext, length: Length) -> u32 {
    let mut frame = XdpFrame::new(context, length);
    let maps = BpfMaps::new(context);
    match forward::run(&mut frame, &maps) {
        Verdict::Pass => xdp_action::XDP_PASS,
        Verdict::Drop => xdp_action::XDP_DROP,
        Verdict::Transmit => xdp_action::XDP_TX,
        Verdict::Redirect(interface) => maps::redirect(interface),
    }
}

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // The verifier accepts no program that could come here.
    loop {}
}

/// Some helpers are for GPL-compatible programs alone.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

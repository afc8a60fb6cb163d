//! The XDP program: a thin shell around [`lvs_common`].
//!
//! What becomes of a packet is decided in `lvs_common::forward`; here are only the kernel's sides
//! of its two seams: the frame ([`frame`]) and the tables ([`maps`]).
#![no_std]
#![no_main]
#![feature(core_intrinsics)]
#![expect(internal_features, reason = "atomic instructions of BPF are reached by intrinsics alone")]

mod frame;
mod log;
mod maps;

use aya_ebpf::{bindings::xdp_action, macros::xdp, programs::XdpContext};
use lvs_common::forward::{self, Verdict};

use crate::{frame::XdpFrame, maps::BpfMaps};

/// Entry point: every frame that an interface receives.
#[xdp]
pub(crate) fn lvs_xdp(context: XdpContext) -> u32 {
    let mut frame = XdpFrame::new(&context);
    let mut maps = BpfMaps::new(&context);
    let decision = forward::decide(&frame, &maps);
    log::tell(&context, &decision);
    match forward::act(decision, &mut frame, &mut maps) {
        Verdict::Pass => xdp_action::XDP_PASS,
        Verdict::Drop => xdp_action::XDP_DROP,
        Verdict::Transmit => xdp_action::XDP_TX,
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

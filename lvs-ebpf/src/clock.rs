//! A program that tells lvsd what time it is to the other one.
//!
//! Jiffies cost nothing to read in the program, where `bpf_ktime_get_ns` costs as much as a look-up
//! (26 ns), but userspace has no way to them. So lvsd runs this program on a dummy frame, which
//! comes back with the time in its first bytes.

use aya_ebpf::{
    bindings::xdp_action, helpers::generated::bpf_jiffies64, macros::xdp, programs::XdpContext,
};
use lvs_common::frame::Frame as _;

use crate::frame::{Length, XdpFrame};

/// Writes the time, in jiffies, host order, at the start of the frame.
#[xdp]
pub(crate) fn lvs_clock(context: XdpContext) -> u32 {
    match XdpFrame::new(&context, Length::Linear).write(0, jiffies().to_ne_bytes()) {
        Some(()) => xdp_action::XDP_PASS,
        None => xdp_action::XDP_ABORTED,
    }
}

/// The kernel's clock.
#[inline(always)]
pub(crate) fn jiffies() -> u64 {
    // SAFETY: the helper has no arguments and no conditions.
    unsafe { bpf_jiffies64() }
}

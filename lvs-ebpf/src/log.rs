//! What the program has to say: nothing unless lvsd was told to listen (`--program-log`), and never
//! for each packet.

use aya_ebpf::{
    btf_maps::PerCpuArray, helpers::generated::bpf_jiffies64, macros::btf_map, programs::XdpContext,
};
use aya_log_ebpf::{debug, warn};
use lvs_common::{
    fate::Fate,
    forward::{Decision, Kind},
};

/// Jiffies between two lines of one CPU: from a quarter of a second to two and a half, as the
/// kernel's HZ is.
const PAUSE: u64 = 256;

/// When this CPU last said something, in jiffies.
#[btf_map]
static LAST_SAID: PerCpuArray<u64, 1> = PerCpuArray::new();

/// Says what an operator who listens would want to know of a packet.
#[inline(always)]
pub(crate) fn tell(context: &XdpContext, decision: &Decision) {
    match decision {
        Decision::End(fate @ (Fate::DroppedNoRealServer | Fate::DroppedNeighbourUnknown)) => {
            if may_speak() {
                warn!(context, "dropping packets: {}", fate.name());
            }
        }
        Decision::Forward(forward) if forward.kind == Kind::New => {
            if may_speak() {
                debug!(context, "a connection begins at real server {}", forward.real_server);
            }
        }
        Decision::Forward(_) | Decision::AnswerArp(..) | Decision::End(_) => {}
    }
}

/// Whether it is time for another line.
#[inline(always)]
fn may_speak() -> bool {
    // SAFETY: the helper has no arguments and no conditions.
    let now = unsafe { bpf_jiffies64() };
    let Some(last) = LAST_SAID.get_ptr_mut(0) else { return false };
    // SAFETY: the value is this CPU's own.
    unsafe {
        if now.wrapping_sub(*last) < PAUSE {
            return false;
        }
        *last = now;
    }
    true
}

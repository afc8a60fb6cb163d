//! What the program has to say: nothing unless lvsd was told to listen (`--program-log`), and never
//! for each packet.

use aya_ebpf::{btf_maps::PerCpuArray, macros::btf_map, programs::XdpContext};
use aya_log_ebpf::warn;
use lvs_common::fate::Fate;

use crate::clock::jiffies;

/// Jiffies between two lines of one CPU: from a quarter of a second to two and a half, as the
/// kernel's HZ is.
const PAUSE: u64 = 256;

/// When this CPU last said something, in jiffies.
#[btf_map]
static LAST_SAID: PerCpuArray<u64, 1> = PerCpuArray::new();

/// Says that packets are being dropped, and why.
#[inline(always)]
pub(crate) fn tell(context: &XdpContext, fate: Fate) {
    match fate {
        Fate::DroppedNoRealServer
        | Fate::DroppedNeighbourUnknown
        | Fate::DroppedFragment
        | Fate::DroppedLoop
        | Fate::DroppedNoRoom => {
            if may_speak() {
                warn!(context, "dropping packets: fate {}", fate.index());
            }
        }
        Fate::PassedOtherEthertype
        | Fate::PassedMalformed
        | Fate::PassedOtherProtocol
        | Fate::PassedNoService
        | Fate::PassedFragment
        | Fate::PassedIcmp
        | Fate::PassedArp
        | Fate::PassedInactive
        | Fate::AnsweredArp
        | Fate::AnsweredEcho => {}
    }
}

/// Whether it is time for another line.
#[inline(always)]
fn may_speak() -> bool {
    let now = jiffies();
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

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

macro_rules! say {
    ($context:expr, $text:literal) => {
        if may_speak() {
            warn!($context, $text);
        }
    };
}

/// Says that packets are being dropped, and why.
#[inline(always)]
pub(crate) fn tell(context: &XdpContext, fate: Fate) {
    // A text each: a table of names would be data that BPF has no place for.
    match fate {
        Fate::DroppedNoRealServer => say!(context, "dropping packets: no real server takes them"),
        Fate::DroppedNeighbourUnknown => {
            say!(context, "dropping packets: the MAC of a real server is not known");
        }
        Fate::DroppedFragment => {
            say!(context, "dropping packets: fragments whose first was not seen");
        }
        Fate::DroppedLoop => say!(context, "dropping packets: they come back from a real server"),
        Fate::DroppedNoRoom => say!(context, "dropping packets: no room for a VLAN tag"),
        Fate::PassedOtherEthertype
        | Fate::PassedMalformed
        | Fate::PassedOtherProtocol
        | Fate::PassedNoVip
        | Fate::PassedNoService
        | Fate::PassedFragment
        | Fate::PassedIcmp
        | Fate::PassedArp
        | Fate::PassedInactive
        // For a moment after each take-over, and on purpose.
        | Fate::DroppedStray
        | Fate::AnsweredArp
        | Fate::AnsweredSolicitation
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

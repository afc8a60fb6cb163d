//! The last step of every forwarded frame.

use super::{Tables, Target, Verdict};
use crate::{
    abi::{RealServer, SAME_VLAN, real_server_state},
    fate::Fate,
    frame::{Frame, Head},
    packet::ethernet,
};

/// Addresses the frame to a real server, accounts for it, and says where it leaves.
#[inline(always)]
pub(super) fn to_real_server<F: Frame + ?Sized, T: Tables>(
    frame: &mut F,
    header: &ethernet::Header,
    target: Target,
    tables: &T,
) -> Result<Verdict, Fate> {
    let real_server = receiver(target, tables)?;
    let mut head = frame.head::<12>().ok_or(Fate::PassedMalformed)?;
    address(&mut head, real_server)?;
    drop(head);
    if real_server.vlan != SAME_VLAN {
        ethernet::retag(frame, header, real_server.vlan as u16).ok_or(Fate::DroppedNoRoom)?;
    }
    tables.account(target.real_server, target.traffic);
    Ok(leave(real_server, tables))
}

/// Addresses the frame to a real server, unless it has been there: this is all that direct routing changes.
#[inline(always)]
pub(super) fn address(head: &mut impl Head, to: &RealServer) -> Result<(), Fate> {
    if is_loop([head.word::<0>(), head.word::<4>(), head.word::<8>()], to) {
        return Err(Fate::DroppedLoop);
    }
    let [first, second, third] = to.macs();
    head.set_word::<0>(first);
    head.set_word::<4>(second);
    head.set_word::<8>(third);
    Ok(())
}

/// How a frame leaves for a real server.
#[inline(always)]
pub(super) fn leave<T: Tables>(to: &RealServer, tables: &T) -> Verdict {
    if to.interface == tables.ingress() {
        Verdict::Transmit
    } else {
        Verdict::Redirect(to.interface)
    }
}

/// The real server that a packet goes to, if it can be sent there.
#[inline(always)]
pub(super) fn receiver<T: Tables>(target: Target, tables: &T) -> Result<&RealServer, Fate> {
    let real_server = tables.real_server(target.real_server).ok_or(Fate::DroppedNoRealServer)?;
    match real_server.state {
        real_server_state::READY => {}
        // It has gone since this packet was given to it, a moment ago.
        real_server_state::VACANT if real_server.interface != 0 => {}
        real_server_state::NEIGHBOUR_UNKNOWN => return Err(Fate::DroppedNeighbourUnknown),
        _ => return Err(Fate::DroppedNoRealServer),
    }
    Ok(real_server)
}

/// What [`address`] would come to.
#[inline(always)]
pub(super) fn check_loop<F: Frame + ?Sized>(frame: &F, to: &RealServer) -> Result<(), Fate> {
    let macs = frame.read_words(0).ok_or(Fate::PassedMalformed)?;
    if is_loop(macs, to) { Err(Fate::DroppedLoop) } else { Ok(()) }
}

/// A frame from the real server that it would go to has been there: the real server has no VIP, and
/// its kernel has sent the packet on to who answers for it. A frame from this director has come
/// back from another. Either would go round and round, so it ends here.
#[inline(always)]
fn is_loop([_, first, second]: [u32; 3], real_server: &RealServer) -> bool {
    // The sender is the upper half of the second word of a frame, and the third. What is compared first is the end of
    // its MAC, which is nearly always another already.
    let (first, second) = (u32::from_le(first), u32::from_le(second));
    let [its_first, middle, our_second] = real_server.macs().map(u32::from_le);
    if second >> 16 == middle & 0xffff && first >> 16 | second << 16 == its_first {
        return true;
    }
    second == our_second && first >> 16 == middle >> 16
}

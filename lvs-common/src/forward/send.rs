//! The last step of every forwarded frame.

use super::{Tables, Target, Verdict};
use crate::{
    abi::{RealServer, SAME_VLAN, real_server_state},
    fate::Fate,
    frame::Frame,
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
    let real_server = receiver(frame, target, tables)?;
    address(frame, real_server).ok_or(Fate::PassedMalformed)?;
    if real_server.vlan != SAME_VLAN {
        ethernet::retag(frame, header, real_server.vlan as u16).ok_or(Fate::DroppedNoRoom)?;
    }
    tables.account(target.real_server, target.traffic);
    Ok(leave(real_server, tables))
}

/// Addresses the frame to a real server: this is all that direct routing changes.
#[inline(always)]
pub(super) fn address<F: Frame + ?Sized>(frame: &mut F, to: &RealServer) -> Option<()> {
    frame.write_words(0, to.macs())
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

/// The real server that a frame goes to, if it can be sent there.
#[inline(always)]
pub(super) fn receiver<'a, F: Frame + ?Sized, T: Tables>(
    frame: &F,
    target: Target,
    tables: &'a T,
) -> Result<&'a RealServer, Fate> {
    let real_server = tables.real_server(target.real_server).ok_or(Fate::DroppedNoRealServer)?;
    match real_server.state {
        real_server_state::READY => {}
        // It has gone since this packet was given to it, a moment ago.
        real_server_state::VACANT if real_server.interface != 0 => {}
        real_server_state::NEIGHBOUR_UNKNOWN => return Err(Fate::DroppedNeighbourUnknown),
        _ => return Err(Fate::DroppedNoRealServer),
    }
    check_loop(frame, real_server)?;
    Ok(real_server)
}

/// A frame from the real server that it would go to has been there: the real server has no VIP, and
/// its kernel has sent the packet on to who answers for it. A frame from this director has come
/// back from another. Either would go round and round, so it ends here.
#[inline(always)]
pub(super) fn check_loop<F: Frame + ?Sized>(
    frame: &F,
    real_server: &RealServer,
) -> Result<(), Fate> {
    // The sender is the upper half of the first word, and the second. Nearly always another already where four
    // bytes are compared.
    let [first, second] = frame.read_words(4).ok_or(Fate::PassedMalformed)?.map(u32::from_le);
    let [its_first, middle, our_second] = real_server.macs().map(u32::from_le);
    let is_ours = second == our_second && first >> 16 == middle >> 16;
    let is_its = first >> 16 | second << 16 == its_first && second >> 16 == middle & 0xffff;
    if is_ours || is_its { Err(Fate::DroppedLoop) } else { Ok(()) }
}

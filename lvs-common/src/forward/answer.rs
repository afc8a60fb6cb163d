//! What the director answers itself, so that a VIP need not be on any interface: ARP and echo.

use super::{FamilyTables, Tables, check_active};
use crate::{
    abi::Settings,
    fate::Fate,
    flow::Address,
    frame::Frame,
    packet::{arp, ethernet, ethernet::Mac, icmp},
};

/// An address whose echo requests can be answered.
pub(super) trait EchoAddress: Address {
    /// Turns the request into the reply, but for the Ethernet header.
    fn answer<F: Frame + ?Sized>(frame: &mut F, echo: &icmp::Echo<Self>) -> Option<()>;
}

impl EchoAddress for [u8; 4] {
    #[inline(always)]
    fn answer<F: Frame + ?Sized>(frame: &mut F, echo: &icmp::Echo<Self>) -> Option<()> {
        icmp::answer_echo_v4(frame, echo)
    }
}

#[inline(always)]
pub(super) fn arp<F: Frame + ?Sized, T: Tables + FamilyTables<[u8; 4]>>(
    frame: &mut F,
    request: &arp::Request,
    tables: &T,
    settings: &Settings,
) -> Fate {
    if !tables.is_vip(request.target) {
        return Fate::PassedArp;
    }
    let mac = match answering_mac(tables, settings) {
        Ok(mac) => mac,
        Err(fate) => return fate,
    };
    let answered = arp::reply(frame, request, mac);
    send_back(frame, answered, request.sender_mac, mac, Fate::AnsweredArp)
}

#[inline(always)]
pub(super) fn echo<F: Frame + ?Sized, T: Tables + FamilyTables<A>, A: EchoAddress>(
    frame: &mut F,
    echo: &icmp::Echo<A>,
    tables: &T,
    settings: &Settings,
) -> Fate {
    if !tables.is_vip(echo.target) {
        return Fate::PassedIcmp;
    }
    let mac = match answering_mac(tables, settings) {
        Ok(mac) => mac,
        Err(fate) => return fate,
    };
    let Some(sender) = ethernet::source(frame) else { return Fate::PassedMalformed };
    let answered = A::answer(frame, echo);
    send_back(frame, answered, sender, mac, Fate::AnsweredEcho)
}

/// The MAC that the director answers with.
#[inline(always)]
fn answering_mac<T: Tables>(tables: &T, settings: &Settings) -> Result<Mac, Fate> {
    check_active(tables, settings)?;
    Ok(tables.interface().ok_or(Fate::PassedInactive)?.mac)
}

/// Addresses the frame, which is the answer now, to who asked.
#[inline(always)]
fn send_back<F: Frame + ?Sized>(
    frame: &mut F,
    answered: Option<()>,
    to: Mac,
    from: Mac,
    fate: Fate,
) -> Fate {
    match answered.and_then(|()| ethernet::readdress(frame, to, from)) {
        Some(()) => fate,
        None => Fate::PassedMalformed,
    }
}

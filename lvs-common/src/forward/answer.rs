//! What the director answers itself, so that a VIP need not be on any interface: ARP, neighbour
//! solicitations and echo.

use super::{Tables, check_answers};
use crate::{
    abi::Settings,
    fate::Fate,
    flow::Address as _,
    frame::Frame,
    packet::{Family, arp, ethernet, ethernet::Mac, icmp, ndp},
};

#[inline(always)]
pub(super) fn arp<F: Frame + ?Sized, T: Tables>(
    frame: &mut F,
    request: &arp::Request,
    tables: &T,
    settings: &Settings,
) -> Fate {
    if !tables.is_vip(&request.target.to_v6()) {
        return Fate::PassedArp;
    }
    let mac = match answering_mac(tables, settings) {
        Ok(mac) => mac,
        Err(fate) => return fate,
    };
    let answered = arp::reply(frame, request, mac).map(|()| request.sender_mac);
    send_back(frame, answered, mac, Fate::AnsweredArp)
}

#[inline(always)]
pub(super) fn solicitation<F: Frame + ?Sized, T: Tables>(
    frame: &mut F,
    solicitation: &ndp::Solicitation,
    tables: &T,
    settings: &Settings,
) -> Fate {
    if !tables.is_vip(&solicitation.target) {
        return Fate::PassedIcmp;
    }
    let mac = match answering_mac(tables, settings) {
        Ok(mac) => mac,
        Err(fate) => return fate,
    };
    let answered = ndp::advertise(frame, solicitation, mac);
    send_back(frame, answered, mac, Fate::AnsweredSolicitation)
}

#[inline(always)]
pub(super) fn echo<F: Frame + ?Sized, T: Tables, A: Family>(
    frame: &mut F,
    echo: &icmp::Echo<A>,
    tables: &T,
    settings: &Settings,
) -> Fate {
    if !tables.is_vip(&echo.target.to_v6()) {
        return Fate::PassedNoVip;
    }
    let mac = match answering_mac(tables, settings) {
        Ok(mac) => mac,
        Err(fate) => return fate,
    };
    let Some(sender) = ethernet::source(frame) else { return Fate::PassedMalformed };
    let answered = A::answer_echo(frame, echo).map(|()| sender);
    send_back(frame, answered, mac, Fate::AnsweredEcho)
}

/// The MAC that the director answers with.
#[inline(always)]
fn answering_mac<T: Tables>(tables: &T, settings: &Settings) -> Result<Mac, Fate> {
    check_answers(tables, settings)?;
    Ok(tables.interface().ok_or(Fate::PassedInactive)?.mac)
}

/// Addresses the frame, which is the answer now, to who asked.
#[inline(always)]
fn send_back<F: Frame + ?Sized>(
    frame: &mut F,
    answered: Option<Mac>,
    from: Mac,
    fate: Fate,
) -> Fate {
    match answered.and_then(|to| ethernet::readdress(frame, to, from)) {
        Some(()) => fate,
        None => Fate::PassedMalformed,
    }
}

//! The states of a connection, as a director knows them that sees only what clients send.
//!
//! For TCP they are IPVS's for that case (the table for "input only" in
//! net/netfilter/ipvs/ip_vs_proto_tcp.c): nothing is known of the real server's SYN and FIN, so an
//! ACK is enough to establish, and a FIN closes half of what can be seen.

use crate::packet::transport::Segment;

/// No connection.
pub const FREE: u8 = 0;
/// TCP: a SYN was seen.
pub const SYN_RECEIVED: u8 = 1;
/// TCP: in use.
pub const ESTABLISHED: u8 = 2;
/// TCP: the client has sent FIN.
pub const FIN_WAIT: u8 = 3;
/// TCP: the client has sent FIN before it had established anything.
pub const TIME_WAIT: u8 = 4;
/// TCP: the client has sent RST.
pub const CLOSED: u8 = 5;
/// UDP: one datagram was seen.
pub const DATAGRAM: u8 = 6;
/// UDP: more than one was.
pub const DATAGRAMS: u8 = 7;
/// The place is being given to another connection.
pub const BUSY: u8 = 255;

/// How many states a connection can have; they are numbered from 1.
pub const COUNT: usize = 7;

/// The state after a packet. `state` is [`FREE`] for the first.
#[inline(always)]
#[must_use]
pub const fn after(state: u8, segment: Segment) -> u8 {
    match (segment, state) {
        (Segment::Syn, ESTABLISHED) => ESTABLISHED,
        (Segment::Syn, _) => SYN_RECEIVED,
        (Segment::Finish, ESTABLISHED | FIN_WAIT) => FIN_WAIT,
        (Segment::Finish, SYN_RECEIVED | TIME_WAIT) => TIME_WAIT,
        (Segment::Finish, _) => CLOSED,
        (Segment::Acknowledge, FIN_WAIT | TIME_WAIT | CLOSED) => state,
        (Segment::Acknowledge, _) => ESTABLISHED,
        (Segment::Reset, SYN_RECEIVED) => SYN_RECEIVED,
        (Segment::Reset, _) => CLOSED,
        (Segment::Datagram, FREE) => DATAGRAM,
        (Segment::Datagram, _) => DATAGRAMS,
    }
}

/// The states that a packet leaves as they are; a bit each. Its protocol's: a UDP packet leaves none of
/// TCP's, and the other way round.
#[inline(always)]
#[must_use]
pub const fn lasting(segment: Segment) -> u32 {
    (LASTING >> (8 * segment as u32)) as u32 & 0xff
}

/// [`lasting`] of every segment, eight bits each: to find it out takes a packet forty instructions.
const LASTING: u64 = {
    assert!(COUNT < 8, "states are numbered from 1, and have a bit each");
    const ALL: [Segment; 5] =
        [Segment::Syn, Segment::Finish, Segment::Reset, Segment::Acknowledge, Segment::Datagram];
    let (mut word, mut at) = (0, 0);
    while at < ALL.len() {
        let mut state = 1;
        while state as usize <= COUNT {
            if after(state, ALL[at]) == state && is_udp(state) == is_udp(after(FREE, ALL[at])) {
                word |= 1 << (8 * ALL[at] as u32 + state as u32);
            }
            state += 1;
        }
        at += 1;
    }
    word
};

/// All states of the protocol that this one is of; a bit each.
#[inline(always)]
#[must_use]
pub const fn of_same_protocol(state: u8) -> u32 {
    const UDP: u32 = 1 << DATAGRAM | 1 << DATAGRAMS;
    const TCP: u32 = (1 << (COUNT + 1)) - 2 - UDP;
    if is_udp(state) { UDP } else { TCP }
}

/// Whether the state is of UDP.
#[inline(always)]
#[must_use]
pub const fn is_udp(state: u8) -> bool {
    matches!(state, DATAGRAM | DATAGRAMS)
}

/// Whether such a connection has its place in the table of half-open ones.
#[inline(always)]
#[must_use]
pub const fn is_half_open(state: u8) -> bool {
    matches!(state, SYN_RECEIVED | DATAGRAM)
}

/// Whether it counts as active; every other counts as inactive. As in IPVS, active is an
/// established TCP connection.
#[inline(always)]
#[must_use]
pub const fn is_active(state: u8) -> bool {
    state == ESTABLISHED
}

/// Its name, as ipvsadm shows it.
#[must_use]
pub const fn name(state: u8) -> &'static str {
    match state {
        SYN_RECEIVED => "SYN_RECV",
        ESTABLISHED => "ESTABLISHED",
        FIN_WAIT => "FIN_WAIT",
        TIME_WAIT => "TIME_WAIT",
        CLOSED => "CLOSE",
        DATAGRAM | DATAGRAMS => "UDP",
        _ => "NONE",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_is_what_a_segment_leaves_as_it_is() {
        for number in 0..=Segment::Datagram as u32 {
            let segment = Segment::from_number(number);
            for state in 1..=COUNT as u8 {
                let is_its = is_udp(state) == (segment == Segment::Datagram);
                let lasts = is_its && after(state, segment) == state;
                assert_eq!(lasting(segment) >> state & 1 != 0, lasts, "{segment:?}, {state}");
            }
        }
    }
}

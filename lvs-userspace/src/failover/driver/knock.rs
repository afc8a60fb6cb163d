//! Asks for the MACs of its peers when it begins to listen to them: so they learn its own, too.
//!
//! A director whose link was away is no neighbour of the master's any more. The master's kernel asks for it
//! once a second, and keeps the advertisements until it is answered: longer than a backup waits, who would
//! take over from a living master. Who is asked knows the asker from then on.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    io,
    net::IpAddr,
    time::{Duration, Instant},
};

use super::place::Place;
use crate::{
    failover::frames::{Announcement, question},
    net::PacketSender,
};

/// So often, from one interval to the next: until just before it would take over.
const TIMES: u32 = 3;

/// When it asks.
#[derive(Debug, Default)]
pub(super) struct Knocks {
    next: Option<Instant>,
    left: u32,
    /// By interfaces. They stay open: to close one waits for all processors (packet_release in
    /// net/packet/af_packet.c), longer than advertisements can.
    sockets: BTreeMap<u32, PacketSender>,
}

impl Knocks {
    /// It listens from now on.
    pub(super) fn start(&mut self, now: Instant) {
        (self.next, self.left) = (Some(now), TIMES);
    }

    pub(super) const fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Whether to ask now.
    pub(super) fn take_due(&mut self, now: Instant, interval: Duration) -> bool {
        if self.next.is_none_or(|it| it > now) {
            return false;
        }
        self.left = self.left.saturating_sub(1);
        self.next = (self.left > 0).then_some(now + interval);
        true
    }

    /// Asks for a peer, from an address of this machine.
    pub(super) fn knock(&mut self, own: IpAddr, peer: IpAddr) -> io::Result<()> {
        let Some(place) = Place::of(own) else { return Ok(()) };
        let Some(Announcement { to, ethertype, packet }) = question(own, place.mac, peer) else {
            return Ok(());
        };
        let socket = match self.sockets.entry(place.index) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(vacant) => vacant.insert(PacketSender::open(place.index)?),
        };
        socket.send(to, ethertype, &packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_asks_until_just_before_it_takes_over() {
        let interval = Duration::from_millis(100);
        let start = Instant::now();
        let mut knocks = Knocks::default();
        assert!(!knocks.take_due(start, interval));
        knocks.start(start);
        let asked: Vec<_> = (0..100)
            .map(|tick| 10 * tick)
            .filter(|&ms| knocks.take_due(start + Duration::from_millis(ms), interval))
            .collect();
        assert_eq!(asked, [0, 100, 200]);
        assert_eq!(knocks.next(), None);
    }
}

//! From what comes over the wire to what the state machine hears.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use super::{Notice, Peer, report, run::Driver, wire::Datagram};
use crate::{
    failover::{
        Refusal,
        machine::Heard,
        packet::{self, Advert, Checksum, Received},
    },
    patience::Complaints,
};

/// So many others are remembered: more than there are directors, and an end to those that are invented.
const PEERS: usize = 32;

/// Who is heard.
#[derive(Debug, Default)]
pub(super) struct Ears {
    pub(super) peers: BTreeMap<IpAddr, Peer>,
    pub(super) received: u64,
    pub(super) refused: BTreeMap<Refusal, u64>,
    complaints: BTreeMap<Refusal, Complaints>,
}

impl Driver {
    /// All that was heard since the last time.
    pub(super) fn listen(&mut self) -> Vec<Heard> {
        let datagrams = self.wire.receive();
        datagrams.iter().filter_map(|datagram| self.hear(datagram)).collect()
    }

    fn hear(&mut self, datagram: &Datagram) -> Option<Heard> {
        let now = Instant::now();
        let source = datagram.ends.source;
        let ours = datagram.way.and_then(|way| self.wire.own_address(way, now));
        if ours == Some(source) {
            return None;
        }
        let advert = match self.believe(datagram) {
            Ok(Received { advert, checksum, .. }) => {
                if let Some(way) = datagram.way.and_then(|way| self.wire.ways.get_mut(way)) {
                    way.checksum = checksum;
                }
                advert
            }
            Err(refusal) => {
                self.refuse(source, refusal, now);
                return None;
            }
        };
        self.ears.received += 1;
        self.note_peer(source, datagram.way, &advert, now);
        Some(Heard {
            priority: advert.priority,
            interval: advert.interval,
            // Who does not know its own address can't assert itself.
            sender: ours.map_or(Ordering::Greater, |ours| source.cmp(&ours)),
        })
    }

    fn believe<'a>(&mut self, datagram: &'a Datagram) -> Result<Received<'a>, Refusal> {
        let Datagram { ends, hop_limit, bytes, way } = datagram;
        let received = packet::decode(bytes, *ends, *hop_limit)?;
        if received.advert.vrid != self.vrid {
            return Err(Refusal::OtherRouter);
        }
        if way.is_none() {
            return Err(Refusal::UnknownPeer);
        }
        if let Some(keys) = &self.settings.keys {
            let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            self.verifier.verify(keys, received.message, received.trailer, *ends, unix)?;
            // The others are of our kind, and do as we do.
            return Ok(Received { checksum: Checksum::Message, ..received });
        }
        Ok(received)
    }

    fn refuse(&mut self, source: IpAddr, refusal: Refusal, now: Instant) {
        *self.ears.refused.entry(refusal).or_default() += 1;
        // Other routers of the same network are nobody's fault.
        if refusal != Refusal::OtherRouter
            && self.ears.complaints.entry(refusal).or_default().is_due(now)
        {
            self.notice(Notice::Refused(source, refusal));
        }
    }

    fn note_peer(&mut self, source: IpAddr, way: Option<usize>, advert: &Advert, now: Instant) {
        let link = way.map_or(0, |way| self.wire.link(way));
        let named: BTreeSet<_> = packet::named(&self.vips, source).into_iter().collect();
        let has_other_vips = advert.addresses.iter().copied().collect::<BTreeSet<_>>() != named;
        let Advert { priority, interval, .. } = *advert;
        if self.ears.peers.len() >= PEERS && !self.ears.peers.contains_key(&source) {
            let oldest = self.ears.peers.iter().min_by_key(|(_, it)| it.last.map(|(_, at)| at));
            if let Some(&oldest) = oldest.map(|(address, _)| address) {
                self.ears.peers.remove(&oldest);
            }
        }
        let peer = self.ears.peers.entry(source).or_default();
        let is_new = has_other_vips && !peer.has_other_vips;
        *peer = Peer {
            last: Some((report::Heard { priority, interval }, now)),
            adverts: peer.adverts + 1,
            link,
            has_other_vips,
        };
        if is_new {
            self.notice(Notice::OtherVips(source));
        }
    }
}

//! Sends the announcements that are due, a few at a time: advertisements come first.

use std::{collections::VecDeque, net::IpAddr, time::Instant};

use crate::{
    failover::{
        announce::{Schedule, Settings},
        frames::{Announcement, announcement},
    },
    model::MacAddr,
    net::{Link, PacketSender},
};

/// So many are sent before anything else is looked at: they take less than a millisecond.
const AT_ONCE: usize = 64;

#[derive(Debug)]
pub(super) struct Announcer {
    schedule: Schedule,
    interfaces: Vec<(PacketSender, MacAddr)>,
    /// Which VIP is still to be announced at which interface.
    queue: VecDeque<(usize, IpAddr)>,
    pub(super) sent: u64,
}

impl Announcer {
    pub(super) fn new(settings: Settings, links: &[Link]) -> std::io::Result<Self> {
        let open = |link: &Link| Ok((PacketSender::open(link.index)?, link.mac));
        Ok(Self {
            schedule: Schedule::new(settings),
            interfaces: links.iter().map(open).collect::<std::io::Result<_>>()?,
            queue: VecDeque::new(),
            sent: 0,
        })
    }

    pub(super) fn reconfigure(&mut self, settings: Settings) {
        self.schedule.reconfigure(settings);
    }

    /// The VIPs are here.
    pub(super) fn start(&mut self, now: Instant) {
        self.schedule.start(now);
    }

    /// They are here no more.
    pub(super) fn stop(&mut self) {
        self.schedule.stop();
        self.queue.clear();
    }

    /// When there is something to send.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        if self.queue.is_empty() { self.schedule.next() } else { Some(now) }
    }

    /// Sends what is due, or the beginning of it.
    pub(super) fn send(&mut self, vips: &[IpAddr], now: Instant) {
        if self.queue.is_empty() && self.schedule.take_due(now) {
            let everywhere = (0..self.interfaces.len())
                .flat_map(|interface| vips.iter().map(move |&vip| (interface, vip)));
            self.queue.extend(everywhere);
        }
        for _ in 0..AT_ONCE {
            let Some((interface, vip)) = self.queue.pop_front() else { return };
            let Some((socket, mac)) = self.interfaces.get(interface) else { continue };
            // One that is lost is why there are several.
            let Announcement { to, ethertype, packet } = announcement(vip, *mac);
            if socket.send(to, ethertype, &packet).is_ok() {
                self.sent += 1;
            }
        }
    }
}

//! The driver's loop: what has come, what is wanted, what is due, in this order.

mod obey;

use std::{
    net::IpAddr,
    os::fd::AsFd as _,
    sync::{Arc, mpsc::Receiver},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use nix::{
    poll::{PollFd, PollFlags, ppoll},
    sys::{eventfd::EventFd, time::TimeSpec},
};
use tokio::sync::{mpsc::Sender, watch};

use super::{
    HUNG, Notice, Pulse, Report, Settings, Setup, StartError, Way,
    announcer::Announcer,
    condition::{Need, Wrong},
    handle::Command,
    hear::Ears,
    knock::Knocks,
    realtime,
    wire::{self, Wire},
};
use crate::{
    dataplane::Lease,
    failover::{
        STOPS,
        auth::{Signer, Verifier},
        machine::{Change, Edge, Effect, Event, Machine, State},
        packet::{Advert, Checksum},
        settings::Ways,
    },
    patience::Complaints,
};

/// It looks around so often, even if nothing is due.
const LOOK: Duration = Duration::from_secs(1);
/// So often in a row an advertisement must have gone out by no way until there is none.
const MUTE: u32 = 2;

/// When another has given way, connections that it did not tell of in time are not reset for so long: an
/// interval, within these.
const SHORTEST_HOLD: Duration = Duration::from_millis(20);
const LONGEST_HOLD: Duration = Duration::from_millis(500);

/// So long it is silent after that, unless there was no way and is one now.
const RETRY: Duration = Duration::from_secs(10);

/// What joins it to the rest of lvsd.
pub(super) struct Seams {
    pub(super) commands: Receiver<Command>,
    pub(super) waker: Arc<EventFd>,
    pub(super) notices: Sender<Notice>,
    pub(super) pulse: Pulse,
}

/// The thread's state.
pub(super) struct Driver {
    pub(super) vrid: u8,
    pub(super) settings: Settings,
    pub(super) vips: Vec<IpAddr>,
    pub(super) wire: Wire,
    pub(super) ears: Ears,
    pub(super) verifier: Verifier,
    signer: Signer,
    machine: Machine,
    announcer: Announcer,
    knocks: Knocks,
    lease: Arc<Lease>,
    wrong: Wrong,
    /// Rounds in a row that nobody can have heard.
    unheard: u32,
    /// When advertisements are tried again, unless it is seen before that there is a way again.
    retry: Option<Instant>,
    /// Why the role was claimed the last time.
    claimed: Option<Edge>,
    late: u64,
    takeovers: u64,
    lateness: Complaints,
    slowness: Complaints,
    seams: Seams,
    report: watch::Sender<Report>,
    /// Whether it was told to end.
    is_over: bool,
}

impl Driver {
    pub(super) fn new(
        setup: Setup,
        seams: Seams,
    ) -> Result<(Self, watch::Receiver<Report>), StartError> {
        let Setup { vrid, ways, settings, vips, links, lease } = setup;
        let now = Instant::now();
        let (report, reported) = watch::channel(Report::new(State::Init, now));
        let mut ears = Ears::default();
        if let Ways::Unicast(peers) = &ways {
            ears.peers.extend(peers.iter().map(|&peer| (peer, super::Peer::default())));
        }
        let driver = Self {
            wire: Wire::open(&ways)?,
            machine: Machine::new(settings.machine, now),
            announcer: Announcer::new(settings.announce, &links)?,
            knocks: Knocks::default(),
            verifier: Verifier::default(),
            signer: Signer::default(),
            wrong: Wrong::default(),
            unheard: 0,
            retry: None,
            claimed: None,
            late: 0,
            takeovers: 0,
            lateness: Complaints::default(),
            slowness: Complaints::default(),
            is_over: false,
            ears,
            vrid,
            settings,
            vips,
            lease,
            seams,
            report,
        };
        Ok((driver, reported))
    }

    /// Runs until it is told to stop.
    pub(super) fn run(mut self) {
        if let Err(error) = realtime::hurry() {
            self.notice(Notice::NotRealTime(error.to_string()));
        }
        self.handle(Event::Start, Instant::now());
        while !self.is_over {
            self.publish();
            self.wait();
            // First all that has come: what is due may be so no more.
            let heard = self.listen();
            let now = Instant::now();
            for heard in heard {
                self.handle(Event::Heard(heard), now);
            }
            self.obey_all(now);
            self.look_at_itself(now);
            self.do_what_is_due(now);
            self.announcer.send(&self.vips, now);
            self.knock(now);
        }
        self.publish();
    }

    /// Until something comes or is due.
    fn wait(&self) {
        let now = Instant::now();
        let [told, asked] = [self.announcer.next(now), self.knocks.next()];
        let due = [self.machine.deadline(), told, asked, Some(now + LOOK)];
        let next = due.into_iter().flatten().min().unwrap_or(now);
        let timeout = TimeSpec::from(next.saturating_duration_since(now));
        let mut sources: Vec<_> = std::iter::once(self.seams.waker.as_fd())
            .chain(self.wire.sockets())
            .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
            .collect();
        // An error would come back at once, and again; nothing here can be done about it but to go slow.
        if ppoll(&mut sources, Some(timeout), None).is_err() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn do_what_is_due(&mut self, now: Instant) {
        while let Some(due) = self.machine.deadline().filter(|due| *due <= now) {
            let late = now.duration_since(due);
            if late > self.settings.machine.interval.duration() / 2 && self.slowness.is_due(now) {
                self.notice(Notice::Slow(late));
            }
            self.handle(Event::Deadline, now);
        }
    }

    /// Is there a voice, and a daemon behind it?
    fn look_at_itself(&mut self, now: Instant) {
        let age = self.seams.pulse.age(now);
        let hangs = (age > HUNG).then(|| "the daemon's loop hangs".to_owned());
        self.note(Need::Daemon, hangs, None, now);
        if self.wrong.is(Need::Voice) {
            match (self.wire.can_send(is_used(&self.vips)), self.retry) {
                // There is a way, as there was when nothing could be sent: something else is wrong.
                (true, Some(retry)) if now < retry => {}
                (true, _) => {
                    self.unheard = 0;
                    self.note(Need::Voice, None, None, now);
                }
                (false, _) => self.retry = None,
            }
        } else if self.unheard >= MUTE {
            self.retry = Some(now + RETRY);
            let why = self.wire.ways.iter().find_map(|it| it.error.as_deref());
            let why = format!("no advertisement can be sent: {}", why.unwrap_or("no way"));
            self.note(Need::Voice, Some(why), None, now);
        }
    }

    fn note(&mut self, need: Need, wrong: Option<String>, step: Option<u8>, now: Instant) {
        let before = self.machine.priority();
        if !self.wrong.note(need, wrong, step) {
            return;
        }
        self.handle(Event::Tracked(self.wrong.condition()), now);
        if self.machine.priority() != before {
            self.notice(Notice::Worth(self.machine.priority(), self.wrong.reasons()));
        }
    }

    fn handle(&mut self, event: Event, now: Instant) {
        for effect in self.machine.handle(event, now) {
            self.act(effect, now);
        }
    }

    fn act(&mut self, effect: Effect, now: Instant) {
        match effect {
            Effect::Send(priority) => {
                let before = Instant::now();
                if self.send(priority, before) {
                    self.unheard = 0;
                    self.handle(Event::Sent(before), Instant::now());
                } else if priority != STOPS {
                    self.unheard += 1;
                }
            }
            Effect::Renew(end) => self.lease.renew(end),
            Effect::Silence => {
                self.lease.silence();
                self.announcer.stop();
            }
            Effect::Announce => self.announcer.start(now),
            Effect::Split(heard) => self.notice(Notice::Split(heard)),
            Effect::Late(time) => {
                self.late += 1;
                if self.lateness.is_due(now) {
                    self.notice(Notice::Late(time));
                }
            }
            Effect::Changed(change) => {
                self.changed(change, now);
                self.notice(Notice::Changed(change, self.wrong.reasons()));
            }
        }
    }

    fn changed(&mut self, Change { to, edge, .. }: Change, now: Instant) {
        if matches!(edge, Edge::Started | Edge::Fit) {
            self.knocks.start(now);
        }
        match to {
            State::Claim => self.claimed = Some(edge),
            State::Master => {
                self.takeovers += 1;
                // Who was silent tells nothing any more.
                if self.settings.is_told && self.claimed != Some(Edge::MasterSilent) {
                    let interval = self.settings.machine.interval.duration();
                    self.lease.hold_strays(now + interval.clamp(SHORTEST_HOLD, LONGEST_HOLD));
                }
            }
            State::Init | State::Backup | State::Fault => {}
        }
    }

    /// Sends an advertisement by all ways; says whether it has gone out by any.
    fn send(&mut self, priority: u8, now: Instant) -> bool {
        let Self { wire, signer, settings, vips, vrid, .. } = self;
        let advert = Advert {
            vrid: *vrid,
            priority,
            interval: settings.machine.interval,
            addresses: vips.clone(),
        };
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        wire.send(now, is_used(vips), |ends, checksum| match &settings.keys {
            Some(keys) => {
                let mut message = advert.encode(ends, Checksum::Message);
                let trailer = signer.sign(keys, &message, ends, unix);
                message.extend(trailer);
                message
            }
            None => advert.encode(ends, checksum),
        })
    }

    /// Asks for the peers, if that is due.
    fn knock(&mut self, now: Instant) {
        if self.knocks.take_due(now, self.settings.machine.interval.duration()) {
            for (own, peer) in self.wire.peers(now) {
                // One that is lost is why it is done again.
                self.knocks.knock(own, peer).ok();
            }
        }
    }

    /// Tells, if there is room; what this thread does is more important than that it is known.
    pub(super) fn notice(&self, notice: Notice) {
        drop(self.seams.notices.try_send(notice));
    }

    fn publish(&self) {
        let ways = self.wire.ways.iter().map(|it| Way {
            name: it.name.clone(),
            sent: it.sent,
            error: it.error.clone(),
        });
        let ways: Vec<_> = ways.collect();
        let report = Report {
            state: self.machine.state(),
            since: self.machine.since(),
            priority: self.machine.priority(),
            has_resigned: self.machine.has_resigned(),
            wrong: self.wrong.reasons(),
            peers: self.ears.peers.clone(),
            sent: ways.iter().map(|it| it.sent).sum(),
            ways,
            received: self.ears.received,
            refused: self.ears.refused.clone(),
            late: self.late,
            splits: self.machine.splits(),
            takeovers: self.takeovers,
            announcements: self.announcer.sent,
        };
        // Who waits is woken only by another state; the rest can be looked at at any time.
        self.report.send_if_modified(|before| {
            let is_another = before.state != report.state;
            *before = report;
            is_another
        });
    }
}

impl Drop for Driver {
    /// However it ends, it answers no more, and if nobody wanted that it is said.
    fn drop(&mut self) {
        self.lease.silence();
        if !self.is_over {
            self.notice(Notice::Ended);
        }
    }
}

/// Whether advertisements go by a way: by multicast only those of address families that there is a VIP
/// of.
fn is_used(vips: &[IpAddr]) -> impl Fn(&wire::Way) -> bool + use<> {
    let v6 = vips.iter().any(IpAddr::is_ipv6);
    let v4 = !v6 || vips.iter().any(IpAddr::is_ipv4);
    move |way| !way.is_multicast() || if way.is_v4() { v4 } else { v6 }
}

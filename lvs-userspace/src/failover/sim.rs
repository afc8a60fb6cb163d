//! Several directors on one virtual clock, with a network between them that loses, delays and parts, and
//! clocks of their own that go fast or slow.

mod laws;

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
    time::{Duration, Instant},
};

use super::machine::{Change, Condition, Effect, Event, Heard, Machine, Settings, State};

/// What is done to a director.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    /// It starts, or starts again, and is ready at once.
    Start,
    /// It ends cleanly.
    Stop,
    /// It is gone from one moment to the next (SIGKILL).
    Kill,
    /// It does nothing any more (SIGSTOP), but its program goes on.
    Freeze,
    /// It goes on (SIGCONT), and finds what came meanwhile.
    Thaw,
    /// Something that it needs is wrong, or right again.
    Fault(bool),
    Resign,
    Take,
}

/// A director.
struct Node {
    machine: Machine,
    settings: Settings,
    /// Is there a process?
    runs: bool,
    frozen: bool,
    /// What came while it was frozen.
    queue: Vec<Event>,
    /// Parts in a million that its clock goes fast.
    drift_ppm: i64,
    /// The program answers until then, by its own clock.
    lease: Option<Instant>,
    announced: u32,
    changes: Vec<Change>,
}

/// An advertisement on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Message {
    to: usize,
    heard: Heard,
}

struct Sim {
    start: Instant,
    /// True time since the start.
    now: Duration,
    nodes: Vec<Node>,
    /// In the order of their arrival.
    wire: BinaryHeap<Reverse<(Duration, u64)>>,
    messages: Vec<Message>,
    network: Network,
    chance: u64,
    /// True time in which two answered.
    both: Duration,
    /// True time in which nobody answered, since somebody did.
    nobody: Duration,
    longest_nobody: Duration,
}

/// What the network does.
#[derive(Clone, Copy, Debug, Default)]
struct Network {
    /// Per thousand.
    loss: u64,
    /// An advertisement is under way for up to so long.
    delay: Duration,
    /// Whether nothing gets through from the first of two to the second.
    parted: Option<(usize, usize)>,
    /// Nor the other way.
    both_ways: bool,
}

impl Sim {
    fn new(settings: &[Settings], network: Network, chance: u64) -> Self {
        let start = Instant::now();
        let node = |&settings| Node {
            machine: Machine::new(settings, start),
            settings,
            runs: false,
            frozen: false,
            queue: Vec::new(),
            drift_ppm: 0,
            lease: None,
            announced: 0,
            changes: Vec::new(),
        };
        Self {
            start,
            now: Duration::ZERO,
            nodes: settings.iter().map(node).collect(),
            wire: BinaryHeap::new(),
            messages: Vec::new(),
            network,
            chance,
            both: Duration::ZERO,
            nobody: Duration::ZERO,
            longest_nobody: Duration::ZERO,
        }
    }

    /// A number below `limit` (splitmix64).
    fn random(&mut self, limit: u64) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.chance;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit.max(1)
    }

    /// What a director's clock shows at a true time.
    fn local(&self, node: usize, now: Duration) -> Instant {
        let nanos = now.as_nanos() as i128;
        let drift = nanos * i128::from(self.nodes[node].drift_ppm) / 1_000_000;
        self.start + Duration::from_nanos((nanos + drift) as u64)
    }

    /// The true time at which a director's clock shows at least this.
    fn true_time(&self, node: usize, local: Instant) -> Duration {
        let nanos = local.saturating_duration_since(self.start).as_nanos() as i128;
        let rate = 1_000_000 + i128::from(self.nodes[node].drift_ppm);
        // Rounded up, and a little more for the rounding of `local`.
        Duration::from_nanos((nanos * 1_000_000 / rate) as u64 + 2)
    }

    fn answers(&self, node: usize) -> bool {
        let now = self.local(node, self.now);
        self.nodes[node].lease.is_some_and(|end| now < end)
    }

    fn owners(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|&it| self.answers(it)).collect()
    }

    fn state(&self, node: usize) -> State {
        self.nodes[node].machine.state()
    }

    fn act(&mut self, node: usize, deed: Deed) {
        let now = self.local(node, self.now);
        let it = &mut self.nodes[node];
        match deed {
            Deed::Start if it.runs => {}
            Deed::Start => {
                it.machine = Machine::new(it.settings, now);
                it.runs = true;
                it.frozen = false;
                // lvsd takes up the maps, and ends what lease there is.
                it.lease = None;
                self.give(node, Event::Start);
                self.give(node, Event::Ready(true));
            }
            Deed::Stop => self.give(node, Event::Stop),
            Deed::Kill => {
                it.runs = false;
                it.frozen = false;
                it.queue.clear();
            }
            Deed::Freeze => it.frozen = it.runs,
            Deed::Thaw if it.frozen => {
                it.frozen = false;
                for event in std::mem::take(&mut it.queue) {
                    self.give(node, event);
                }
            }
            Deed::Thaw => {}
            Deed::Fault(is_at_fault) => {
                self.give(node, Event::Tracked(Condition { is_at_fault, penalty: 0 }));
            }
            Deed::Resign => self.give(node, Event::Resign),
            Deed::Take => self.give(node, Event::Take),
        }
    }

    /// Gives an event to a director, and does what it wants.
    fn give(&mut self, node: usize, event: Event) {
        let now = self.local(node, self.now);
        let it = &mut self.nodes[node];
        if it.frozen {
            it.queue.push(event);
            return;
        }
        if !it.runs {
            return;
        }
        for effect in it.machine.handle(event, now) {
            match effect {
                Effect::Send(priority) => {
                    self.send(node, priority);
                    self.give(node, Event::Sent(now));
                }
                Effect::Renew(end) => self.nodes[node].lease = Some(end),
                Effect::Silence => self.nodes[node].lease = None,
                Effect::Announce => self.nodes[node].announced += 1,
                Effect::Changed(change) => self.nodes[node].changes.push(change),
                Effect::Split(_) | Effect::Late(_) => {}
            }
        }
        if event == Event::Stop {
            self.nodes[node].runs = false;
        }
    }

    fn send(&mut self, from: usize, priority: u8) {
        let interval = self.nodes[from].settings.interval;
        for to in (0..self.nodes.len()).filter(|&to| to != from) {
            let Network { loss, delay, parted, both_ways } = self.network;
            let is_parted = parted == Some((from, to)) || (both_ways && parted == Some((to, from)));
            if is_parted || self.random(1000) < loss {
                continue;
            }
            let delay = Duration::from_nanos(self.random(delay.as_nanos() as u64 + 1));
            let sender = if from > to { Ordering::Greater } else { Ordering::Less };
            let message = Message { to, heard: Heard { priority, interval, sender } };
            self.wire.push(Reverse((self.now + delay, self.messages.len() as u64)));
            self.messages.push(message);
        }
    }

    /// Lets time pass.
    fn run(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            let due = (0..self.nodes.len())
                .filter(|&it| self.nodes[it].runs && !self.nodes[it].frozen)
                .filter_map(|it| Some((self.true_time(it, self.nodes[it].machine.deadline()?), it)))
                .min();
            let arrival = self.wire.peek().map(|Reverse((at, _))| *at);
            let next = [due.map(|(at, _)| at), arrival, Some(until)].into_iter().flatten().min();
            self.pass(next.unwrap_or(until).max(self.now));
            if let Some(at) = arrival.filter(|at| *at <= self.now) {
                debug_assert!(at <= self.now);
                let Some(Reverse((_, number))) = self.wire.pop() else { continue };
                let Message { to, heard } = self.messages[number as usize];
                self.give(to, Event::Heard(heard));
            } else if let Some((_, node)) = due.filter(|(at, _)| *at <= self.now) {
                self.give(node, Event::Deadline);
            } else if self.now >= until {
                return;
            }
        }
    }

    /// Goes to a later moment, and notes how many answered on the way.
    fn pass(&mut self, to: Duration) {
        while self.now < to {
            // A lease may end in between.
            let ends = (0..self.nodes.len()).filter_map(|it| {
                let end = self.true_time(it, self.nodes[it].lease?);
                (end > self.now).then_some(end)
            });
            let next = ends.min().map_or(to, |it| it.min(to));
            let passed = next - self.now;
            match self.owners().len() {
                0 => {
                    self.nobody += passed;
                    self.longest_nobody = self.longest_nobody.max(self.nobody);
                }
                owners => {
                    self.nobody = Duration::ZERO;
                    if owners > 1 {
                        self.both += passed;
                    }
                }
            }
            self.now = next;
        }
    }
}

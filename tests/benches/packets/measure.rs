//! Runs all cases in turn, again and again.

use anyhow::{Context as _, Result, ensure};
use lvs_common::{abi::Traffic, fate::Fate, limits};
use lvs_userspace::{config::Connections, dataplane::bpf::Sizes};

use crate::{
    bench::{Run, action},
    cases::{Case, Group, Packets, Subject},
    floors::{Floor, Floors, SMALL},
    ours::{Counts, Ours},
    plan::Plan,
    stream::{Stream, flags},
};

/// Packets in a run: enough that the kernel's own work around it does not show.
const PACKETS: u32 = 50_000;
/// The same for what finds nothing of its own in any cache, so that it is not the first of them that are measured.
const SLOW_PACKETS: u32 = 100_000;
/// The same for many flows, all of which are to come by: as many as there are at most.
const MANY_PACKETS: u32 = 524_288;
/// More flows than these are many.
const FEW_FLOWS: u64 = 1_024;
/// So often what is compared is run in turn in each round, and so often if a turn is long. The fastest turn
/// counts: who else is on a machine can only take time away, and does so for some milliseconds at a time.
const TURNS: u32 = 12;
const LONG_TURNS: u32 = 4;
/// So many SYNs fill the table of half-open connections.
const FLOOD: u32 = 400_000;
/// Flows with numbers below are known when they should be.
const NEW_ONES: u64 = 1 << 24;

/// What was measured of a case: one of each in each round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples {
    pub(crate) ns: Vec<f64>,
    /// Of what it is compared with.
    pub(crate) beside: Vec<f64>,
}

/// All that can be run.
pub(crate) struct Measure {
    floors: Floors,
    /// With the tables that lvsd makes.
    ours: Ours,
    /// With others.
    small: Ours,
    is_small: bool,
    /// The next flow that our program has not seen.
    next: u64,
    /// What it is to have counted since the case began.
    expected: Expected,
}

impl Measure {
    pub(crate) fn load() -> Result<Self> {
        let small = Connections { size: SMALL, ipv6_size: SMALL, ..Connections::default() };
        Ok(Self {
            floors: Floors::load()?,
            ours: Ours::load("default", Sizes::default())?,
            small: Ours::load("small", Sizes::of(&small, limits::REAL_SERVERS as u32))?,
            is_small: false,
            next: NEW_ONES,
            expected: Expected::default(),
        })
    }

    /// That which the tables of this group's size are of.
    fn ours(&mut self) -> &mut Ours {
        if self.is_small { &mut self.small } else { &mut self.ours }
    }

    /// Goes through all cases so many times, and once before that, for the caches; gives what was
    /// measured in the same order.
    pub(crate) fn run(&mut self, groups: &[Group], rounds: usize) -> Result<Vec<Vec<Samples>>> {
        let mut all: Vec<_> =
            groups.iter().map(|it| vec![Samples::default(); it.cases.len()]).collect();
        for round in 0..=rounds {
            for (group, all) in groups.iter().zip(&mut all) {
                self.prepare(group)?;
                for (case, samples) in group.cases.iter().zip(all) {
                    let (ns, beside) = self.case(case).context(case.name)?;
                    if round > 0 {
                        samples.ns.push(ns);
                        samples.beside.extend(beside);
                    }
                }
            }
        }
        Ok(all)
    }

    /// Fills the tables with what a group needs there.
    fn prepare(&mut self, group: &Group) -> Result<()> {
        self.is_small = group.in_small_tables;
        self.ours().forget();
        // Faster than any network they are opened here, and all are to be known.
        self.ours().limit_beginnings(false);
        self.checked(|it| {
            for (stream, flows) in &group.open {
                let plans = [
                    Plan { alternates: 1, ..stream.known(*flows, flags::SYN) },
                    stream.known(*flows, flags::ACK),
                ];
                let (flows, packets) = (*flows as u32, 2 * *flows as u32);
                it.forwarded(flows, packets, |ours| ours.show(plans, &stream.frame, packets))?;
            }
            Ok(())
        })?;
        for frame in &group.frames {
            self.ours().run(frame, 1)?;
        }
        self.ours().limit_beginnings(group.flood.is_some());
        if let Some(stream) = &group.flood {
            self.checked(|it| it.begin(stream, flags::SYN, FLOOD))?;
        }
        Ok(())
    }

    /// What it is compared with comes first.
    fn case(&mut self, case: &Case) -> Result<(f64, Option<f64>)> {
        self.checked(|it| {
            let (mut time, mut beside) = (Time::MOST, Time::MOST);
            for _ in 0..turns(case) {
                if let Some(other) = &case.beside {
                    beside = beside.least(it.subject(&other.subject)?);
                }
                time = time.least(it.subject(&case.subject)?);
            }
            Ok((time.ns(), case.beside.as_ref().map(|_| beside.ns())))
        })
    }

    /// Runs packets, after which the counters must say what became of them. They are not read for each run: that takes
    /// as long, and leaves the caches as no packets do.
    fn checked<R>(&mut self, run: impl FnOnce(&mut Self) -> Result<R>) -> Result<R> {
        let before = self.ours().counts()?;
        self.expected = Expected::default();
        let result = run(self)?;
        let after = self.ours().counts()?;
        self.expected.check(&before, &after)?;
        Ok(result)
    }

    fn subject(&mut self, subject: &Subject) -> Result<Time> {
        match subject {
            Subject::Floor(floor) => {
                let packets = match floor {
                    Floor::Insertion => SLOW_PACKETS,
                    Floor::Lookup(flows) => packets_of(*flows),
                    Floor::Pass | Floor::PassPrepared | Floor::Tx | Floor::Swap => PACKETS,
                };
                self.floors.run(*floor, packets).map(Time::of)
            }
            Subject::Ours(packets) => self.packets(packets),
        }
    }

    fn packets(&mut self, packets: &Packets) -> Result<Time> {
        let ns = match packets {
            Packets::Besieged { stream, flows, flood } => {
                return self.besieged(stream, *flows, flood);
            }
            Packets::Known { stream, flows } => self.known(stream, *flows),
            Packets::New { stream, flags, begin: true } => self.begin(stream, *flags, SLOW_PACKETS),
            Packets::New { stream, flags, begin: false } => {
                let (plan, packets) = (self.new_ones(stream, *flags, SLOW_PACKETS), SLOW_PACKETS);
                self.forwarded(0, packets, |ours| ours.show([plan, plan], &stream.frame, packets))
            }
            Packets::First { stream, count } => {
                self.ours().forget();
                self.begin(stream, flags::SYN, *count)
            }
            Packets::Second { stream, count } => {
                self.ours().forget();
                let first = self.next;
                self.begin(stream, flags::SYN, *count)?;
                let plan = stream.new_ones(first, flags::ACK);
                self.forwarded(0, *count, |ours| ours.show([plan, plan], &stream.frame, *count))
            }
            Packets::Passed { frame, fate } => {
                self.met(*fate, action::PASS, |ours| ours.run(frame, PACKETS))
            }
            Packets::Answered { frame, fate } => {
                let stream = Stream::answered(frame.clone());
                let plan = stream.known(1, 0);
                self.met(*fate, action::TX, |ours| ours.show([plan, plan], &stream.frame, PACKETS))
            }
            Packets::Forwarded { frame } => {
                let stream = Stream::of(frame.clone());
                self.known(&stream, 1)
            }
        };
        ns.map(Time::of)
    }

    /// Packets of connections that are known, and of no other.
    fn known(&mut self, stream: &Stream, flows: u64) -> Result<f64> {
        let packets = packets_of(flows);
        let plan = stream.shuffled(flows, flags::ACK);
        self.forwarded(0, packets, |ours| ours.show([plan, plan], &stream.frame, packets))
    }

    /// Packets of known connections in turn with those of a flood; the time for the latter alone is to be taken
    /// off.
    fn besieged(&mut self, stream: &Stream, flows: u64, flood: &Stream) -> Result<Time> {
        let packets = packets_of(flows) / 2;
        let alone = self.begin(flood, flags::SYN, packets)?;
        let known = Plan { alternates: 1, ..stream.shuffled(flows, flags::ACK) };
        let plans = [known, self.new_ones(flood, flags::SYN, packets)];
        let both = self
            .forwarded(packets, 2 * packets, |ours| ours.show(plans, &stream.frame, 2 * packets))?;
        Ok(Time { all: 2.0 * both, other: alone })
    }

    /// Packets that each begin a connection.
    fn begin(&mut self, stream: &Stream, flags: u8, packets: u32) -> Result<f64> {
        let plan = self.new_ones(stream, flags, packets);
        self.forwarded(packets, packets, |ours| ours.show([plan, plan], &stream.frame, packets))
    }

    fn new_ones(&mut self, stream: &Stream, flags: u8, packets: u32) -> Plan {
        let plan = stream.new_ones(self.next, flags);
        self.next += u64::from(packets);
        plan
    }

    /// Runs packets that must all be forwarded, and begin so many connections.
    fn forwarded(
        &mut self,
        begun: u32,
        packets: u32,
        run: impl FnOnce(&mut Ours) -> Result<Run>,
    ) -> Result<f64> {
        let Run { ns, action } = run(self.ours())?;
        ensure!(action == action::TX, "it returned {action} and not {}", action::TX);
        self.expected.sent += u64::from(packets);
        self.expected.begun += u64::from(begun);
        Ok(ns)
    }

    /// Runs packets that must all meet this fate.
    fn met(
        &mut self,
        fate: Fate,
        expected: u32,
        run: impl FnOnce(&mut Ours) -> Result<Run>,
    ) -> Result<f64> {
        let Run { ns, action } = run(self.ours())?;
        ensure!(action == expected, "it returned {action} and not {expected}");
        self.expected.met[fate.index() as usize] += u64::from(PACKETS);
        Ok(ns)
    }
}

/// What the counters must say.
#[derive(Default)]
struct Expected {
    sent: u64,
    begun: u64,
    met: [u64; Fate::ALL.len()],
}

impl Expected {
    fn check(&self, before: &Counts, after: &Counts) -> Result<()> {
        let Traffic { connections, packets, .. } = before.traffic;
        let begun = after.traffic.connections - connections;
        let sent = after.traffic.packets - packets;
        let met = after.fates.iter().zip(&before.fates).map(|(after, before)| after - before);
        let met: Vec<_> = met.collect();
        ensure!(
            (sent, begun) == (self.sent, self.begun) && met == self.met,
            "{sent} were forwarded, not {}, and {begun} began a connection, not {}; others: {}, not {}",
            self.sent,
            self.begun,
            in_words(&met),
            in_words(&self.met),
        );
        Ok(())
    }
}

/// What became of those that were not forwarded.
fn in_words(met: &[u64]) -> String {
    let met = Fate::ALL.iter().zip(met).filter(|(_, packets)| **packets > 0);
    met.map(|(fate, packets)| format!("{}: {packets}", fate.name())).collect::<Vec<_>>().join(", ")
}

/// What was measured for a packet.
#[derive(Clone, Copy)]
struct Time {
    /// Nanoseconds.
    all: f64,
    /// What is to be taken off.
    other: f64,
}

impl Time {
    const MOST: Self = Self { all: f64::INFINITY, other: f64::INFINITY };

    fn of(ns: f64) -> Self {
        Self { all: ns, other: 0.0 }
    }

    fn least(self, than: Self) -> Self {
        Self { all: self.all.min(than.all), other: self.other.min(than.other) }
    }

    fn ns(self) -> f64 {
        self.all - self.other
    }
}

/// How often a case is run, and what it is compared with.
fn turns(case: &Case) -> u32 {
    let is_slow = matches!(
        case.subject,
        Subject::Ours(Packets::New { .. } | Packets::First { .. } | Packets::Second { .. })
    );
    let are_many = case.flows.is_some_and(|flows| flows > FEW_FLOWS);
    if is_slow || are_many { LONG_TURNS } else { TURNS }
}

fn packets_of(flows: u64) -> u32 {
    if flows > FEW_FLOWS { MANY_PACKETS } else { PACKETS }
}

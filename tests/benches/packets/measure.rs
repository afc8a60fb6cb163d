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
const PACKETS: u32 = 1_000_000;
/// The same for what takes long.
const SLOW_PACKETS: u32 = 300_000;
/// So many SYNs fill the table of half-open connections.
const FLOOD: u32 = 400_000;
/// So often what is subtracted is measured in turn with what it is taken from.
const TURNS: u32 = 5;
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
        for (stream, flows) in &group.open {
            let plans = [
                Plan { alternates: 1, ..stream.known(*flows, flags::SYN) },
                stream.known(*flows, flags::ACK),
            ];
            let (flows, packets) = (*flows as u32, 2 * *flows as u32);
            self.forwarded(flows, packets, |ours| ours.show(plans, &stream.frame, packets))?;
        }
        for frame in &group.frames {
            self.ours().run(frame, 1)?;
        }
        self.ours().limit_beginnings(group.flood.is_some());
        if let Some(stream) = &group.flood {
            self.begin(stream, flags::SYN, FLOOD)?;
        }
        Ok(())
    }

    /// What it is compared with comes first.
    fn case(&mut self, case: &Case) -> Result<(f64, Option<f64>)> {
        let beside =
            case.beside.as_ref().map(|beside| self.subject(&beside.subject)).transpose()?;
        Ok((self.subject(&case.subject)?, beside))
    }

    fn subject(&mut self, subject: &Subject) -> Result<f64> {
        match subject {
            Subject::Floor(Floor::Insertion) => self.floors.run(Floor::Insertion, SLOW_PACKETS),
            Subject::Floor(floor) => self.floors.run(*floor, PACKETS),
            Subject::Ours(packets) => self.packets(packets),
        }
    }

    fn packets(&mut self, packets: &Packets) -> Result<f64> {
        match packets {
            Packets::Known { stream, flows } => self.known(stream, *flows),
            Packets::New { stream, flags, begin: true } => self.begin(stream, *flags, SLOW_PACKETS),
            Packets::New { stream, flags, begin: false } => {
                let plan = self.new_ones(stream, *flags, PACKETS);
                self.forwarded(0, PACKETS, |ours| ours.show([plan, plan], &stream.frame, PACKETS))
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
            Packets::Besieged { stream, flows, flood } => self.besieged(stream, *flows, flood),
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
        }
    }

    /// Packets of connections that are known, and of no other.
    fn known(&mut self, stream: &Stream, flows: u64) -> Result<f64> {
        let plan = stream.shuffled(flows, flags::ACK);
        self.forwarded(0, PACKETS, |ours| ours.show([plan, plan], &stream.frame, PACKETS))
    }

    /// Packets of known connections in turn with those of a flood. What both take is measured in turn with
    /// what the flood takes alone, so that the latter can be taken off.
    fn besieged(&mut self, stream: &Stream, flows: u64, flood: &Stream) -> Result<f64> {
        let (mut both, mut alone) = (0.0, 0.0);
        for _ in 0..TURNS {
            alone += self.begin(flood, flags::SYN, SLOW_PACKETS / 2)?;
            let known = Plan { alternates: 1, ..stream.shuffled(flows, flags::ACK) };
            let plans = [known, self.new_ones(flood, flags::SYN, SLOW_PACKETS / 2)];
            both += self.forwarded(SLOW_PACKETS / 2, SLOW_PACKETS, |ours| {
                ours.show(plans, &stream.frame, SLOW_PACKETS)
            })?;
        }
        Ok((2.0 * both - alone) / f64::from(TURNS))
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
        let before = self.ours().counts()?;
        let Run { ns, action } = run(self.ours())?;
        let after = self.ours().counts()?;
        let Traffic { connections, packets: sent, .. } = since(&before, &after).0;
        ensure!(
            action == action::TX && sent == u64::from(packets) && connections == u64::from(begun),
            "of {packets} packets, {sent} were forwarded, and {connections} began a connection, not \
             {begun}; it returned {action}; {}",
            fates(&before, &after),
        );
        Ok(ns)
    }

    /// Runs packets that must all meet this fate.
    fn met(
        &mut self,
        fate: Fate,
        expected: u32,
        run: impl FnOnce(&mut Ours) -> Result<Run>,
    ) -> Result<f64> {
        let before = self.ours().counts()?;
        let Run { ns, action } = run(self.ours())?;
        let after = self.ours().counts()?;
        let (traffic, met) = since(&before, &after);
        ensure!(
            action == expected && met[fate.index() as usize] == u64::from(PACKETS),
            "{} packets were forwarded; it returned {action}; {}",
            traffic.packets,
            fates(&before, &after),
        );
        Ok(ns)
    }
}

/// What was counted in between.
fn since(before: &Counts, after: &Counts) -> (Traffic, Vec<u64>) {
    let Traffic { connections, packets, bytes } = before.traffic;
    let traffic = Traffic {
        connections: after.traffic.connections - connections,
        packets: after.traffic.packets - packets,
        bytes: after.traffic.bytes - bytes,
    };
    (traffic, after.fates.iter().zip(&before.fates).map(|(after, before)| after - before).collect())
}

/// What became of those that were not forwarded, in words.
fn fates(before: &Counts, after: &Counts) -> String {
    let met = since(before, after).1;
    let met = Fate::ALL.iter().zip(met).filter(|(_, packets)| *packets > 0);
    met.map(|(fate, packets)| format!("{}: {packets}", fate.name())).collect::<Vec<_>>().join(", ")
}

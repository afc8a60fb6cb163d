//! lvsd and Debian's keepalived as two directors of one virtual router: each in both roles, whatever ends
//! the other, by multicast and to one another alone, with IPv4 and IPv6.
//!
//! lvsd is on the director and keepalived on the standby; which of them is to be master their priorities
//! say. keepalived has no IPVS here: it takes the VIPs, and nothing is behind them.
#![expect(clippy::print_stdout, reason = "how long each takeover took is worth knowing")]

use std::{
    collections::BTreeMap,
    net::IpAddr,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use lvs_tests::{
    failover::{Claim, Plan, Trial},
    lab::{
        Host, Instance, Keepalived, Lab, Lvsd, Options, VIP, VIP_V6, config_of_both,
        keepalived_config, other, wait_for,
    },
};

const VRID: u8 = 26;
/// From one advertisement to the next.
const INTERVAL: Duration = Duration::from_millis(100);
/// So much longer than by the RFC it may take where others build and test, too.
const SLACK: Duration = Duration::from_millis(200);
const SOON: Duration = Duration::from_secs(10);

const HIGHEST: u8 = 250;
const HIGH: u8 = 200;
const LOW: u8 = 100;

/// How the two speak to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Multicast,
    UnicastV4,
    UnicastV6,
}

/// How one of them ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Stopped,
    Killed,
}

/// An advertisement on the wire.
#[derive(Clone, Copy, Debug)]
struct Advert {
    /// In seconds.
    at: f64,
    by: Host,
    priority: u8,
}

impl Way {
    fn peer(self, host: Host) -> Option<IpAddr> {
        match self {
            Self::Multicast => None,
            Self::UnicastV4 => Some(host.address().into()),
            Self::UnicastV6 => Some(host.address_v6().into()),
        }
    }

    /// The VIPs that keepalived can have: advertisements are about those of their own family.
    fn vips(self) -> Vec<IpAddr> {
        match self {
            Self::Multicast => vec![VIP.into(), VIP_V6.into()],
            Self::UnicastV4 => vec![VIP.into()],
            Self::UnicastV6 => vec![VIP_V6.into()],
        }
    }
}

/// Both directors, of which neither need run.
struct Pair {
    lab: Lab,
    way: Way,
    lvsd: Option<Lvsd>,
    keepalived: Option<Keepalived>,
}

impl Pair {
    fn new(way: Way) -> Result<Self> {
        Ok(Self { lab: Lab::up(Options::default())?, way, lvsd: None, keepalived: None })
    }

    /// `line` is what its section says besides.
    fn start_lvsd(&mut self, priority: u8, line: &str) -> Result<()> {
        let peers = self.way.peer(Host::Standby);
        let peers = peers.map(|it| format!("peers = [\"{it}\"]\n")).unwrap_or_default();
        let failover = format!(
            "[failover]\nvrid = {VRID}\npriority = {priority}\nadvert_interval = \"100ms\"\nsync = false\n\
             {peers}{line}\n\n[connections]"
        );
        let text = config_of_both(Host::Director).replacen("[connections]", &failover, 1);
        self.lvsd = Some(self.lab.start_lvsd(Host::Director, &text)?);
        Ok(())
    }

    /// `line` is what its instances say besides.
    fn start_keepalived(&mut self, priority: u8, line: &str) -> Result<()> {
        let instance = |vip: IpAddr| {
            let name = if vip.is_ipv4() { "ipv4" } else { "ipv6" };
            let instance = Instance::new(name, priority, vip).with(line);
            self.way.peer(Host::Director).into_iter().fold(instance, Instance::with_peer)
        };
        let instances: Vec<_> = self.way.vips().into_iter().map(instance).collect();
        let text = keepalived_config(Host::Standby, VRID, &instances);
        self.keepalived = Some(self.lab.start_keepalived(Host::Standby, &text, &["--vrrp"])?);
        Ok(())
    }

    /// Ends the one on `host`, if it runs.
    fn end(&mut self, host: Host, how: End) -> Result<()> {
        if host == Host::Standby {
            return self.keepalived.take().map_or(Ok(()), |it| match how {
                End::Stopped => it.stop(),
                End::Killed => it.kill(),
            });
        }
        let lvsd = self.lvsd.take().context("lvsd does not run")?;
        match how {
            End::Stopped => lvsd.stop().map(drop),
            End::Killed => lvsd.kill().map(drop),
        }
    }

    /// Which of them is master by its own account, if one alone is.
    fn master(&self) -> Result<Option<Host>> {
        let lvsd = match &self.lvsd {
            Some(lvsd) => lvsd.status()?["failover"]["role"] == "master",
            None => false,
        };
        let keepalived = match &self.keepalived {
            Some(keepalived) => {
                let has = self.way.vips().into_iter().map(|vip| keepalived.has(vip));
                has.collect::<Result<Vec<_>>>()?.into_iter().all(|has| has)
            }
            None => false,
        };
        Ok(match (lvsd, keepalived) {
            (true, false) => Some(Host::Director),
            (false, true) => Some(Host::Standby),
            (true, true) | (false, false) => None,
        })
    }

    /// Waits until `host` is master, and the client thinks so.
    fn wait_until_master(&self, host: Host) -> Result<()> {
        wait_for(&format!("{host} as master"), SOON, || {
            (self.master().ok()? == Some(host)).then_some(())
        })
        .with_context(|| self.story())?;
        for vip in self.way.vips() {
            wait_for(&format!("{vip} at {host} for the client"), SOON, || {
                // Nobody asks for it, once it is known: that it has moved is announced.
                let known = ["ip", "neigh", "show", "to", &vip.to_string()];
                let known = self.lab.run(Host::Client, &known).ok()?;
                (known.is_empty() || known.contains(&host.mac())).then_some(())
            })
            .with_context(|| self.story())?;
        }
        Ok(())
    }

    /// It is, for longer than a takeover takes.
    fn stays_master(&self, host: Host) -> Result<()> {
        for _ in 0..10 {
            thread::sleep(2 * INTERVAL);
            ensure!(self.master()? == Some(host), "{}", self.story());
        }
        Ok(())
    }

    /// Has the client find out where the VIPs are.
    fn ask(&self) -> Result<()> {
        for vip in self.way.vips() {
            self.lab.run(Host::Client, &["ping", "-c", "1", "-W", "2", &vip.to_string()])?;
        }
        Ok(())
    }

    /// The master ends, and the other takes over as fast as the RFC says, with the priority `next`.
    fn take_over(&mut self, how: End, next: u8) -> Result<()> {
        let from = self.master()?.with_context(|| self.story())?;
        let to = other(from)?;
        let capture = self.lab.capture(Host::Standby)?;
        // The capture has begun with some that the master has sent.
        thread::sleep(3 * INTERVAL);
        self.end(from, how)?;
        if from == Host::Standby && how == End::Killed {
            // Whoever kills keepalived has to take away what it leaves.
            for vip in self.way.vips() {
                let length = if vip.is_ipv4() { 32 } else { 128 };
                let address = format!("{vip}/{length}");
                self.lab.run(Host::Standby, &["ip", "addr", "del", &address, "dev", "eth0"])?;
            }
        }
        self.wait_until_master(to)?;
        let adverts = adverts(&capture.stop(&self.lab)?)?;
        let last = adverts.iter().rposition(|it| it.by == from).context("none of the master")?;
        let first = adverts.iter().find(|it| it.by == to).context("none of the other")?;
        ensure!(first.at > adverts[last].at, "{adverts:?}");
        let took = Duration::from_secs_f64(first.at - adverts[last].at);
        let skew = INTERVAL * (256 - u32::from(next)) / 256;
        let (least, says_so) = match how {
            End::Stopped => (skew, true),
            End::Killed => (3 * INTERVAL + skew, false),
        };
        let case = format!("{:?}, {from} {how:?}: {took:?}, by the RFC {least:?}", self.way);
        println!("{case}");
        assert_eq!(adverts[last].priority == 0, says_so, "{case}");
        // What counts is when the last was sent, and here is known when the bridge had it.
        ensure!(took + Duration::from_millis(5) > least, "{case}: too soon");
        ensure!(took < least + SLACK, "{case}: too late");
        Ok(())
    }

    /// Nothing was refused, and nobody was master beside lvsd for longer than it takes to say so.
    fn was_understood(&self) -> Result<()> {
        let lvsd = self.lvsd.as_ref().context("lvsd does not run")?;
        let failover = &lvsd.status()?["failover"];
        assert_eq!(failover["refused"].as_array().map(Vec::len), Some(0), "{failover}");
        let log = self.keepalived.as_ref().map(Keepalived::log).unwrap_or_default();
        for complaint in ["checksum", "TTL", "HL", "expected", "different", "bogus", "error"] {
            ensure!(!log.contains(complaint), "{complaint}:\n{log}");
        }
        Ok(())
    }

    /// Watches who answers for a VIP; all else is as good as nothing.
    fn watch(&self) -> Result<Trial> {
        let vip = self.way.vips().into_iter().next().context("no VIP")?;
        let plan = Plan { rate: 1, connections: 0, download: None, ..Plan::to(vip) };
        Trial::start(Host::Client, &plan)
    }

    /// What both have to say.
    fn story(&self) -> String {
        let lvsd = self.lvsd.as_ref().map(Lvsd::log).unwrap_or_default();
        let keepalived = self.keepalived.as_ref().map(Keepalived::log).unwrap_or_default();
        format!("lvsd said:\n{lvsd}\nkeepalived said:\n{keepalived}")
    }
}

/// The longest time for which questions were answered by two. keepalived takes a living master's VIPs
/// before that one has heard of it, so there may be a moment.
fn two_answer(claims: &[Claim]) -> Duration {
    let mut first = BTreeMap::new();
    let mut longest = Duration::ZERO;
    let mut episode: Option<(Instant, Instant)> = None;
    for claim in claims {
        let Some(question) = claim.answers else { continue };
        if *first.entry(question).or_insert(claim.mac) == claim.mac {
            continue;
        }
        let began = episode.filter(|(_, to)| claim.at.duration_since(*to) < 3 * INTERVAL);
        let began = began.map_or(claim.at, |(from, _)| from);
        episode = Some((began, claim.at));
        longest = longest.max(claim.at.duration_since(began));
    }
    longest
}

fn adverts(frames: &[String]) -> Result<Vec<Advert>> {
    let advert = |frame: &String| {
        let mut words = frame.split_whitespace();
        let at = words.next()?.parse().ok()?;
        let mac = words.next()?;
        let by = [Host::Director, Host::Standby].into_iter().find(|it| it.mac() == mac)?;
        let (_, priority) = frame.split_once("prio ")?;
        Some(Advert { at, by, priority: priority.split(',').next()?.parse().ok()? })
    };
    let ours = frames.iter().filter(|it| it.contains("VRRPv3"));
    ours.map(|it| advert(it).with_context(|| format!("can't read {it}"))).collect()
}

/// All that can become of the two.
fn every_change(way: Way) -> Result<()> {
    let mut pair = Pair::new(way)?;
    // keepalived is backup, and is there first: it must believe lvsd before it has said a word.
    pair.start_keepalived(LOW, "")?;
    pair.start_lvsd(HIGH, "")?;
    pair.wait_until_master(Host::Director)?;
    pair.ask()?;
    pair.was_understood()?;
    let watch = pair.watch()?;
    pair.take_over(End::Stopped, LOW)?;
    // lvsd preempts.
    pair.start_lvsd(HIGH, "")?;
    pair.wait_until_master(Host::Director)?;
    pair.take_over(End::Killed, LOW)?;
    pair.start_lvsd(HIGH, "")?;
    pair.wait_until_master(Host::Director)?;

    pair.end(Host::Standby, End::Stopped)?;
    // keepalived preempts.
    pair.start_keepalived(HIGHEST, "")?;
    pair.wait_until_master(Host::Standby)?;
    pair.take_over(End::Stopped, HIGH)?;
    pair.start_keepalived(HIGHEST, "")?;
    pair.wait_until_master(Host::Standby)?;
    pair.was_understood()?;
    pair.take_over(End::Killed, HIGH)?;
    let longest = two_answer(&watch.records()?.claims);
    println!("{way:?}: two answered for {longest:?}");
    ensure!(longest < INTERVAL, "two answered for {longest:?}");
    Ok(())
}

#[test]
fn each_takes_over_from_the_other_by_multicast() -> Result<()> {
    every_change(Way::Multicast)
}

#[test]
fn each_takes_over_from_the_other_by_unicast_ipv4() -> Result<()> {
    every_change(Way::UnicastV4)
}

#[test]
fn each_takes_over_from_the_other_by_unicast_ipv6() -> Result<()> {
    every_change(Way::UnicastV6)
}

#[test]
fn neither_preempts_unless_it_may() -> Result<()> {
    let mut pair = Pair::new(Way::Multicast)?;
    pair.start_keepalived(LOW, "")?;
    wait_for("keepalived as master", SOON, || {
        (pair.master().ok()? == Some(Host::Standby)).then_some(())
    })?;
    pair.ask()?;
    pair.start_lvsd(HIGH, "preempt = false")?;
    pair.stays_master(Host::Standby)?;
    // It takes over all the same when nobody is master.
    pair.end(Host::Standby, End::Stopped)?;
    pair.wait_until_master(Host::Director)?;
    pair.start_keepalived(HIGHEST, "nopreempt")?;
    pair.stays_master(Host::Director)?;
    pair.end(Host::Director, End::Stopped)?;
    pair.wait_until_master(Host::Standby)
}

/// keepalived hears nothing of lvsd for a while, and takes the VIPs, too.
#[test]
fn of_two_masters_the_lower_gives_way_and_the_network_is_told() -> Result<()> {
    let mut pair = Pair::new(Way::Multicast)?;
    pair.start_lvsd(HIGH, "")?;
    pair.start_keepalived(LOW, "")?;
    pair.wait_until_master(Host::Director)?;
    pair.ask()?;
    pair.lab.hush(Host::Director, true)?;
    wait_for("keepalived as master, too", SOON, || {
        let has = pair.keepalived.as_ref()?.has(VIP.into()).ok()?;
        let splits = pair.lvsd.as_ref()?.status().ok()?["failover"]["splits"].as_u64()?;
        (has && splits == 1).then_some(())
    })
    .with_context(|| pair.story())?;
    pair.lab.hush(Host::Director, false)?;
    pair.wait_until_master(Host::Director)?;
    pair.stays_master(Host::Director)
}

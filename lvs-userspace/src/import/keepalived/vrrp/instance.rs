//! `vrrp_instance`.

use std::{collections::BTreeSet, fmt, net::IpAddr, time::Duration};

use super::{
    HOUR, entry,
    track::{Scripts, Tracks},
    version,
};
use crate::{
    config::{Config, Director, can_be_a_host},
    failover::{Interval, announce, settings::Track},
    import::keepalived::{report::Report, syntax::Statement},
};

/// What it is without a word.
const PRIORITY: u8 = 100;

/// What an instance says.
pub(super) struct Instance<'a> {
    pub(super) statement: &'a Statement,
    pub(super) vrid: Option<u8>,
    pub(super) priority: u8,
    pub(super) interval: Interval,
    pub(super) preempt: bool,
    pub(super) preempt_delay: Duration,
    pub(super) announce: announce::Settings,
    /// Its own; and with those of the others that were joined to it.
    pub(super) interface: Option<String>,
    pub(super) interfaces: Vec<String>,
    pub(super) peers: Vec<IpAddr>,
    /// Whether the links of its interfaces are tracked.
    pub(super) tracks_primary: bool,
    pub(super) tracks: Vec<Track>,
    /// The scripts among them.
    pub(super) scripts: BTreeSet<String>,
    /// What it answers for, with the lines.
    pub(super) addresses: Vec<(usize, IpAddr)>,
}

/// What keeps two instances from being one.
#[derive(Clone, Copy)]
pub(super) enum Unlike {
    Vrid,
    Priority,
    Interval,
    Preemption,
    Ways,
}

impl fmt::Display for Unlike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vrid => "this is another virtual_router_id",
            Self::Priority => "this has another priority",
            Self::Interval => "this has another advert_int",
            Self::Preemption => "this preempts otherwise",
            Self::Ways => "of the two only one has peers",
        })
    }
}

impl<'a> Instance<'a> {
    pub(super) fn read(
        statement: &'a Statement,
        announce: announce::Settings,
        scripts: &mut Scripts<'a>,
        report: &mut Report,
    ) -> Self {
        let mut instance = Self {
            statement,
            vrid: None,
            priority: PRIORITY,
            interval: Interval::USUAL,
            preempt: true,
            preempt_delay: Duration::ZERO,
            announce,
            interface: None,
            interfaces: Vec::new(),
            peers: Vec::new(),
            tracks_primary: true,
            tracks: Vec::new(),
            scripts: BTreeSet::new(),
            addresses: Vec::new(),
        };
        let mut tracked = Vec::new();
        for it in &statement.block {
            match it.keyword.as_str() {
                "track_interface" | "track_script" => tracked.push(it),
                _ => instance.take(it, report),
            }
        }
        instance.interfaces.extend(instance.interface.clone());
        // They may raise the priority, which can stand behind them.
        let mut tracks = Tracks::new(instance.priority);
        for it in tracked {
            tracks.take(it, scripts, report);
        }
        Self {
            priority: tracks.priority,
            tracks: tracks.tracks,
            scripts: tracks.scripts,
            ..instance
        }
    }

    fn take(&mut self, it: &Statement, report: &mut Report) {
        match it.keyword.as_str() {
            "virtual_router_id" => self.vrid = vrid(it, report),
            "priority" => self.priority = it.number(1..=254, report).unwrap_or(self.priority),
            "advert_int" => self.interval = interval(it, report).unwrap_or(self.interval),
            "nopreempt" => self.preempt = false,
            "preempt" => self.preempt = true,
            "preempt_delay" => {
                self.preempt_delay = it.time(Duration::ZERO..=HOUR, report).unwrap_or_default();
            }
            "interface" => self.interface = interface(it, report),
            "dont_track_primary" => self.tracks_primary = false,
            "unicast_peer" => self.peers = peers(it, report),
            "virtual_ipaddress" | "virtual_ipaddress_excluded" => {
                let addresses = it.block.iter().filter_map(|address| {
                    Some((address.line, entry(address, &it.keyword, report)?))
                });
                self.addresses.extend(addresses);
            }
            "version" => version(it, report),
            // So lvsd begins anyway.
            "state" if it.arguments.first().is_some_and(|it| it == "BACKUP") => {}
            "state" => report.leave_out(it, "lvsd begins as backup, and listens first"),
            keyword if take_announce(keyword, it, &mut self.announce, report) => {}
            _ => report.nothing_like(it),
        }
    }

    /// Takes another to be this one, too: another family's, or one at another interface.
    pub(super) fn join(&mut self, other: &Self) -> Result<(), Unlike> {
        let same = [
            (self.vrid == other.vrid, Unlike::Vrid),
            (self.priority == other.priority, Unlike::Priority),
            (self.interval == other.interval, Unlike::Interval),
            (
                (self.preempt, self.preempt_delay) == (other.preempt, other.preempt_delay),
                Unlike::Preemption,
            ),
            (self.peers.is_empty() == other.peers.is_empty(), Unlike::Ways),
        ];
        if let Some((_, unlike)) = same.into_iter().find(|(is_same, _)| !is_same) {
            return Err(unlike);
        }
        more(&mut self.interfaces, &other.interfaces);
        more(&mut self.peers, &other.peers);
        more(&mut self.tracks, &other.tracks);
        self.scripts.extend(other.scripts.iter().cloned());
        self.tracks_primary |= other.tracks_primary;
        Ok(())
    }

    /// What it is called.
    pub(super) fn name(&self) -> String {
        self.statement.arguments.join(" ")
    }
}

/// Adds those that are not there.
fn more<T: Clone + PartialEq>(all: &mut Vec<T>, others: &[T]) {
    for it in others {
        if !all.contains(it) {
            all.push(it.clone());
        }
    }
}

/// Takes in how addresses are announced, if a statement is about that.
pub(in crate::import::keepalived) fn take_announce(
    keyword: &str,
    statement: &Statement,
    announce: &mut announce::Settings,
    report: &mut Report,
) -> bool {
    let times = Duration::ZERO..=HOUR;
    match keyword {
        "garp_master_delay" => {
            announce.repeat_after = statement.time(times, report).unwrap_or(announce.repeat_after);
        }
        "garp_master_repeat" => {
            announce.burst = statement.number(1..=100, report).unwrap_or(announce.burst);
        }
        "garp_master_refresh" => {
            announce.refresh = statement.time(times, report).unwrap_or(announce.refresh);
        }
        "garp_master_refresh_repeat" => {
            if statement.number(1..=u32::MAX, report).is_some_and(|it| it > 1) {
                report.leave_out(statement, "what is refreshed is announced once each time");
            }
        }
        "garp_lower_prio_delay" | "garp_lower_prio_repeat" => {
            report.leave_out(statement, "it is announced then as at a takeover");
        }
        _ => return false,
    }
    true
}

/// The nearest would be another router.
fn vrid(statement: &Statement, report: &mut Report) -> Option<u8> {
    let text = statement.one(report)?;
    let vrid = text.parse().ok().filter(|it| *it > 0);
    if vrid.is_none() {
        let message = format!("virtual_router_id: {text:?} is no number from 1 to 255");
        report.error(statement.line, message);
    }
    vrid
}

fn interval(statement: &Statement, report: &mut Report) -> Option<Interval> {
    let range = Interval::SHORTEST.duration()..=Duration::from_secs(40);
    let time = statement.time(range, report)?;
    let nearest = Duration::from_millis(time.as_millis() as u64 / 10 * 10);
    if nearest != time {
        report.leave_out(statement, format!("{time:?} becomes {nearest:?}"));
    }
    Interval::from_duration(nearest)
}

/// The name of an interface, if a file might name it.
pub(super) fn interface(statement: &Statement, report: &mut Report) -> Option<String> {
    let name = statement.one(report)?.to_owned();
    let director = Director::new("x".to_owned(), vec![name.clone()]);
    match Config::parse(&Config::new(director).to_toml(), "") {
        Ok(_) => Some(name),
        Err(errors) => {
            for error in errors.0 {
                report.error(statement.line, format!("interface: {}", error.message));
            }
            None
        }
    }
}

fn peers(statement: &Statement, report: &mut Report) -> Vec<IpAddr> {
    let mut peers = Vec::new();
    for it in &statement.block {
        let Some(address) = entry(it, "unicast_peer", report) else { continue };
        if !it.arguments.is_empty() {
            let why = "what comes through a router is always refused";
            report.leave_out(it, format!("{}: {why}", it.arguments.join(" ")));
        }
        match can_be_a_host(address) {
            Ok(address) if peers.contains(&address) => {}
            Ok(address) => peers.push(address),
            Err(why) => report.leave_out_line(it.line, format!("unicast_peer: {why}")),
        }
    }
    peers
}

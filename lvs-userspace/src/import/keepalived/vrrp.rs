//! VRRP: of all `vrrp_instance` one becomes our `[failover]`, together with those that are the same but for
//! their addresses.

mod instance;
mod track;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use super::{report::Report, syntax::Statement};
use crate::{
    config::{Config, ConfigError, Director},
    failover::{
        Interval, announce,
        settings::{Part, Settings, Track, Tracked},
    },
    import::Draft,
};
pub(super) use instance::take_announce;
use instance::{Instance, Unlike};
use track::Scripts;

/// What to say to who goes on from there.
const NOTES: [&str; 2] = [
    "As long as others are keepalived: sync = false in [failover] here, and vrrp_version 3 there.",
    "When all are lvsd: a key_file in [failover], so that nobody else can take over.",
];
const HOUR: Duration = Duration::from_secs(3600);

/// What `global_defs` says of VRRP.
#[derive(Default)]
pub(super) struct Globals {
    announce: announce::Settings,
    start_delay: Duration,
}

impl Globals {
    /// Takes in a statement, if it is about that.
    pub(super) fn take(&mut self, statement: &Statement, report: &mut Report) -> bool {
        match statement.keyword.as_str() {
            "vrrp_version" => version(statement, report),
            "vrrp_startup_delay" => {
                let time = statement.time(Duration::ZERO..=HOUR, report);
                self.start_delay = time.unwrap_or_default();
            }
            keyword => {
                let keyword = keyword.strip_prefix("vrrp_").unwrap_or_default();
                return take_announce(keyword, statement, &mut self.announce, report);
            }
        }
        true
    }
}

/// Version 3 is what lvsd speaks.
fn version(statement: &Statement, report: &mut Report) {
    if statement.number(2..=3u8, report) == Some(2) {
        report.leave_out(statement, "lvsd speaks version 3 alone, and so must the others");
    }
}

/// The instances of a file, and their interfaces.
pub(super) struct Instances<'a> {
    read: Vec<(Instance<'a>, Report)>,
    scripts: Scripts<'a>,
    globals: Globals,
}

impl<'a> Instances<'a> {
    /// Reads all of them.
    pub(super) fn read(statements: &'a [Statement], globals: Globals, report: &mut Report) -> Self {
        let mut scripts = Scripts::read(statements, report);
        let instances = statements.iter().filter(|it| it.keyword == "vrrp_instance");
        let read = instances.map(|statement| {
            let mut own = Report::default();
            let instance = Instance::read(statement, globals.announce, &mut scripts, &mut own);
            report.errors.append(&mut own.errors);
            (instance, own)
        });
        let read = read.collect();
        Self { read, scripts, globals }
    }

    /// The interfaces that they are at, each once.
    pub(super) fn interfaces(&self) -> Vec<String> {
        let mut interfaces: Vec<String> = Vec::new();
        for name in self.read.iter().filter_map(|(it, _)| it.interface.as_ref()) {
            if !interfaces.contains(name) {
                interfaces.push(name.clone());
            }
        }
        interfaces
    }

    /// Makes the section of one of them. The services are there by now.
    pub(super) fn carry(self, draft: &mut Draft, report: &mut Report) {
        let vips: BTreeSet<_> =
            draft.config.virtual_services.iter().map(|it| it.id.address).collect();
        for (line, address) in self.read.iter().flat_map(|(it, _)| &it.addresses) {
            if !vips.contains(address) {
                let why = "no virtual service has it, so lvsd does not answer for it";
                report.leave_out_line(*line, format!("virtual_ipaddress {address}: {why}"));
            }
        }
        let Self { mut read, scripts, globals } = self;
        read.retain(|(it, _)| {
            if it.vrid.is_none() {
                report.leave_out(it.statement, "it has no virtual_router_id");
            }
            it.vrid.is_some()
        });
        // Rather one that has a VIP than one that is for something else.
        let has_vip = |it: &Instance<'_>| it.addresses.iter().any(|(_, it)| vips.contains(it));
        let first = read.iter().position(|(it, _)| has_vip(it)).unwrap_or(0);
        if first >= read.len() {
            scripts.complain(&BTreeSet::new(), report);
            return;
        }
        let (mut chosen, mut own) = read.remove(first);
        for (other, mut others) in read {
            match chosen.join(&other) {
                Ok(()) => own.left_out.append(&mut others.left_out),
                Err(unlike) => leave_out(&other, &chosen, unlike, report),
            }
        }
        let settings = settings(&chosen, &globals, &draft.config.director.interfaces);
        scripts.complain(&chosen.scripts, report);
        if let Some(why) = refusal(&settings) {
            report.leave_out(chosen.statement, why);
            return;
        }
        report.left_out.append(&mut own.left_out);
        draft.notes.extend(NOTES);
        draft.config.failover = Some(settings);
    }
}

fn leave_out(other: &Instance<'_>, chosen: &Instance<'_>, unlike: Unlike, report: &mut Report) {
    let why = format!(
        "{}: there is one [failover], that of {}, and {unlike}",
        other.name(),
        chosen.name()
    );
    report.leave_out(other.statement, why);
}

fn settings(instance: &Instance<'_>, globals: &Globals, interfaces: &[String]) -> Settings {
    let own: Vec<_> = instance.interfaces.clone();
    let is_unicast = !instance.peers.is_empty();
    // Without a word it is the director's, for both.
    let multicast = (!is_unicast && !own.is_empty() && own != interfaces).then(|| own.clone());
    let links = own.into_iter().filter(|_| instance.tracks_primary);
    let links = links.map(|it| Track { what: Tracked::Interface(it), priority_step: None });
    let mut track: Vec<_> = links.collect();
    for it in &instance.tracks {
        if !track.contains(it) {
            track.push(it.clone());
        }
    }
    let is_usual = instance.tracks_primary && instance.tracks.is_empty();
    Settings {
        // One without was left out.
        vrid: instance.vrid.unwrap_or(1),
        advert_interval: instance.interval,
        preempt: instance.preempt,
        preempt_delay: instance.preempt_delay,
        start_delay: globals.start_delay,
        announce: instance.announce,
        track: (!is_usual).then_some(track),
        common: Part {
            priority: Some(instance.priority),
            peers: is_unicast.then(|| instance.peers.clone()),
            interfaces: multicast,
        },
        ..usual()
    }
}

/// The section of somebody who says no more than he must.
fn usual() -> Settings {
    Settings {
        vrid: 1,
        advert_interval: Interval::USUAL,
        preempt: true,
        preempt_delay: Duration::ZERO,
        start_delay: Duration::ZERO,
        key_file: None,
        sync_port: Some(Settings::SYNC_PORT),
        announce: announce::Settings::default(),
        track: None,
        common: Part { priority: Some(1), ..Part::default() },
        nodes: BTreeMap::new(),
    }
}

/// Why a file can't say this; `None` if it can.
fn refusal(settings: &Settings) -> Option<String> {
    let director = Director::new("x".to_owned(), vec!["x".to_owned()]);
    let config = Config { failover: Some(settings.clone()), ..Config::new(director) };
    let errors = Config::parse(&config.to_toml(), "").err()?;
    let problem = |error: ConfigError| {
        let key = error.key.rsplit('.').next().unwrap_or_default().to_owned();
        format!("{key}: {}", error.message)
    };
    Some(errors.0.into_iter().map(problem).collect::<Vec<_>>().join("; "))
}

/// Why a director can't track this; `None` if it can.
fn refusal_of(track: &Track) -> Option<String> {
    refusal(&Settings { track: Some(vec![track.clone()]), ..usual() })
}

/// The address of an entry, which may have a prefix length behind it.
fn entry(statement: &Statement, block: &str, report: &mut Report) -> Option<IpAddr> {
    let address = statement.keyword.split('/').next().unwrap_or_default();
    let address = super::address(address);
    address.map_err(|error| report.error(statement.line, format!("{block}: {error}"))).ok()
}

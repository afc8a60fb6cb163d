//! The `[failover]` section.

use std::{collections::BTreeMap, net::IpAddr, ops::RangeInclusive, path::PathBuf, time::Duration};

use super::{
    Director, VirtualService,
    reader::{At, Reader},
    values::{
        boolean, command, host_address, interface, interfaces, milliseconds, number, one_of, path,
    },
};
use crate::{
    failover::{
        Interval, announce,
        settings::{Part, Program, Settings, Track, Tracked},
    },
    model::{Protocol, ServiceId},
};

/// Kinds of what is tracked, each with the keys that are its own.
const KINDS: [(&str, &[&str]); 3] = [
    ("interface", &["interface"]),
    ("program", &["command", "interval", "timeout", "rise", "fall"]),
    ("quorum", &["address", "port", "protocol"]),
];

const NONE: Duration = Duration::ZERO;

/// Reads the section; the inner `None` is that there is none.
pub(super) fn failover(
    section: Option<Option<Reader<'_>>>,
    director: Option<&Director>,
    services: &[Option<VirtualService>],
) -> Option<Option<Settings>> {
    let Some(section) = section else { return Some(None) };
    let section = section?;
    let time = |key, range: RangeInclusive<Duration>| {
        section.optional(key, milliseconds(range)).map(|at| at.value)
    };
    let seconds = Duration::from_secs;
    let vrid = section.required("vrid", number("a virtual router id", 1..=u8::MAX));
    let shortest = Interval::SHORTEST.duration();
    let interval = section.optional("advert_interval", milliseconds(shortest..=seconds(40)));
    let advert_interval = match &interval {
        None => Some(Interval::USUAL),
        Some(at) => Interval::from_duration(at.value),
    };
    if let (Some(at), None) = (&interval, advert_interval) {
        section.problem(&at.span, "advert_interval", "expected a multiple of \"10ms\"");
    }
    let preempt = section.optional("preempt", boolean).is_none_or(|at| at.value);
    let preempt_delay = time("preempt_delay", NONE..=seconds(3600)).unwrap_or_default();
    let start_delay = time("start_delay", NONE..=seconds(3600)).unwrap_or_default();
    let key_file = section.optional("key_file", path).map(|at| PathBuf::from(at.value));
    let syncs = section.optional("sync", boolean).is_none_or(|at| at.value);
    let port = section.optional("sync_port", number("a port", 1..=u16::MAX));
    let announce = announce(section.section("announce"));
    let track = section.is_there("track").then(|| {
        let tracks = section.tables("track");
        tracks.into_iter().map(|it| track(&it, services)).collect::<Vec<_>>()
    });
    let common = part(&section);
    let mut nodes = BTreeMap::new();
    if let Some(Some(node)) = section.section("node") {
        for (name, section) in node.named() {
            let own = part(&section);
            section.unknown_keys();
            nodes.insert(name, own);
        }
    }
    section.unknown_keys();

    let track = match track {
        Some(tracks) => Some(tracks.into_iter().collect::<Option<Vec<_>>>()?),
        None => None,
    };
    let settings = Settings {
        vrid: vrid?.value,
        advert_interval: advert_interval?,
        preempt,
        preempt_delay,
        start_delay,
        key_file,
        sync_port: syncs.then(|| port.map_or(Settings::SYNC_PORT, |at| at.value)),
        announce: announce?,
        track,
        common,
        nodes,
    };
    if let Some(director) = director {
        check_part(&section, &settings, &director.name);
    }
    Some(Some(settings))
}

/// Whether this director has all that it needs.
fn check_part(section: &Reader<'_>, settings: &Settings, director: &str) {
    if !settings.nodes.is_empty() && !settings.nodes.contains_key(director) {
        let names: Vec<_> = settings.nodes.keys().map(String::as_str).collect();
        let message = format!(
            "there is no part for this director, {director:?}; there are those of {}",
            names.join(", ")
        );
        section.complain("node", &message);
    } else if settings.priority(director).is_none() {
        section.missing("priority");
    }
}

fn part(section: &Reader<'_>) -> Part {
    let priority = section.optional("priority", number("a priority", 1..=254u8));
    let mut peers: Option<Vec<IpAddr>> = None;
    if let Some(list) = section.list("peers", host_address) {
        let peers = peers.insert(Vec::new());
        for At { value, span } in list {
            if peers.contains(&value) {
                section.problem(&span, "peers", &format!("{value} is there twice"));
            }
            peers.push(value);
        }
    }
    let names = section.optional("interfaces", interfaces);
    if let Some(at) = names.as_ref().filter(|_| peers.as_ref().is_some_and(|it| !it.is_empty())) {
        let message = "with peers this means nothing: the routes to them say where to send";
        section.problem(&at.span, "interfaces", message);
    }
    Part { priority: priority.map(|at| at.value), peers, interfaces: names.map(|at| at.value) }
}

fn announce(section: Option<Option<Reader<'_>>>) -> Option<announce::Settings> {
    let defaults = announce::Settings::default();
    let Some(section) = section else { return Some(defaults) };
    let section = section?;
    let hour = Duration::from_secs(3600);
    let burst = section.optional("burst", number("a number of announcements", 1..=100u32));
    let repeat_after = section.optional("repeat_after", milliseconds(NONE..=hour));
    let refresh = section.optional("refresh", milliseconds(NONE..=hour));
    section.unknown_keys();
    Some(announce::Settings {
        burst: burst.map_or(defaults.burst, |at| at.value),
        repeat_after: repeat_after.map_or(defaults.repeat_after, |at| at.value),
        refresh: refresh.map_or(defaults.refresh, |at| at.value),
    })
}

fn track(section: &Reader<'_>, services: &[Option<VirtualService>]) -> Option<Track> {
    let kinds = KINDS.map(|(name, keys)| (name, (name, keys)));
    let kind = section.required("type", one_of(&kinds));
    let is = |name: &str| kind.as_ref().is_some_and(|at| at.value.0 == name);
    let step = section.optional("priority_step", number("a priority", 1..=253u8));
    let name = read(section, is("interface"), "interface", interface);
    let command = read(section, is("program"), "command", command);
    let time = |key, most| {
        let range = Duration::from_millis(10)..=Duration::from_secs(most);
        section.optional(key, milliseconds(range)).map(|at| at.value)
    };
    let count = |key| section.optional(key, number("a number of runs", 1..=100u32));
    let interval = time("interval", 3600).unwrap_or(Duration::from_secs(2));
    let timeout = time("timeout", 60).unwrap_or(Duration::from_secs(1));
    let rise = count("rise").map_or(1, |at| at.value);
    let fall = count("fall").map_or(1, |at| at.value);
    let protocols = Protocol::ALL.map(|protocol| (protocol.name(), protocol));
    let address = read(section, is("quorum"), "address", host_address);
    let port = read(section, is("quorum"), "port", number("a port", 0..=u16::MAX));
    let protocol = read(section, is("quorum"), "protocol", one_of(&protocols));
    section.unknown_keys();

    let At { value: (kind, keys), .. } = kind?;
    let all = KINDS.iter().flat_map(|(_, keys)| keys.iter().copied());
    section.refuse_others(&format!("a track of type {kind:?}"), keys, all);
    let what = match kind {
        "interface" => Tracked::Interface(name?.value),
        "program" => {
            Tracked::Program(Program { command: command?.value, interval, timeout, rise, fall })
        }
        _ => {
            let (address, port) = (address?.value, port?.value);
            let id = ServiceId { protocol: protocol?.value, address, port };
            match services.iter().flatten().find(|it| it.id == id) {
                None => section.complain("address", &format!("there is no virtual service {id}")),
                Some(it) if it.quorum == 0 => {
                    section.complain("address", &format!("{id} has no quorum that could be lost"));
                }
                Some(_) => {}
            }
            Tracked::Quorum(id)
        }
    };
    Some(Track { what, priority_step: step.map(|at| at.value) })
}

/// A key that must be there if it is of this kind.
fn read<T>(
    section: &Reader<'_>,
    is_its: bool,
    key: &'static str,
    read: impl FnOnce(&toml::de::DeValue<'_>) -> Result<T, String>,
) -> Option<At<T>> {
    if is_its { section.required(key, read) } else { section.optional(key, read) }
}

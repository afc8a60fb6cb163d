//! The section `[failover]`, with what belongs to it.

use std::time::Duration;

use toml::Value;

use super::keys::{Keys as _, Text, strings, time, unless};
use crate::{
    failover::{
        Interval, announce,
        settings::{self as failover, Part, Program, Track, Tracked},
    },
    model::ServiceId,
};

pub(super) fn write_failover(failover: &failover::Settings, text: &mut Text) {
    let failover::Settings {
        vrid,
        advert_interval,
        preempt,
        preempt_delay,
        start_delay,
        key_file,
        sync_port,
        announce,
        track,
        common,
        nodes,
    } = failover;
    text.section("[failover]");
    text.key("vrid", i64::from(*vrid));
    write_part(common, text);
    text.key_if(
        "advert_interval",
        unless(Interval::USUAL, *advert_interval).map(|it| time(it.duration())),
    );
    text.key_if("preempt", unless(true, *preempt));
    for (key, value) in [("preempt_delay", preempt_delay), ("start_delay", start_delay)] {
        text.key_if(key, unless(Duration::ZERO, *value).map(time));
    }
    text.key_if("key_file", key_file.as_ref().map(|it| it.display().to_string()));
    match sync_port {
        None => text.key("sync", false),
        Some(port) => {
            let usual = failover::Settings::SYNC_PORT;
            text.key_if("sync_port", unless(usual, *port).map(i64::from));
        }
    }
    if track.as_ref().is_some_and(Vec::is_empty) {
        text.key("track", Value::Array(Vec::new()));
    }
    let usual = announce::Settings::default();
    if *announce != usual {
        let announce::Settings { burst, repeat_after, refresh } = announce;
        text.section("[failover.announce]");
        text.key_if("burst", unless(usual.burst, *burst));
        text.key_if("repeat_after", unless(usual.repeat_after, *repeat_after).map(time));
        text.key_if("refresh", unless(usual.refresh, *refresh).map(time));
    }
    for Track { what, priority_step } in track.iter().flatten() {
        text.section("[[failover.track]]");
        write_tracked(what, text);
        text.key_if("priority_step", priority_step.map(i64::from));
    }
    for (name, part) in nodes {
        text.section(&format!("[failover.node.{}]", Value::from(name.as_str())));
        write_part(part, text);
    }
}

fn write_part(part: &Part, text: &mut Text) {
    let Part { priority, peers, interfaces } = part;
    text.key_if("priority", priority.map(i64::from));
    let peers = peers.as_ref().map(|it| it.iter().map(ToString::to_string).collect::<Vec<_>>());
    text.key_if("peers", peers.map(|it| strings(&it)));
    text.key_if("interfaces", interfaces.as_ref().map(|it| strings(it)));
}

fn write_tracked(what: &Tracked, text: &mut Text) {
    match what {
        Tracked::Interface(name) => {
            text.key("type", "interface");
            text.key("interface", name.as_str());
        }
        Tracked::Program(Program { command, interval, timeout, rise, fall }) => {
            text.key("type", "program");
            text.key("command", strings(command));
            text.key("interval", time(*interval));
            text.key("timeout", time(*timeout));
            text.key("rise", *rise);
            text.key("fall", *fall);
        }
        Tracked::Quorum(ServiceId { protocol, address, port }) => {
            text.key("type", "quorum");
            text.key("address", address.to_string());
            text.key("port", i64::from(*port));
            text.key("protocol", protocol.name());
        }
    }
}

//! What is otherwise in another configuration, a line for each change.

use std::{collections::BTreeMap, fmt::Display, time::Duration};

use super::{Config, Connections, Failover, RealServer, VirtualService};
use crate::health::{Check, Via};

/// What changes from one configuration to another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// What can be done at once: `+` is new, `-` gone, `~` otherwise.
    pub changes: Vec<String>,
    /// What needs a restart of lvsd, and what more.
    pub needs_restart: Vec<String>,
}

/// What changes from `before` to `after`.
#[must_use]
pub fn difference(before: &Config, after: &Config) -> Difference {
    let mut difference = Difference::default();
    let Config { director, failover, connections, load, alerts, virtual_services } = before;
    if *director != after.director {
        // The pinned maps keep their sizes.
        let line = if director.max_real_servers == after.director.max_real_servers {
            "[director]: restart lvsd"
        } else {
            "[director] max_real_servers: stop lvsd, run `lvsd --detach-all`, and start it again"
        };
        difference.needs_restart.push(line.to_owned());
    }
    let other_ways = needs_other_ways(before, after);
    if other_ways {
        let line = "[failover] vrid, peers, interfaces, sync or sync_port, or the section itself: \
                    restart lvsd";
        difference.needs_restart.push(line.to_owned());
    }
    let sizes = |it: &Connections| [it.size, it.half_open, it.ipv6_size, it.ipv6_half_open];
    if sizes(connections) != sizes(&after.connections) {
        let line = "[connections] sizes: stop lvsd, run `lvsd --detach-all`, and start it again";
        difference.needs_restart.push(line.to_owned());
    }
    let changes = &mut difference.changes;
    for (section, is_same) in [
        ("connections] timeouts", connections.timeouts == after.connections.timeouts),
        ("failover]", *failover == after.failover || other_ways),
        ("load]", *load == after.load),
        ("alerts]", *alerts == after.alerts),
    ] {
        if !is_same {
            changes.push(format!("~ [{section}"));
        }
    }
    compare(
        virtual_services.iter().map(|it| (it.id, it)),
        after.virtual_services.iter().map(|it| (it.id, it)),
        |id| id.to_string(),
        service_fields,
        changes,
    );
    let old: BTreeMap<_, _> = virtual_services.iter().map(|it| (it.id, it)).collect();
    for service in &after.virtual_services {
        let before = old.get(&service.id).into_iter().flat_map(|it| &it.real_servers);
        compare(
            before.map(|it| (it.address, it)),
            service.real_servers.iter().map(|it| (it.address, it)),
            |address| format!("{} {address}", service.id),
            real_server_fields,
            changes,
        );
    }
    difference
}

/// Whether failover needs other sockets, or is another director's.
fn needs_other_ways(before: &Config, after: &Config) -> bool {
    let ways = |Config { director, failover, .. }: &Config| {
        let ways =
            |it: &Failover| (it.vrid, it.sync_port, it.ways(&director.name, &director.interfaces));
        failover.as_ref().map(ways)
    };
    let is_same = before.failover == after.failover;
    !is_same && (ways(before) != ways(after) || before.director != after.director)
}

/// What is to run when `after` is wanted and `running` can't be left for it without a restart.
#[must_use]
pub fn without_restart(running: &Config, after: Config) -> Config {
    let Connections { size, half_open, ipv6_size, ipv6_half_open, .. } = running.connections;
    let stays = needs_other_ways(running, &after);
    Config {
        director: running.director.clone(),
        failover: if stays { running.failover.clone() } else { after.failover },
        connections: Connections {
            size,
            half_open,
            ipv6_size,
            ipv6_half_open,
            ..after.connections
        },
        ..after
    }
}

type Fields = Vec<(&'static str, String)>;

/// Notes what is gone, new and otherwise.
fn compare<'a, K: Ord + Copy, T: 'a>(
    before: impl Iterator<Item = (K, &'a T)>,
    after: impl Iterator<Item = (K, &'a T)>,
    name: impl Fn(K) -> String,
    fields: impl Fn(&T) -> Fields,
    changes: &mut Vec<String>,
) {
    let mut before: BTreeMap<_, _> = before.collect();
    let mut lines = Vec::new();
    for (key, new) in after {
        let new = fields(new);
        match before.remove(&key) {
            None => {
                // What means that there is nothing special need not be said.
                let special = |it: &str| !["none", "false", "0", "0s"].contains(&it);
                let fields: Vec<_> = new
                    .iter()
                    .filter(|(_, it)| special(it))
                    .map(|(key, it)| format!("{key} {it}"))
                    .collect();
                lines.push(format!("+ {}: {}", name(key), fields.join(", ")));
            }
            Some(old) => {
                for ((field, old), (_, new)) in fields(old).iter().zip(&new) {
                    if old != new {
                        lines.push(format!("~ {}: {field} {old} -> {new}", name(key)));
                    }
                }
            }
        }
    }
    changes.extend(before.into_keys().map(|key| format!("- {}", name(key))));
    changes.extend(lines);
}

fn service_fields(service: &VirtualService) -> Fields {
    let VirtualService {
        id: _,
        scheduler,
        persistence,
        one_packet,
        stateless,
        lost_connections,
        sorry_server,
        inhibit_on_failure,
        follow_load,
        slow_start,
        quorum,
        quorum_hysteresis,
        // Told of the real servers.
        check: _,
        real_servers: _,
    } = service;
    vec![
        ("scheduler", scheduler.to_string()),
        ("persistence_timeout", or_none(persistence.map(|it| time(it.timeout)))),
        ("persistence_granularity", or_none(persistence.map(|it| it.granularity))),
        ("one_packet", one_packet.to_string()),
        ("stateless", stateless.to_string()),
        ("lost_connections", format!("{lost_connections:?}").to_lowercase()),
        ("sorry_server", or_none(*sorry_server)),
        ("inhibit_on_failure", inhibit_on_failure.to_string()),
        ("follow_load", follow_load.to_string()),
        ("slow_start", time(*slow_start)),
        ("quorum", quorum.to_string()),
        ("quorum_hysteresis", quorum_hysteresis.to_string()),
    ]
}

fn real_server_fields(real_server: &RealServer) -> Fields {
    let RealServer { address: _, weight, upper_threshold, lower_threshold, check, drain } =
        real_server;
    vec![
        ("weight", weight.to_string()),
        ("upper_threshold", upper_threshold.to_string()),
        ("lower_threshold", lower_threshold.to_string()),
        ("check", or_none(check.as_ref().map(check_text))),
        ("drain", drain.to_string()),
    ]
}

fn check_text(check: &Check) -> String {
    let Check { kind, port, via, interval, fast_interval, timeout, rise, fall, quarantine } = check;
    let mut text = format!(
        "{kind:?} every {} ({}) within {} rise {rise} fall {fall}",
        time(*interval),
        time(*fast_interval),
        time(*timeout),
    );
    if *via == Via::Vip {
        text += " through the VIP";
    }
    if let Some(port) = port {
        text += &format!(" port {port}");
    }
    if let Some(it) = quarantine {
        let (within, hold) = (time(it.within), time(it.hold));
        text += &format!(" quarantine {hold} after {} failures in {within}", it.failures);
    }
    text
}

fn time(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}

fn or_none(value: Option<impl Display>) -> String {
    value.map_or("none".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    const BEFORE: &str = r#"
        director = { name = "midas", interfaces = ["eth0"] }
        [[virtual_service]]
        address = "192.0.2.10"
        port = 80
        protocol = "tcp"
        check = { type = "tcp" }
        [[virtual_service.real_server]]
        address = "192.0.2.11"
        weight = 3
        [[virtual_service.real_server]]
        address = "192.0.2.12"
        [[virtual_service]]
        address = "192.0.2.10"
        port = 53
        protocol = "udp"
    "#;

    fn text(difference: &Difference) -> String {
        let Difference { changes, needs_restart } = difference;
        [changes.join("\n"), needs_restart.join("\n")].join("\nrestart:\n")
    }

    #[test]
    fn what_is_new_gone_and_otherwise() {
        let after = BEFORE
            .replace("eth0", "eth1")
            .replace("weight = 3", "weight = 5\ncheck = { type = \"ping\" }")
            .replace("192.0.2.12", "192.0.2.13")
            .replace("port = 53", "port = 54")
            .replace(
                "type = \"tcp\" }",
                "type = \"tcp\" }\nscheduler = \"wlc\"\nslow_start = \"90s\"",
            )
            + "[load]\nfloor = 20\n[connections]\nsize = 5000\nudp = \"1m\"\n";
        let [before, after] = [BEFORE, &after].map(|text| Config::parse(text, "").unwrap());
        expect![[r#"
            ~ [connections] timeouts
            ~ [load]
            - udp 192.0.2.10:53
            ~ tcp 192.0.2.10:80: scheduler wrr -> wlc
            ~ tcp 192.0.2.10:80: slow_start 0s -> 1m 30s
            + udp 192.0.2.10:54: scheduler wrr, lost_connections reschedule
            - tcp 192.0.2.10:80 192.0.2.12
            ~ tcp 192.0.2.10:80 192.0.2.11: weight 3 -> 5
            ~ tcp 192.0.2.10:80 192.0.2.11: check Tcp every 2s (1s) within 1s rise 2 fall 3 -> Ping every 2s (1s) within 1s rise 2 fall 3
            + tcp 192.0.2.10:80 192.0.2.13: weight 1, check Tcp every 2s (1s) within 1s rise 2 fall 3
            restart:
            [director]: restart lvsd
            [connections] sizes: stop lvsd, run `lvsd --detach-all`, and start it again"#]].assert_eq(&text(&difference(&before, &after)));
        assert_eq!(difference(&after, &after), Difference::default());
    }

    #[test]
    fn what_of_failover_can_be_followed() {
        let with = |failover: &str| Config::parse(&format!("{BEFORE}{failover}"), "").unwrap();
        let alone = with("");
        let before = with("[failover]\nvrid = 1\npriority = 100\n");
        let better = with("[failover]\nvrid = 1\npriority = 200\npreempt = false\n");
        let others = with("[failover]\nvrid = 1\npriority = 200\npeers = [\"192.0.2.4\"]\n");
        let (followed, refused) = ("~ [failover]", "[failover] vrid, peers, interfaces,");
        for (before, after, expected) in
            [(&before, &better, followed), (&before, &others, refused), (&alone, &before, refused)]
        {
            let difference = difference(before, after);
            let all = [difference.changes, difference.needs_restart].concat();
            let [line] = &all[..] else { panic!("{all:?}") };
            assert!(line.starts_with(expected), "{line}");
            let runs = without_restart(before, after.clone());
            let wanted = if expected == followed { after } else { before };
            assert_eq!(runs.failover, wanted.failover);
        }
    }
}

//! The configuration file: what is read, and what is said of everything that is wrong.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use expect_test::{Expect, expect};
use lvs_userspace::{
    config::{Config, XdpMode, realserver::RealServerConfig},
    failover::settings::Ways,
    model::{Scheduler, Weight},
};
use proptest::prelude::*;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config").join(name)
}

fn check_errors(text: &str, expected: Expect) {
    let errors = Config::parse(text, "lvs.toml").expect_err("a bad configuration");
    expected.assert_eq(&errors.to_string());
}

#[test]
fn every_example_is_good() {
    for name in ["lvs.toml", "ime.toml", "lvs.reference.toml"] {
        Config::load(&example(name)).unwrap_or_else(|errors| panic!("{name}: {errors}"));
    }
}

#[test]
fn the_example_of_a_real_server_shows_the_defaults() {
    let example = RealServerConfig::load(&example("realserver.toml")).unwrap();
    let shown = RealServerConfig { vips: Vec::new(), services: Vec::new(), ..example };
    assert_eq!(shown, RealServerConfig::default());
}

#[test]
fn the_reference_shows_the_defaults() {
    let reference = Config::load(&example("lvs.reference.toml")).unwrap();
    let text = std::fs::read_to_string(example("lvs.reference.toml")).unwrap();
    let without_optional: String = text
        .lines()
        .filter(|line| {
            let optional = [
                "xdp_mode",
                "max_",
                "scheduler",
                "weight",
                "one_packet",
                "stateless",
                "lost",
                "upper",
                "lower",
                "size",
                "half_open",
                "tcp_",
                "udp =",
                "persistence_granularity",
                "advert_interval",
                "preempt",
                "start_delay",
                "burst",
                "repeat_after",
                "refresh",
                "rise",
                "fall",
            ];
            !optional.iter().any(|it| line.starts_with(it))
        })
        .map(|line| format!("{line}\n"))
        .collect();
    assert_ne!(without_optional, text);
    assert_eq!(Config::parse(&without_optional, "").unwrap(), reference);
    assert_eq!(reference.load, lvs_userspace::load::Settings::default());
}

#[test]
fn what_is_read() {
    let config = Config::load(&example("ime.toml")).unwrap();
    assert_eq!(config.director.name, "midas");
    assert_eq!(config.director.interfaces, ["eth0"]);
    assert_eq!(config.director.xdp_mode, XdpMode::Auto);
    let [service] = &config.virtual_services[..] else { panic!("one service") };
    assert_eq!(service.id.to_string(), "udp 192.168.45.26:177");
    assert_eq!(service.scheduler, Scheduler::Wrr);
    assert!(service.follow_load);
    assert_eq!(config.load.port, 2357);
    let servers: Vec<_> =
        service.real_servers.iter().map(|rs| (rs.address.to_string(), rs.weight)).collect();
    assert_eq!(
        servers,
        [("192.168.45.43".to_owned(), Weight(1)), ("192.168.45.13".to_owned(), Weight(1))]
    );
}

#[test]
fn all_errors_at_once() {
    check_errors(
        r#"
[director]
nmae = "midas"
interfaces = ["eth0", "eth0"]
xdp_mode = "fast"

[[virtual_service]]
address = "192.0.2.10:80"
port = 0
protocol = "sctp"
scheduler = "wlcc"
persistence = true

[[virtual_service.real_server]]
address = 7
weight = 65536

[[virtual_service]]
address = "192.0.2.20"
port = 80
protocol = "tcp"
[[virtual_service.real_server]]
address = "192.0.2.20"
[[virtual_service.real_server]]
address = "192.0.2.21"
weight = -1
[[virtual_service.real_server]]
address = "192.0.2.21"

[[virtual_service]]
address = "192.0.2.20"
port = 80
protocol = "tcp"
"#,
        expect![[r#"
            lvs.toml:3:1: director.nmae: there is no such key; did you mean name?
            lvs.toml:4:14: director.interfaces: "eth0" is there twice
            lvs.toml:5:12: director.xdp_mode: found "fast"; expected one of "auto", "native", "generic"
            lvs.toml:8:11: virtual_service[1].address: found "192.0.2.10:80"; expected an IP address, like "192.0.2.10"
            lvs.toml:10:12: virtual_service[1].protocol: found "sctp"; expected one of "tcp", "udp"
            lvs.toml:11:13: virtual_service[1].scheduler: found "wlcc"; expected one of "rr", "wrr", "lc", "wlc", "sed", "nq", "sh", "dh", "mh", "fastest"
            lvs.toml:12:1: virtual_service[1].persistence: there is no such key; expected one of address, check, follow_load, inhibit_on_failure, lost_connections, one_packet, persistence_granularity, persistence_timeout, port, protocol, quorum, quorum_hysteresis, real_server, scheduler, slow_start, sorry_server, stateless
            lvs.toml:15:11: virtual_service[1].real_server[1].address: found 7; expected an IP address, like "192.0.2.10"
            lvs.toml:16:10: virtual_service[1].real_server[1].weight: found 65536; expected a weight from 0 to 65535
            lvs.toml:23:11: virtual_service[2].real_server[1].address: this is the virtual address; expected the real server's own
            lvs.toml:26:10: virtual_service[2].real_server[2].weight: found -1; expected a weight from 0 to 65535
            lvs.toml:28:11: virtual_service[2].real_server[3].address: 192.0.2.21 is there twice; the first is in line 25
            lvs.toml:31:11: virtual_service[3]: tcp 192.0.2.20:80 is there twice; the first is in line 19"#]],
    );
}

#[test]
fn failover_that_makes_no_sense() {
    check_errors(
        r#"
[director]
name = "midas"
interfaces = ["eth0"]
[failover]
vrid = 256
advert_interval = "125ms"
preemt = true
peers = ["192.0.2.4", "192.0.2.4", "estepe"]
interfaces = ["eth0"]
preempt_delay = "2h"
key_file = "keys"
[failover.announce]
burst = 0
refresh = "1 m"
[[failover.track]]
type = "interface"
command = ["/bin/true"]
[[failover.track]]
type = "program"
command = ["true"]
priority_step = 254
[[failover.track]]
type = "quorum"
address = "192.0.2.10"
port = 81
protocol = "tcp"
[[failover.track]]
type = "quorum"
address = "192.0.2.10"
port = 80
protocol = "tcp"
[failover.node.estepe]
priority = 255
name = "estepe"
[failover.node]
third = 3
[[virtual_service]]
address = "192.0.2.10"
port = 80
protocol = "tcp"
"#,
        expect![[r#"
            lvs.toml:6:8: failover.vrid: found 256; expected a virtual router id from 1 to 255
            lvs.toml:7:19: failover.advert_interval: expected a multiple of "10ms"
            lvs.toml:8:1: failover.preemt: there is no such key; did you mean preempt?
            lvs.toml:9:23: failover.peers: 192.0.2.4 is there twice
            lvs.toml:9:36: failover.peers: found "estepe"; expected an IP address, like "192.0.2.10"
            lvs.toml:10:14: failover.interfaces: with peers this means nothing: the routes to them say where to send
            lvs.toml:11:17: failover.preempt_delay: found "2h"; expected a time from "0ms" to "3600s", like "500ms" or "2s"
            lvs.toml:12:12: failover.key_file: found "keys"; expected the full path of a file
            lvs.toml:14:9: failover.announce.burst: found 0; expected a number of announcements from 1 to 100
            lvs.toml:15:11: failover.announce.refresh: found "1 m"; expected a time from "0ms" to "3600s", like "500ms" or "2s"
            lvs.toml:16:1: failover.track[1]: the key interface is missing
            lvs.toml:18:11: failover.track[1].command: means nothing to a track of type "interface"
            lvs.toml:21:11: failover.track[2].command: found an array; expected a program with its full path and its arguments, like ["/usr/bin/check", "-v"]
            lvs.toml:22:17: failover.track[2].priority_step: found 254; expected a priority from 1 to 253
            lvs.toml:25:11: failover.track[3].address: there is no virtual service tcp 192.0.2.10:81
            lvs.toml:30:11: failover.track[4].address: tcp 192.0.2.10:80 has no quorum that could be lost
            lvs.toml:34:12: failover.node.estepe.priority: found 255; expected a priority from 1 to 254
            lvs.toml:35:1: failover.node.estepe.name: there is no such key; expected one of interfaces, peers, priority
            lvs.toml:37:9: failover.node.third: found integer; expected a section"#]],
    );
    check_errors(
        "[director]\nname = \"midas\"\ninterfaces = [\"eth0\"]\n[failover]\nvrid = 1\n\
         [failover.node.estepe]\npriority = 1\n",
        expect![[
            r#"lvs.toml:6:11: failover.node: there is no part for this director, "midas"; there are those of estepe"#
        ]],
    );
    check_errors(
        "[director]\nname = \"midas\"\ninterfaces = [\"eth0\"]\n[failover]\nvrid = 1\n\
         [failover.node.midas]\n",
        expect!["lvs.toml:4:1: failover: the key priority is missing"],
    );
}

#[test]
fn the_same_file_for_two_directors() {
    let text = std::fs::read_to_string(example("ime.toml")).unwrap();
    for (name, priority, peer) in
        [("midas", 200, "192.168.45.204"), ("estepe", 100, "192.168.45.23")]
    {
        let config = Config::parse(&text.replace("\"midas\"", &format!("{name:?}")), "").unwrap();
        let failover = config.failover.unwrap();
        assert_eq!(failover.priority(&config.director.name), Some(priority));
        let ways = failover.ways(&config.director.name, &config.director.interfaces);
        assert_eq!(ways, Ways::Unicast(vec![peer.parse().unwrap()]));
    }
}

#[test]
fn what_does_not_go_together() {
    check_errors(
        r#"
[director]
name = "midas"
interfaces = ["eth0"]
[connections]
size = 7
tcp_established = "7h"
udp = "5 minutes"
[[virtual_service]]
address = "192.0.2.20"
port = 0
protocol = "tcp"
persistence_granularity = 33
one_packet = true
lost_connections = "drop"
sorry_server = "::1"
[[virtual_service.real_server]]
address = "192.0.2.21"
upper_threshold = 10
lower_threshold = 11
"#,
        expect![[r#"
            lvs.toml:6:8: connections.size: found 7; expected a number of connections from 1024 to 96000000
            lvs.toml:7:19: connections.tcp_established: found "7h"; expected a time from "1s" to "21600s", like "5m" or "90s"
            lvs.toml:8:7: connections.udp: found "5 minutes"; expected a time from "1s" to "21600s", like "5m" or "90s"
            lvs.toml:11:8: virtual_service[1].port: all ports (0) need a persistence_timeout (or stateless), so that a client's connections to different ports go to one real server
            lvs.toml:13:27: virtual_service[1].persistence_granularity: found 33; expected a prefix length up to 32
            lvs.toml:13:27: virtual_service[1].persistence_granularity: without persistence_timeout this means nothing
            lvs.toml:14:14: virtual_service[1].one_packet: only for UDP
            lvs.toml:15:20: virtual_service[1].lost_connections: found "drop"; expected one of "reschedule", "keep"
            lvs.toml:16:16: virtual_service[1].sorry_server: ::1 is a loopback address; expected the address of a host
            lvs.toml:20:19: virtual_service[1].real_server[1].lower_threshold: found 11; expected no more than upper_threshold"#]],
    );
}

#[test]
fn who_remembers_nothing_can_do_nothing_that_takes_memory() {
    let file = |keys: &str, real_server: &str| {
        format!(
            r#"[director]
name = "midas"
interfaces = ["eth0"]
[[virtual_service]]
address = "192.0.2.20"
port = 0
protocol = "udp"
stateless = true
{keys}
[[virtual_service.real_server]]
address = "192.0.2.21"
{real_server}
"#
        )
    };
    // All ports, too: a client's connections go to one real server in any case.
    let good = Config::parse(&file("scheduler = \"mh\"", ""), "lvs.toml").unwrap();
    assert!(good.virtual_services[0].stateless);
    for (keys, real_server, error) in [
        ("", "", "needs a scheduler that goes by a hash (mh, sh, dh): the others decide only once"),
        ("scheduler = \"wlc\"", "", "needs a scheduler that goes by a hash"),
        ("scheduler = \"mh\"\npersistence_timeout = \"5m\"", "", "remembers no client either"),
        ("scheduler = \"sh\"\none_packet = true", "", "can't be together with one_packet"),
        ("scheduler = \"dh\"", "upper_threshold = 10", "counts no connections"),
        ("scheduler = \"mh\"\nfollow_load = true", "", "breaks connections with each change"),
        ("scheduler = \"mh\"\nslow_start = \"30s\"", "", "breaks connections with each change"),
        ("scheduler = \"mh\"\ninhibit_on_failure = true", "", "can keep no connection"),
        ("scheduler = \"mh\"\nlost_connections = \"keep\"", "", "can keep no connection"),
    ] {
        let errors = Config::parse(&file(keys, real_server), "lvs.toml").unwrap_err().to_string();
        let begins = format!("lvs.toml:8:13: virtual_service[1].stateless: {error}");
        assert!(errors.starts_with(&begins), "{errors}");
    }
}

#[test]
fn checks_that_make_no_sense() {
    check_errors(
        r#"[director]
name = "midas"
interfaces = ["eth0"]
[[virtual_service]]
address = "192.0.2.10"
port = 80
protocol = "tcp"
check = { type = "htpp", interval = "1ms", timeout = "2 s", rise = 0, fall = "three" }
inhibit_on_failure = "yes"
[[virtual_service.real_server]]
address = "192.0.2.11"
check = { type = "tcp", path = "/", send = "x", retries = 3 }
[[virtual_service.real_server]]
address = "192.0.2.12"
check = { type = "http", path = "health", status = 99, port = 0 }
[[virtual_service.real_server]]
address = "192.0.2.13"
check = { type = "exec", command = ["check.sh"] }
[[virtual_service.real_server]]
address = "192.0.2.14"
check = { interval = "1s" }
[[virtual_service.real_server]]
address = "192.0.2.15"
check = "tcp"
[[virtual_service.real_server]]
address = "192.0.2.16"
check = { type = "exec" }
[[virtual_service.real_server]]
address = "192.0.2.19"
check = { type = "dns", name = "a b", record = "a", rcode = "ok", helo = "me" }
[[virtual_service.real_server]]
address = "192.0.2.20"
check = { type = "smtp", helo = "me\r\nRCPT", expect = "250" }
[[virtual_service.real_server]]
address = "192.0.2.18"
check = { type = "ping", via = "vip" }
[[virtual_service.real_server]]
address = "192.0.2.17"
check = { type = "tcp", quarantine = { failures = 1, within = "0s", time = "1m" } }
"#,
        expect![[r#"
            lvs.toml:8:18: virtual_service[1].check.type: found "htpp"; expected one of "none", "tcp", "ping", "http", "https", "udp", "dns", "smtp", "exec"
            lvs.toml:8:37: virtual_service[1].check.interval: found "1ms"; expected a time from "10ms" to "3600s", like "500ms" or "2s"
            lvs.toml:8:54: virtual_service[1].check.timeout: found "2 s"; expected a time from "10ms" to "60s", like "500ms" or "2s"
            lvs.toml:8:68: virtual_service[1].check.rise: found 0; expected a number of checks from 1 to 100
            lvs.toml:8:78: virtual_service[1].check.fall: found "three"; expected a number of checks from 1 to 100
            lvs.toml:9:22: virtual_service[1].inhibit_on_failure: found "yes"; expected true or false
            lvs.toml:12:32: virtual_service[1].real_server[1].check.path: means nothing to a check of type "tcp"
            lvs.toml:12:44: virtual_service[1].real_server[1].check.send: means nothing to a check of type "tcp"
            lvs.toml:12:49: virtual_service[1].real_server[1].check.retries: there is no such key; expected one of body, command, expect, fall, fast_interval, helo, host, interval, name, path, port, quarantine, rcode, record, rise, send, status, timeout, type, verify, via
            lvs.toml:15:33: virtual_service[1].real_server[2].check.path: found "health"; expected a path, like "/health"
            lvs.toml:15:52: virtual_service[1].real_server[2].check.status: found 99; expected an HTTP status from 100 to 599
            lvs.toml:15:63: virtual_service[1].real_server[2].check.port: found 0; expected a port from 1 to 65535
            lvs.toml:18:36: virtual_service[1].real_server[3].check.command: found an array; expected a program with its full path and its arguments, like ["/usr/bin/check", "-v"]
            lvs.toml:21:9: virtual_service[1].real_server[4].check: the key type is missing
            lvs.toml:24:9: virtual_service[1].real_server[5].check: found string; expected a section
            lvs.toml:27:9: virtual_service[1].real_server[6].check: the key command is missing
            lvs.toml:30:32: virtual_service[1].real_server[7].check.name: found "a b"; expected a domain name, like "www.example.org"
            lvs.toml:30:48: virtual_service[1].real_server[7].check.record: found "a"; expected one of "A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"
            lvs.toml:30:61: virtual_service[1].real_server[7].check.rcode: found "ok"; expected one of "noerror", "servfail", "nxdomain", "refused", "any"
            lvs.toml:30:74: virtual_service[1].real_server[7].check.helo: means nothing to a check of type "dns"
            lvs.toml:33:33: virtual_service[1].real_server[8].check.helo: found "me\r\nRCPT"; expected the name of a host, like "director.example.org"
            lvs.toml:33:56: virtual_service[1].real_server[8].check.expect: means nothing to a check of type "smtp"
            lvs.toml:36:32: virtual_service[1].real_server[9].check.via: a check of type "ping" can't go through the VIP
            lvs.toml:39:38: virtual_service[1].real_server[10].check.quarantine: the key hold is missing
            lvs.toml:39:51: virtual_service[1].real_server[10].check.quarantine.failures: found 1; expected a number of failures from 2 to 100
            lvs.toml:39:63: virtual_service[1].real_server[10].check.quarantine.within: found "0s"; expected a time from "1s" to "86400s", like "5m" or "90s"
            lvs.toml:39:69: virtual_service[1].real_server[10].check.quarantine.time: there is no such key; expected one of failures, hold, within"#]],
    );
}

/// Nobody listens at port 0: such a real server would be down for ever.
#[test]
fn checks_know_which_port_they_ask() {
    check_errors(
        r#"[director]
name = "midas"
interfaces = ["eth0"]
[[virtual_service]]
address = "192.0.2.10"
port = 0
protocol = "tcp"
persistence_timeout = "5m"
check = { type = "tcp" }
[[virtual_service.real_server]]
address = "192.0.2.11"
[[virtual_service.real_server]]
address = "192.0.2.12"
check = { type = "http" }
[[virtual_service.real_server]]
address = "192.0.2.13"
check = { type = "http", port = 80 }
[[virtual_service.real_server]]
address = "192.0.2.14"
check = { type = "ping" }
[[virtual_service.real_server]]
address = "192.0.2.15"
check = { type = "exec", command = ["/bin/true"] }
[[virtual_service.real_server]]
address = "192.0.2.16"
check = { type = "none" }
[[virtual_service.real_server]]
address = "192.0.2.17"
check = { type = "ping", port = 80 }
"#,
        expect![[r#"
            lvs.toml:9:9: virtual_service[1].check: the service is for all ports (0): give the check the port that it asks
            lvs.toml:14:9: virtual_service[1].real_server[2].check: the service is for all ports (0): give the check the port that it asks
            lvs.toml:29:33: virtual_service[1].real_server[7].check.port: means nothing to a check of type "ping""#]],
    );
}

#[test]
fn load_reports_alerts_and_quorums_that_make_no_sense() {
    check_errors(
        r#"[director]
name = "midas"
interfaces = ["eth0"]
on_restart = "maybe"
[load]
port = 0
interval = "5"
smoothing = 0
floor = 80
ceiling = 50
step = 1
stale = "10ms"
[alerts]
file = "alerts.log"
hooks = ["/usr/bin/tell"]
hook_timeout = 30
webhook = "example.net/alerts"
[alerts.mail]
encryption = "ssl"
from = "nobody"
to = []
user = "lvs"
[[virtual_service]]
address = "192.0.2.10"
port = 80
protocol = "tcp"
follow_load = 1
slow_start = "2h"
quorum = -1
quorum_hysteresis = 3
"#,
        expect![[r#"
            lvs.toml:4:14: director.on_restart: found "maybe"; expected one of "keep", "check"
            lvs.toml:6:8: load.port: found 0; expected a port from 1 to 65535
            lvs.toml:7:12: load.interval: found "5"; expected a time from "100ms" to "3600s", like "500ms" or "2s"
            lvs.toml:8:13: load.smoothing: found 0; expected a percentage from 1 to 100
            lvs.toml:9:9: load.floor: found 80; expected no more than ceiling (50)
            lvs.toml:11:8: load.step: found 1; expected a percentage from 5 to 100
            lvs.toml:12:9: load.stale: found "10ms"; expected a time from "100ms" to "86400s", like "500ms" or "2s"
            lvs.toml:14:8: alerts.file: found "alerts.log"; expected the full path of a file
            lvs.toml:15:9: alerts.hooks: found "/usr/bin/tell"; expected a program with its full path and its arguments, like ["/usr/bin/check", "-v"]
            lvs.toml:16:16: alerts.hook_timeout: found 30; expected a time from "100ms" to "3600s", like "500ms" or "2s"
            lvs.toml:17:11: alerts.webhook: found "example.net/alerts"; expected a URL, like "https://example.net/alerts"
            lvs.toml:18:1: alerts.mail: the key server is missing
            lvs.toml:19:14: alerts.mail.encryption: found "ssl"; expected one of "starttls", "tls", "none"
            lvs.toml:20:8: alerts.mail.from: found "nobody"; expected a mail address, like "ops@example.net"
            lvs.toml:21:6: alerts.mail.to: found an array; expected mail addresses, like ["ops@example.net"]
            lvs.toml:22:8: alerts.mail.user: without password_file this means nothing
            lvs.toml:27:15: virtual_service[1].follow_load: found 1; expected true or false
            lvs.toml:28:14: virtual_service[1].slow_start: found "2h"; expected a time from "0s" to "3600s", like "5m" or "90s"
            lvs.toml:29:10: virtual_service[1].quorum: found -1; expected a sum of weights from 0 to 2147483647
            lvs.toml:30:21: virtual_service[1].quorum_hysteresis: found 3; expected less than quorum"#]],
    );
}

#[test]
fn a_check_is_the_real_servers_own_or_the_services() {
    let text = r#"
        director = { name = "midas", interfaces = ["eth0"] }
        [[virtual_service]]
        address = "192.0.2.10"
        port = 443
        protocol = "tcp"
        check = { type = "https", host = "www.example.org", body = "ok", verify = false, fall = 5 }
        [[virtual_service.real_server]]
        address = "192.0.2.11"
        [[virtual_service.real_server]]
        address = "192.0.2.12"
        check = { type = "ping", interval = "1s", fast_interval = "100ms" }
        [[virtual_service.real_server]]
        address = "192.0.2.13"
        check = { type = "none" }
    "#;
    let config = Config::parse(text, "lvs.toml").unwrap();
    let [first, second, third] = &config.virtual_services[0].real_servers[..] else {
        panic!("not three real servers");
    };
    let of_service = first.check.as_ref().unwrap();
    assert_eq!(of_service.kind.name(), "https");
    assert_eq!((of_service.rise, of_service.fall), (2, 5));
    assert_eq!(of_service.interval, Duration::from_secs(2));
    assert_eq!(of_service.fast_interval, Duration::from_secs(1));
    let own = second.check.as_ref().unwrap();
    assert_eq!((own.kind.name(), own.fall), ("ping", 3));
    assert_eq!(own.fast_interval, Duration::from_millis(100));
    assert_eq!(third.check, None);
}

/// What there is no room for in the maps is said before anything is done, and where.
#[test]
fn more_than_there_is_room_for() {
    let service = |number: usize, keys: &str, n_servers: usize| {
        let [a, b] = (number as u16).to_be_bytes();
        let mut text = format!(
            "[[virtual_service]]\naddress = \"10.0.{a}.{b}\"\nport = 80\nprotocol = \"tcp\"\n{keys}\n"
        );
        for server in 1..=n_servers {
            let [a, b] = (server as u16).to_be_bytes();
            text += &format!("[[virtual_service.real_server]]\naddress = \"10.1.{a}.{b}\"\n");
        }
        text
    };
    let check = |director: &str, services: &[String], expected: Expect| {
        let head = format!("[director]\nname = \"midas\"\ninterfaces = [\"eth0\"]\n{director}\n");
        match Config::parse(&(head + &services.concat()), "f") {
            Ok(_) => expected.assert_eq("good"),
            Err(errors) => expected.assert_eq(&errors.to_string()),
        }
    };
    check("", &[service(1, "scheduler = \"wlc\"", 1024)], expect!["good"]);
    check(
        "",
        &[service(1, "scheduler = \"wlc\"", 1025), service(2, "scheduler = \"wrr\"", 1025)],
        expect![[
            r#"f:9:13: virtual_service[1].scheduler: can't compare 1025 real servers, only 1024; use wrr or mh"#
        ]],
    );
    let few = "max_real_servers = 6";
    check(few, &[service(1, "", 2), service(2, "", 2), service(3, "", 2)], expect!["good"]);
    let sorry = "sorry_server = \"10.9.9.9\"";
    check(
        few,
        &[service(1, "", 2), service(2, sorry, 2), service(3, "", 2), service(4, "", 2)],
        expect![
            "f:28:1: virtual_service[3].real_server: with these there are 7 real servers in all services; max_real_servers in [director] allows 6"
        ],
    );
    let many: Vec<_> = (1..=16_386).map(|number| service(number, "", 0)).collect();
    check("", &many[1..16_385], expect!["good"]);
    check(
        "",
        &many,
        expect![[
            r#"f:81926:11: virtual_service[16385].address: there is room for 16384 virtual services"#
        ]],
    );
}

#[test]
fn addresses_that_no_host_has() {
    for (address, error) in [
        ("0.0.0.0", "0.0.0.0 means any address; expected the address of a host"),
        ("127.0.0.1", "127.0.0.1 is a loopback address; expected the address of a host"),
        ("224.0.0.1", "224.0.0.1 is a multicast address; expected the address of a host"),
        (
            "255.255.255.255",
            "255.255.255.255 is the broadcast address; expected the address of a host",
        ),
        ("192.0.2.256", "found \"192.0.2.256\"; expected an IP address, like \"192.0.2.10\""),
        ("::", ":: means any address; expected the address of a host"),
        ("::1", "::1 is a loopback address; expected the address of a host"),
        ("ff02::1", "ff02::1 is a multicast address; expected the address of a host"),
        ("fe80::1", "fe80::1 is a link-local address; expected the address of a host"),
        (
            "::ffff:192.0.2.1",
            "::ffff:192.0.2.1 is an IPv4 address in IPv6's clothes, which never is on a wire; \
             expected the address of a host",
        ),
    ] {
        let text = format!(
            "[director]\nname = \"a\"\ninterfaces = [\"b\"]\n[[virtual_service]]\naddress = \
             \"{address}\"\nport = 1\nprotocol = \"udp\"\n"
        );
        let errors = Config::parse(&text, "f").unwrap_err().to_string();
        assert_eq!(errors, format!("f:5:11: virtual_service[1].address: {error}"));
    }
}

#[test]
fn names_that_no_interface_has() {
    for name in ["", "sixteen-letters-", "a b", "a/b", "a:b", "..", "\\u0000"] {
        let text = format!("[director]\nname = \"a\"\ninterfaces = [\"{name}\"]\n");
        let errors = Config::parse(&text, "f").unwrap_err().to_string();
        assert!(errors.contains("can't be the name of a network interface"), "{name}: {errors}");
    }
}

#[test]
fn the_wrong_shape() {
    check_errors("", expect!["lvs.toml:1:1: the section [director] is missing"]);
    check_errors(
        "director = 1\nvirtual_service = 2",
        expect![[r#"
        lvs.toml:1:12: director: found integer; expected a section
        lvs.toml:2:19: virtual_service: found integer; expected [[virtual_service]] sections"#]],
    );
    check_errors(
        "virtual_service = [1, {}]\n[director]\nname = \" \"\ninterfaces = []\n",
        expect![[r#"
            lvs.toml:1:20: virtual_service: found integer; expected [[virtual_service]] sections
            lvs.toml:1:23: virtual_service[2]: the key address is missing
            lvs.toml:1:23: virtual_service[2]: the key port is missing
            lvs.toml:1:23: virtual_service[2]: the key protocol is missing
            lvs.toml:3:8: director.name: found " "; expected a name, like "midas"
            lvs.toml:4:14: director.interfaces: found an array; expected names of network interfaces, like ["eth0"]"#]],
    );
}

#[test]
fn broken_syntax() {
    check_errors(
        "[director\nname = \"midas\"\ninterfaces = [\"eth0\"\n",
        expect![[r#"
        lvs.toml:1:10: unclosed table, expected `]`
        lvs.toml:3:21: unclosed array, expected `]`"#]],
    );
}

#[test]
fn a_file_that_is_not_there() {
    let errors = Config::load(Path::new("/nowhere/lvs.toml")).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "/nowhere/lvs.toml: can't read it: No such file or directory (os error 2)"
    );
}

/// What is written is read again as it was, with every key and every type of check.
#[test]
fn what_is_written_is_read_again() {
    let checks = [
        "type = \"tcp\", port = 81, via = \"vip\", interval = \"1500ms\"",
        "type = \"ping\", quarantine = { failures = 3, within = \"10m\", hold = \"1h\" }",
        "type = \"http\", path = \"/a?b\", host = \"x\", status = 204, body = \"say \\\"ok\\\"\"",
        "type = \"https\", verify = false",
        "type = \"udp\", send = \"\\u0001\\n\", expect = \"ü\"",
        "type = \"udp\"",
        "type = \"dns\", name = \"example.org\", record = \"MX\", rcode = \"any\", expect = \"m\"",
        "type = \"smtp\", helo = \"me\"",
        "type = \"exec\", command = [\"/bin/a b\", \"'\\\"\"]",
        "type = \"none\"",
    ];
    let reference = std::fs::read_to_string(example("lvs.reference.toml")).unwrap();
    let mut texts = vec![reference.clone()];
    for name in ["lvs.toml", "ime.toml"] {
        texts.push(std::fs::read_to_string(example(name)).unwrap());
    }
    texts.extend(
        checks.iter().map(|it| {
            reference.replace("check = { type = \"tcp\" }", &format!("check = {{ {it} }}"))
        }),
    );
    for (from, to) in [
        ("peers = [\"192.0.2.4\", \"198.51.100.4\"]", "interfaces = [\"eth0\", \"eth1\"]"),
        (
            "[failover.node.director]",
            "[failover.node.\"a. b\"]\npeers = []\n[failover.node.director]",
        ),
        (
            "[failover.node.director]",
            "[[failover.track]]\ntype = \"quorum\"\naddress = \"192.0.2.10\"\nport = 80\n\
             protocol = \"tcp\"\n[failover.node.director]",
        ),
    ] {
        assert!(reference.contains(from));
        texts.push(reference.replace(from, to).replace("quorum = 0", "quorum = 2"));
    }
    let alone =
        "[director]\ninterfaces = [\"eth0\"]\n[failover]\nvrid = 1\npriority = 7\ntrack = []\n";
    texts.push(alone.to_owned());
    for text in texts {
        let config = Config::parse(&text, "").unwrap_or_else(|errors| panic!("{errors}"));
        let written = config.to_toml();
        let again = Config::parse(&written, "written");
        assert_eq!(again.as_ref(), Ok(&config), "{written}");
        for service in &config.virtual_services {
            assert!(written.contains(&service.to_toml()));
        }
    }
}

/// What could be read, but never work.
#[test]
fn values_that_could_never_work() {
    check_errors(
        r#"[director]
name = "mi\ndas"
interfaces = ["eth0"]
[load]
interval = "10s"
stale = "5s"
[alerts]
unknown = 1
[alerts.mail]
server = "mx.example.net:25"
from = "a@example.net"
to = ["b@example.net"]
[[virtual_service]]
address = "192.0.2.10"
port = 80
protocol = "tcp"
sorry_server = "192.0.2.10"
check = { type = "http", host = "a b", path = "/a#b" }
[[virtual_service]]
address = "192.0.2.10"
port = 443
protocol = "tcp"
sorry_server = "192.0.2.11"
check = { type = "https", host = "www.example.org:443" }
[[virtual_service.real_server]]
address = "192.0.2.11"
"#,
        expect![[r#"
            lvs.toml:2:8: director.name: found "mi\ndas"; expected a name, like "midas"
            lvs.toml:6:9: load.stale: expected no less than interval: reports come no faster
            lvs.toml:8:1: alerts.unknown: there is no such key; expected one of file, hook_timeout, hooks, mail, webhook
            lvs.toml:10:10: alerts.mail.server: found "mx.example.net:25"; expected the name of a host, like "director.example.org"
            lvs.toml:17:16: virtual_service[1].sorry_server: this is the virtual address; expected the sorry server's own
            lvs.toml:18:33: virtual_service[1].check.host: found "a b"; expected the name of a host, like "www.example.org"
            lvs.toml:18:47: virtual_service[1].check.path: found "/a#b"; expected a path, like "/health"
            lvs.toml:23:16: virtual_service[2].sorry_server: this is a real server of the service; expected another machine
            lvs.toml:24:34: virtual_service[2].check.host: found "www.example.org:443"; expected a host without a port: see port"#]],
    );
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        drop(Config::parse(&text, "f"));
    }

    #[test]
    fn a_damaged_file_is_read_or_refused_with_a_reason(
        damage in prop::collection::vec((any::<prop::sample::Index>(), "[\\[\\]=\"a-z0-9.\n]{0,3}"), 1..5),
    ) {
        let mut text = std::fs::read_to_string(example("lvs.reference.toml")).unwrap();
        for (at, new) in damage {
            let boundaries: Vec<_> = text.char_indices().map(|(at, _)| at).collect();
            let at = *at.get(&boundaries);
            text.replace_range(at..=at, &new);
        }
        if let Err(errors) = Config::parse(&text, "f") {
            prop_assert!(!errors.0.is_empty());
        }
    }
}

//! Health checks: a service's and a real server's own, and what each type of them can have.

use std::time::Duration;

use expect_test::expect;
use lvs_userspace::config::Config;

use crate::check_errors;

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

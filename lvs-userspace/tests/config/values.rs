//! Single values: what can be no address, name, time or number.

use expect_test::expect;
use lvs_userspace::config::Config;

use crate::check_errors;

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

//! Virtual services: keys that do not go together, and more than the maps have room for.

use expect_test::{Expect, expect};
use lvs_userspace::config::Config;

use crate::check_errors;

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

//! What lvsctl shows, in its own way and in ipvsadm's.

use expect_test::expect;
use lvs_userspace::control::api;

use crate::{Daemon, answers::status, stderr, stdout};

/// The shape that scripts rely on.
const JSON: &str = r#"{"services":[{"protocol":"tcp","address":"10.77.0.100","port":80,"scheduler":"wrr",
    "persistence_timeout_s":null,"connections":12,"packets_in":70,"bytes_in":4200,
    "real_servers":[{"address":"10.77.0.11","port":80,"weight":3,"effective_weight":3,"forwarding":"dr",
      "health":"up","active_connections":0,"inactive_connections":6,
      "connections":6,"packets_in":35,"bytes_in":2100}]}]}"#;

#[test]
fn list_as_json() {
    let output = Daemon::start().lvsctl(&["list", "--json"]);
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let expected: serde_json::Value = serde_json::from_str(JSON).unwrap();
    assert_eq!(shown, expected);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn both_ways_of_speaking() {
    let daemon = Daemon::start();
    assert!(stdout(&daemon.lvsctl(&["list"])).contains("tcp 10.77.0.100:80 wrr"));
    let numeric = "  -> 10.77.0.11:80                Route   3      0          6         \n";
    for arguments in [&["-L", "-n"][..], &["-Ln"], &["-l", "-n", "-t", "10.77.0.100:80"]] {
        let text = stdout(&daemon.lvsctl(arguments));
        let has_version = text.starts_with("IP Virtual Server version 1.2.1 (size=4096)\n");
        assert_eq!(has_version, !arguments.contains(&"-t"), "{text}");
        assert!(text.ends_with(numeric), "{arguments:?}: {text}");
    }
    let stats = stdout(&daemon.lvsctl(&["-L", "-n", "--stats"]));
    assert!(stats.ends_with(
        "  -> 10.77.0.11:80                       6       35        0     2100        0\n"
    ));
    assert!(stdout(&daemon.lvsctl(&[])).contains("TCP  10.77.0.100:"), "as ipvsadm alone");
    let persistent = stdout(&daemon.lvsctl(&["-L", "-n", "--persistent-conn"]));
    let line = "  -> 10.77.0.11:80                3         2           0          6         \n";
    assert!(persistent.ends_with(line), "{persistent}");
    let timeout = stdout(&daemon.lvsctl(&["-L", "--timeout"]));
    assert_eq!(timeout, "Timeout (tcp tcpfin udp): 900 120 300\n");
    assert_eq!(daemon.lvsctl(&["-Z"]).status.code(), Some(0));
    let output = daemon.lvsctl(&["-Z", "-t", "10.77.0.100:81"]);
    assert_eq!((stderr(&output).as_str(), output.status.code()), ("No such service\n", Some(255)));
}

#[test]
fn connections_in_both_ways() {
    let daemon = Daemon::start();
    assert_eq!(
        stdout(&daemon.lvsctl(&["-L", "-n", "-c"])),
        "IPVS connection entries\n\
         pro expire state       source             virtual            destination\n\
         TCP 14:58  ESTABLISHED 10.0.0.7:51234     192.168.0.100:80   192.168.0.11:80\n\
         TCP 01:01  ASSURED     10.0.0.7:0         10.77.0.100:80     10.77.0.11:80\n\
         TCP 01:01  ASSURED     10.0.0.8:0         10.77.0.100:80     10.77.0.11:80\n"
    );
    let filtered = ["connections", "--client", "10.0.0.7", "--state", "established"];
    let text = stdout(&daemon.lvsctl(&filtered));
    assert!(text.contains("tcp       ESTABLISHED  14:58    10.0.0.7:51234"), "{text}");
    let json = daemon.lvsctl(&["connections", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["connections"][0]["expires_in_s"], 898);
}

#[test]
fn why_answers_and_the_status_is_1_for_a_no() {
    let daemon = Daemon::start();
    let dropped =
        daemon.lvsctl(&["why", "tcp", "10.0.0.7:1000", "10.77.0.100:80", "--flag", "ack"]);
    assert_eq!(
        stdout(&dropped),
        "tcp 10.0.0.7:1000 -> 10.77.0.100:80 (ack)\nwould be dropped: no room (dropped_no_room)\n"
    );
    assert_eq!(dropped.status.code(), Some(1));
    // Names, and the brackets of IPv6 on their way through a URL.
    let known = daemon.lvsctl(&["why", "udp", "[fd77::2]:1000", "[fd77::100]:domain", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&known.stdout).unwrap();
    assert_eq!(json["packet"]["client"], "[fd77::2]:1000");
    assert_eq!(json["packet"]["virtual_address"], "[fd77::100]:53");
    assert_eq!(json["reason"], "scheduler");
    assert_eq!(known.status.code(), Some(0));
    let wrong = daemon.lvsctl(&["why", "udp", "10.0.0.7", "10.77.0.100:80"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(stderr(&wrong).contains("expected ADDRESS:PORT"), "{}", stderr(&wrong));
    let answer = daemon
        .exchange("GET /v1/why?protocol=tcp HTTP/1.1\r\nHost: lvsd\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[test]
fn errors_are_one_line() {
    let error = "the maps are away".to_owned();
    let daemon = Daemon::start_with(Err(api::ApiError { error }));
    for (arguments, error, status) in [
        (&["status"][..], "lvsctl: the maps are away\n", 2),
        // What ipvsadm says, as it says it.
        (&["-L", "-n", "--rate", "-t", "10.77.0.101:80"], "No such service\n", 1),
        (&["-L", "-q"], "-q: unknown option\n", 255),
    ] {
        let output = daemon.lvsctl(arguments);
        assert_eq!((stderr(&output).as_str(), output.status.code()), (error, Some(status)));
        assert_eq!(stdout(&output), "");
    }
    assert_eq!(daemon.lvsctl(&["lst"]).status.code(), Some(2));
}

#[test]
fn a_director_that_is_out_of_sync_says_so_and_the_status_is_1() {
    let reason = Some("can't write the maps: no".to_owned());
    let daemon = Daemon::start_with(Ok(api::Status { out_of_sync: reason, ..status() }));
    let output = daemon.lvsctl(&["status"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("OUT OF SYNC: can't write the maps: no\n"));
    assert_eq!(daemon.lvsctl(&["status", "--json"]).status.code(), Some(1));
    assert_eq!(daemon.lvsctl(&["list"]).status.code(), Some(0));
    // So does a change, which is made and not in the maps.
    let output = daemon.lvsctl(&["service", "add", "tcp", "192.0.2.10:443"]);
    let text = "+ tcp 192.0.2.10:443: scheduler wrr, lost_connections reschedule\n\
                OUT OF SYNC: can't write the maps: no\n";
    assert_eq!((stdout(&output).as_str(), output.status.code()), (text, Some(1)));
    // Who takes a machine away then would take connections away.
    let drain = ["server", "drain", "tcp", "192.0.2.10:80", "192.0.2.11", "--wait"];
    let output = daemon.lvsctl(&drain);
    assert!(stdout(&output).ends_with("OUT OF SYNC: can't write the maps: no\n"), "{output:?}");
    assert_eq!(output.status.code(), Some(1));
    let output = daemon.lvsctl(&["-D", "-t", "192.0.2.10:443"]);
    assert_eq!(stderr(&output), "OUT OF SYNC: can't write the maps: no\n");
    assert_eq!(output.status.code(), Some(255));
}

#[test]
fn the_doctor_says_what_is_wrong_and_the_status_is_1() {
    let daemon = Daemon::start();
    let output = daemon.lvsctl(&["doctor"]);
    assert_eq!(output.status.code(), Some(1));
    expect![[r#"
        PROBLEM 192.0.2.11 does not have the VIP 192.0.2.10 (vip-missing)
          seen: no answer
          do:   ip addr add 192.0.2.10/32 dev lo

        WARNING nothing keeps the clock right (clock-not-synchronised)
          seen: it may be off by 16s
          do:   run chrony

        2 findings: 12 checks
    "#]]
    .assert_eq(&stdout(&output));

    let ignore = ["--ignore", "clock-not-synchronised"];
    let output = daemon.lvsctl(&["doctor", "--json", ignore[0], ignore[1]]);
    assert_eq!(output.status.code(), Some(1));
    expect![[r#"
        {
          "checks": 12,
          "findings": [
            {
              "name": "vip-missing",
              "severity": "problem",
              "what": "192.0.2.11 does not have the VIP 192.0.2.10",
              "evidence": "no answer",
              "advice": "ip addr add 192.0.2.10/32 dev lo",
              "real_servers": [
                "192.0.2.11"
              ]
            }
          ]
        }
    "#]]
    .assert_eq(&stdout(&output));

    let output =
        daemon.lvsctl(&["doctor", ignore[0], "vip-missing", ignore[0], "clock-not-synchronised"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stdout(&output), "nothing found: 12 checks\n");
    let output = daemon.lvsctl(&["doctor", "--ignore", "clock"]);
    assert_eq!(output.status.code(), Some(2), "no finding has that name");
}

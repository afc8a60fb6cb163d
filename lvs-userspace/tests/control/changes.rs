//! What lvsctl changes, in its own way and in ipvsadm's.

use std::{io::Write as _, process::Stdio};

use lvs_userspace::config::Config;

use crate::{Daemon, answers::CONFIG, lvsctl, stderr, stdout};

#[test]
fn a_reload_shows_the_difference_or_every_error() {
    let daemon = Daemon::start();
    let dry = daemon.lvsctl(&["reload", "--dry-run"]);
    assert_eq!(
        stdout(&dry),
        "+ tcp 10.77.0.100:81: scheduler wrr\n! [director]: restart lvsd\n(not done: --dry-run)\n"
    );
    let bad = daemon.lvsctl(&["reload"]);
    let errors = "lvsctl: lvs.toml:1:1: no\nlvsctl: lvs.toml:2:1: nor this\n";
    assert_eq!((stderr(&bad).as_str(), bad.status.code()), (errors, Some(2)));
    let request = "POST /v1/reload HTTP/1.1\r\nHost: lvsd\r\nConnection: close\r\n\
                   Content-Type: application/json\r\nContent-Length: 13\r\n\r\n{\"wet_run\": 1}";
    let answer = daemon.exchange(request);
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}

/// Both ways of speaking change the same things.
#[test]
fn edits_in_both_ways() {
    let daemon = Daemon::start();
    let run = |line: &str| daemon.lvsctl(&line.split_whitespace().collect::<Vec<_>>());
    let service = "tcp 192.0.2.10:443";
    for (line, says) in [
        (format!("service add {service} --scheduler mh"), "+ tcp 192.0.2.10:443: scheduler mh"),
        (
            format!("server add {service} 192.0.2.11 --weight 2"),
            "+ tcp 192.0.2.10:443 192.0.2.11: weight 2",
        ),
        (
            format!("server edit {service} 192.0.2.11 --weight 0"),
            "~ tcp 192.0.2.10:443 192.0.2.11: weight 2 -> 0",
        ),
        ("-E -t 192.0.2.10:443 -s rr -p 60".to_owned(), ""),
        ("-a -t 192.0.2.10:443 -r 192.0.2.12:443 -g -w 7".to_owned(), ""),
        ("server delete tcp 192.0.2.10:80 192.0.2.11".to_owned(), "- tcp 192.0.2.10:80 192.0.2.11"),
        ("-D -t 192.0.2.10:80".to_owned(), ""),
    ] {
        let output = run(&line);
        assert_eq!(output.status.code(), Some(0), "{line}: {}", stderr(&output));
        let stdout = stdout(&output);
        assert!(
            stdout.starts_with(says) && says.is_empty() == stdout.is_empty(),
            "{line}: {stdout}"
        );
    }
    let saved = "-A -t 192.0.2.10:443 -s rr -p 60\n\
                 -a -t 192.0.2.10:443 -r 192.0.2.11:443 -g -w 0\n\
                 -a -t 192.0.2.10:443 -r 192.0.2.12:443 -g -w 7\n";

    for (line, error, status) in [
        ("-A -t 192.0.2.10:443", "Service already exists", 255),
        ("-d -t 192.0.2.10:443 -r 192.0.2.99", "No such destination", 255),
        ("-e -t 192.0.2.10:80 -r 192.0.2.99", "Service not defined", 255),
        ("service delete udp 192.0.2.10:443", "lvsctl: No such service", 2),
        (
            "server add tcp 192.0.2.10:443 2001:db8::1",
            "lvsctl: tcp 192.0.2.10:443 2001:db8::1: address: found 2001:db8::1; expected an IPv4 \
             address, as the service has",
            2,
        ),
    ] {
        let output = run(line);
        assert_eq!(
            (stderr(&output), output.status.code()),
            (format!("{error}\n"), Some(status)),
            "{line}"
        );
    }

    // All of it or nothing.
    let restore = |text: &str| {
        let mut child = lvsctl()
            .arg("--socket")
            .arg(daemon.socket())
            .arg("-R")
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let before = stdout(&run("save -"));
    assert_eq!(restore("-C\n-A -t 192.0.2.10:22\n-A -t 192.0.2.10:22\n").status.code(), Some(255));
    assert_eq!(restore("-A -t 192.0.2.10\n").status.code(), Some(2));
    assert_eq!(stdout(&run("save -")), before);
    assert_eq!(restore(&format!("-C\n{saved}")).status.code(), Some(0));
    assert_eq!(stdout(&run("save -")), before);

    let output = run("diff");
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(text.starts_with("- tcp 192.0.2.10:80\n+ tcp 192.0.2.10:443: scheduler rr"), "{text}");

    let file = daemon.directory.path().join("other.toml");
    assert!(run(&format!("save {}", file.display())).status.success());
    assert_eq!(Config::load(&file).unwrap().virtual_services.len(), 1);
    assert_eq!(stdout(&run("save -")), std::fs::read_to_string(&file).unwrap());
    assert!(stdout(&run("save")).ends_with("lvs.toml\n"));
    std::fs::write(&file, CONFIG).unwrap();
    let restored = stdout(&run(&format!("restore {}", file.display())));
    assert!(restored.starts_with("- tcp 192.0.2.10:443\n+ tcp 192.0.2.10:80"), "{restored}");
    assert_eq!(run("diff").status.code(), Some(0));
    std::fs::write(&file, "[director]\n").unwrap();
    let output = run(&format!("restore {}", file.display()));
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains(": director: the key interfaces is missing\n"));
}

/// Any key of the file, and drain.
#[test]
fn keys_and_states_by_name() {
    let daemon = Daemon::start();
    let run = |words: &[&str]| daemon.lvsctl(words);
    let service = ["tcp", "192.0.2.10:80"];
    let keys = ["--set", "check={ type = \"http\", path = \"/x\" }", "--set", "quorum=1"];
    let output = run(&[&["service", "edit"], &service[..], &keys].concat());
    let text = stdout(&output);
    assert!(text.contains("quorum 0 -> 1\n") && text.contains("check none -> Http("), "{text}");
    let output = run(&[&["service", "edit"], &service[..], &["--unset", "check"]].concat());
    assert!(stdout(&output).contains("-> none\n"));

    for (verb, says) in [("drain", "drain false -> true\n"), ("resume", "drain true -> false\n")] {
        let output = run(&[&["server", verb], &service[..], &["192.0.2.11:80"]].concat());
        assert!(stdout(&output).ends_with(says), "{}{}", stdout(&output), stderr(&output));
    }

    for (words, error) in [
        (
            &["service", "edit", "tcp", "192.0.2.10:80", "--set", "colour=red"][..],
            "tcp 192.0.2.10:80: colour: there is no such key; expected one of address, check, ",
        ),
        (
            &["server", "edit", "tcp", "192.0.2.10:80", "192.0.2.11", "--weight", "-1"],
            "tcp 192.0.2.10:80 192.0.2.11: weight: found -1; expected a weight from 0 to 65535\n",
        ),
        (
            &["server", "add", "tcp", "192.0.2.10:80", "192.0.2.12:8080"],
            "192.0.2.12:8080: direct routing can't change the port; expected 80 or none, as the ",
        ),
        (
            &["server", "add", "tcp", "192.0.2.10:80", "no-such-host.invalid"],
            "\"no-such-host.invalid\" is no address, and as a name: ",
        ),
        (&["service", "add", "tcp", "192.0.2.10"], "\"192.0.2.10\": expected ADDRESS:PORT, like "),
        (
            &["service", "add", "tcp", "192.0.2.10:nonsense"],
            "\"nonsense\" is no port of tcp: expected ADDRESS:PORT, like ",
        ),
        (
            &["service", "edit", "tcp", "192.0.2.10:80", "--set", "quorum"],
            "--set quorum: expected ",
        ),
    ] {
        let output = run(words);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {text}");
        assert!(text.starts_with(&format!("lvsctl: {error}")), "{words:?}: {text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

/// It goes on until none is left, which here never happens.
#[test]
fn a_drain_can_wait_but_not_for_ever() {
    let daemon = Daemon::start();
    let words = ["server", "drain", "tcp", "192.0.2.10:80", "192.0.2.11", "--wait"];
    let output = daemon.lvsctl(&words);
    let error = "lvsctl: 192.0.2.11 is no real server of it any more\n";
    assert_eq!((stderr(&output).as_str(), output.status.code()), (error, Some(2)));

    // The table of this daemon always has six connections there.
    let add = ["service", "add", "tcp", "10.77.0.100:80"];
    assert!(daemon.lvsctl(&add).status.success());
    let server = ["tcp", "10.77.0.100:80", "10.77.0.11"];
    assert!(daemon.lvsctl(&[&["server", "add"], &server[..]].concat()).status.success());
    let wait = ["--wait", "--timeout", "10ms"];
    let output = daemon.lvsctl(&[&["server", "drain"], &server[..], &wait].concat());
    let text = "10.77.0.11 still has 6 connections of tcp 10.77.0.100:80\n";
    assert_eq!((stdout(&output).as_str(), output.status.code()), (text, Some(1)));
}

#[test]
fn the_role_is_handed_over() {
    let daemon = Daemon::start();
    let output = daemon.lvsctl(&["failover"]);
    assert_eq!(stdout(&output), "this director is backup now\n");
    assert!(output.status.success());
    let output = daemon.lvsctl(&["failover", "--json"]);
    assert_eq!(stdout(&output), "{\n  \"role\": \"backup\"\n}\n");
    let output = daemon.lvsctl(&["failover", "--to", "estepe"]);
    assert_eq!(stderr(&output), "lvsctl: estepe can't\n");
    assert_eq!(output.status.code(), Some(2));
}

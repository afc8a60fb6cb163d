//! lvsctl at a terminal, or in a pipe: without a daemon, while it listens, and for a shell.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use lvs_userspace::control::api;

use crate::{Daemon, lvsctl, stderr, stdout};

#[test]
fn events_come_as_they_happen() {
    let daemon = Daemon::start();
    let mut child = lvsctl()
        .args(["--socket".as_ref(), daemon.socket().as_os_str(), "watch".as_ref()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let what = api::What::Configuration { by: "root".to_owned(), change: "+ it".to_owned() };
    // Once somebody listens.
    while daemon.events.send(api::Event::now(what.clone())).is_err() {
        std::thread::yield_now();
    }
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    assert!(line.ends_with(" + it (by root)"), "{line}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_needs_no_daemon() {
    let run = |words: &[&str]| lvsctl().args(words).output().unwrap();
    let reference = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/lvs.toml");
    let output = run(&["check-config", reference]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bad.toml");
    std::fs::write(&file, "[director]\nnome = 3\n").unwrap();
    let output = run(&["check-config", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("bad.toml:2:1: director.nome: there is no such key"));
    assert_eq!(run(&["check-config", "/nowhere"]).status.code(), Some(2));

    for shell in ["bash", "zsh", "fish"] {
        assert!(stdout(&run(&["completions", shell])).contains("COMPLETE"), "{shell}");
    }
    let output = run(&["completions", "csh"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(run(&["man", directory.path().to_str().unwrap()]).status.success());
    let page = std::fs::read_to_string(directory.path().join("lvsctl-server-drain.1")).unwrap();
    assert!(page.contains("Give it no new connections"), "{page}");
}

/// As a shell asks for it.
#[test]
fn services_and_real_servers_are_completed() {
    let daemon = Daemon::start();
    let words = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        let output = lvsctl()
            .env("COMPLETE", "bash")
            .env("LVS_SOCKET", daemon.socket())
            .env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string())
            .env("_CLAP_COMPLETE_COMP_TYPE", "9")
            .env("_CLAP_COMPLETE_SPACE", "false")
            .env("_CLAP_IFS", "\n")
            .arg("--")
            .args(words)
            .output()
            .unwrap();
        stdout(&output)
    };
    assert_eq!(words("lvsctl server drain tcp 10.7"), "10.77.0.100:80");
    assert_eq!(words("lvsctl server drain tcp 10.77.0.100:80 10"), "10.77.0.11");
    assert!(words("lvsctl ser").contains("service"));
}

#[test]
fn no_daemon() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lvsd.sock");
    let output = lvsctl().env("LVS_SOCKET", &path).arg("list").output().unwrap();
    let error = format!(
        "lvsctl: no lvsd answers on {}: is it running? (--socket or LVS_SOCKET chooses another)\n",
        path.display()
    );
    assert_eq!((stderr(&output), output.status.code()), (error, Some(2)));
}

#[test]
fn a_closed_pipe_is_success() {
    let daemon = Daemon::start();
    let mut child = lvsctl()
        .args(["--socket".as_ref(), daemon.socket().as_os_str(), "list".as_ref()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

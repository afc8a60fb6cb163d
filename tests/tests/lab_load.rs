//! Real servers that are busy, that are to be left alone, and that lie about it.

use std::{
    fs,
    io::Write as _,
    net::{SocketAddr, TcpListener},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use lvs_tests::lab::{Host, Lab, Lvsd, Options, config, wait_for};
use nix::sys::signal::Signal;
use serde_json::Value;

/// So soon must reports show: far later than they are asked for.
const SOON: Duration = Duration::from_secs(20);

/// Says that little is idle as long as the process that `busy` names wants a CPU, whether it gets one or not:
/// this machine may have other work.
const IDLE: &str = r#"#!/bin/sh
state=$(cut -d' ' -f3 "/proc/$(cat /run/lvs/lab/busy)/stat")
if [ "$state" = R ]; then echo 10; else echo 100; fi
"#;

fn text() -> String {
    let load = "[load]\ninterval = \"200ms\"\nstale = \"2s\"\n\n[[virtual_service]]";
    config(Host::Director, [1, 1, 1])
        .replacen("[[virtual_service]]", load, 1)
        .replace("scheduler = \"wrr\"", "scheduler = \"wrr\"\nfollow_load = true")
}

fn start(lab: &Lab) -> Result<Lvsd> {
    let lvsd = lab.start_lvsd(Host::Director, &text())?;
    lvsd.wait_until_up()?;
    Ok(lvsd)
}

/// The first real server, as lvsctl shows it.
fn rs1(lvsd: &Lvsd) -> Result<Value> {
    Ok(lvsd.services()?["services"][0]["real_servers"][0].clone())
}

/// Waits until the first real server is as it should be.
fn wait_until(what: &str, lvsd: &Lvsd, is_so: impl Fn(&Value) -> bool) -> Result<()> {
    wait_for(what, SOON, || is_so(&rs1(lvsd).ok()?).then_some(()))
        .with_context(|| format!("{:#}\n{}", rs1(lvsd).unwrap_or_default(), lvsd.log()))
}

fn answers(lab: &Lab, server: &str) -> Result<usize> {
    Ok(lab.requests(60)?.iter().filter(|answer| *answer == server).count())
}

#[test]
fn a_busy_real_server_gets_fewer_connections_until_it_is_idle() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let script = "/run/lvs/lab/idle.sh";
    fs::write(script, IDLE)?;
    lab.run(Host::Rs1, &["chmod", "+x", script])?;
    lab.forget_vips(Host::Rs1)?;
    let report = format!("exec={script}");
    let server = lab.start_real_server_with(Host::Rs1, &["--report", &report])?;
    let lvsd = start(&lab)?;
    assert_eq!(answers(&lab, "rs1")?, 20);

    let busy = lab.spawn(lab.command(Host::Rs1, "sh").args(["-c", "while :; do :; done"]))?;
    fs::write("/run/lvs/lab/busy", busy.pid().to_string())?;
    let is_busy = |rs1: &Value| rs1["why"].as_str().is_some_and(|why| why.contains(" 10 %"));
    wait_until("less weight", &lvsd, is_busy)?;
    let rs1_answers = answers(&lab, "rs1")?;
    assert!((1..=8).contains(&rs1_answers), "{rs1_answers} of 60");

    drop(busy);
    wait_until("all of its weight", &lvsd, |rs1| rs1["why"].is_null())?;
    assert_eq!(answers(&lab, "rs1")?, 20);

    // A machine that goes on being busy, and whose agent dies, gets its configured weight.
    let busy = lab.spawn(lab.command(Host::Rs1, "sh").args(["-c", "while :; do :; done"]))?;
    fs::write("/run/lvs/lab/busy", busy.pid().to_string())?;
    wait_until("less weight", &lvsd, is_busy)?;
    server.stop_with(Signal::SIGKILL)?;
    wait_until("the configured weight", &lvsd, |rs1| rs1["why"].is_null())?;
    assert_eq!(answers(&lab, "rs1")?, 20);
    assert!(lvsd.log().contains("no load report for too long"), "{}", lvsd.log());
    Ok(())
}

#[test]
fn the_operator_of_a_real_server_drains_it_and_takes_it_out() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    lab.forget_vips(Host::Rs1)?;
    let _server = lab.start_real_server(Host::Rs1)?;
    let lvsd = start(&lab)?;
    let mut open = loop {
        let mut connection = lab.connect()?;
        if connection.request()? == "rs1" {
            break connection;
        }
    };
    let say = |word: &str| -> Result<()> {
        let set = lab.real_server(Host::Rs1, "set-state", &[word])?;
        assert!(set.status.success(), "{set:?}");
        Ok(())
    };
    say("drain")?;
    wait_until("the drain", &lvsd, |rs1| rs1["state"] == "drained" && rs1["health"] == "up")?;
    assert_eq!(answers(&lab, "rs1")?, 0);
    assert_eq!(open.request()?, "rs1", "who was there stays");
    say("maint")?;
    wait_until("maintenance", &lvsd, |rs1| rs1["state"] == "maintenance")?;
    assert_eq!(answers(&lab, "rs1")?, 0);
    assert!(open.request().is_err(), "its connections are lost ones");
    say("ready")?;
    wait_until("service", &lvsd, |rs1| rs1["state"].is_null())?;
    assert!(answers(&lab, "rs1")? > 0);
    let log = lvsd.log();
    assert!(log.contains("its operator says drain"), "{log}");
    Ok(())
}

/// Garbage, a hundred thousand bytes, and a connection that never closes.
#[test]
fn agents_that_lie_do_no_harm() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let says = [
        (Host::Rs1, b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        (Host::Rs2, vec![b'9'; 100_000]),
        (Host::Rs3, Vec::new()),
    ];
    for (host, what) in says {
        let agent =
            lab.within(host, move || TcpListener::bind(SocketAddr::from(([0; 4], 2357))))??;
        // Ends with the test's process.
        thread::spawn(move || {
            let mut open = Vec::new();
            for mut stream in agent.incoming().flatten() {
                // Who asked may have had enough.
                drop(stream.write_all(&what));
                open.push(stream);
            }
        });
    }
    let lvsd = start(&lab)?;
    for words in ["is no word of a report", "no whole line from the agent"] {
        wait_for(words, SOON, || lvsd.log().contains(words).then_some(()))?;
    }
    wait_for("the end of patience", SOON, || {
        (lvsd.log().matches("for too long").count() == 3).then_some(())
    })?;
    assert_eq!(answers(&lab, "rs1")?, 20);
    assert_eq!(answers(&lab, "rs2")?, 20);
    assert_eq!(lvsd.log().matches("no load report address").count(), 3, "{}", lvsd.log());
    Ok(())
}

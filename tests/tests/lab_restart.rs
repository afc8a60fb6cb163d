//! An lvsd that ends, and the next one that takes over: nobody notices.

use std::{
    process::Command,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, ensure};
use lvs_tests::lab::{Connection, Host, Lab, Lvsd, Options, WEIGHTS, config, traces, wait_for};
use nix::sys::signal::Signal;
use serde_json::Value;

const SOON: Duration = Duration::from_secs(20);

fn start(lab: &Lab) -> Result<Lvsd> {
    let lvsd = lab.start_lvsd(Host::Director, &config(Host::Director, WEIGHTS))?;
    lvsd.wait_until_up()?;
    Ok(lvsd)
}

/// Runs bpftool on a map of the director.
fn bpftool(words: &[&str], map: &str, rest: &[&str]) -> Result<Value> {
    let map = Host::Director.bpffs().join(map);
    let output =
        Command::new("bpftool").arg("-j").args(words).arg("pinned").arg(map).args(rest).output()?;
    ensure!(output.status.success(), "bpftool: {}", String::from_utf8_lossy(&output.stdout));
    Ok(serde_json::from_slice(&output.stdout).unwrap_or_default())
}

/// The id of the program on the director's interface.
fn program_id(lab: &Lab) -> Result<u64> {
    let links = lab.run(Host::Director, &["ip", "-j", "link", "show", "dev", "eth0"])?;
    let links: Value = serde_json::from_str(&links)?;
    links[0]["xdp"]["prog"]["id"].as_u64().with_context(|| format!("no program: {links}"))
}

/// Clients that never rest while `change` is made: one opens connections, and some have theirs open.
/// No request fails, and every open connection stays where it is. Gives back how many were made.
fn under_traffic(lab: &Lab, change: impl FnOnce() -> Result<()>) -> Result<usize> {
    let mut open = Vec::new();
    for _ in 0..12 {
        let mut connection = lab.connect()?;
        let server = connection.request()?;
        open.push((connection, server));
    }
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let new = scope.spawn(|| -> Result<usize> {
            let mut requests = 0;
            while !done.load(Relaxed) {
                requests += lab.requests(20)?.len();
            }
            Ok(requests)
        });
        let old = scope.spawn(|| -> Result<()> {
            while !done.load(Relaxed) {
                stay(&mut open)?;
            }
            stay(&mut open)
        });
        let changed = change();
        done.store(true, Relaxed);
        old.join().map_err(|_| anyhow!("a client panicked"))??;
        let requests = new.join().map_err(|_| anyhow!("a client panicked"))??;
        changed?;
        Ok(requests + 12)
    })
}

fn stay(open: &mut [(Connection, String)]) -> Result<()> {
    for (connection, server) in open {
        let answer = connection.request()?;
        ensure!(answer == *server, "moved from {server} to {answer}");
    }
    Ok(())
}

fn connections(lvsd: &Lvsd) -> Result<u64> {
    lvsd.services()?["services"][0]["connections"].as_u64().context("no counter")
}

/// Killed, or ended in order, and started again: another program, the same maps.
#[test]
fn nobody_notices_that_lvsd_was_replaced() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let mut lvsd = start(&lab)?;
    let mut requests = 0;
    for signal in [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGKILL] {
        let before = program_id(&lab)?;
        let mut next = None;
        requests += under_traffic(&lab, || {
            lvsd.stop_with(signal)?;
            // Nobody is there for a while.
            thread::sleep(Duration::from_millis(300));
            next = Some(start(&lab)?);
            thread::sleep(Duration::from_millis(300));
            Ok(())
        })?;
        lvsd = next.context("no lvsd")?;
        assert_ne!(program_id(&lab)?, before, "{signal}: it runs a program of its own");
        let pinned = bpftool(&["prog", "show"], "program", &[])?;
        assert_eq!(pinned["id"], program_id(&lab)?, "{signal}: and that is the one pinned");
        assert_eq!(connections(&lvsd)?, requests as u64, "{signal}: the counters go on");
    }
    assert!(requests > 100, "too few to show anything: {requests}");
    assert!(!lvsd.log().contains("real server out of service"), "{}", lvsd.log());
    Ok(())
}

/// A configuration that was changed meanwhile is followed, and what stays keeps its place.
#[test]
fn the_next_one_follows_its_own_configuration() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let lvsd = start(&lab)?;
    assert_eq!(lab.requests(6)?.len(), 6);
    lvsd.kill()?;
    let lvsd = lab.start_lvsd(Host::Director, &config(Host::Director, [0, 5, 5]))?;
    let mut answers = lab.requests(10)?;
    answers.sort();
    answers.dedup();
    assert_eq!(answers, ["rs2", "rs3"]);
    assert_eq!(connections(&lvsd)?, 16);
    Ok(())
}

/// Who was out of service stays out, and who was in stays in, before any check is made.
#[test]
fn it_thinks_of_the_real_servers_what_the_one_before_thought() -> Result<()> {
    let text = |check: &str| {
        config(Host::Director, [1, 1, 1])
            .replace("scheduler = \"wrr\"", &format!("check = {check}"))
    };
    let quick = text("{ type = \"http\", interval = \"100ms\", timeout = \"300ms\" }");
    // It does not say anything for as long as this test takes.
    let slow = text("{ type = \"exec\", command = [\"/bin/sleep\", \"60\"], timeout = \"60s\" }");
    let mut lab = Lab::up(Options::default())?;
    let health = |lvsd: &Lvsd| -> Result<Vec<Value>> {
        let list = lvsd.services()?;
        let servers = list["services"][0]["real_servers"].as_array().context("no servers")?;
        Ok(servers.iter().map(|it| it["health"].clone()).collect())
    };
    let lvsd = lab.start_lvsd(Host::Director, &quick)?;
    lvsd.wait_until_up()?;
    lab.signal_web_server(Host::Rs2, Signal::SIGKILL)?;
    wait_for("the check", SOON, || (health(&lvsd).ok()? == ["up", "down", "up"]).then_some(()))?;
    lvsd.kill()?;

    for (keys, expected) in [("", ["up", "down", "up"]), ("on_restart = \"check\"", ["down"; 3])] {
        let text = slow.replace("[director]", &format!("[director]\n{keys}"));
        let lvsd = lab.start_lvsd(Host::Director, &text)?;
        assert_eq!(health(&lvsd)?, expected, "{keys}\n{}", lvsd.log());
        lvsd.kill()?;
    }
    Ok(())
}

/// Maps that mean something else to the program of another build are not used: new ones are filled,
/// then the program is replaced. New connections never fail; the old ones are lost.
#[test]
fn maps_of_another_layout_are_given_up() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let lvsd = start(&lab)?;
    let dump = bpftool(&["map", "dump"], "settings", &[])?;
    let size = bpftool(&["map", "show"], "settings", &[])?["bytes_value"].as_u64();
    let size = usize::try_from(size.with_context(|| format!("no size: {dump}"))?)?;
    lvsd.kill()?;
    // As if an earlier build had made them: all that is known of those is the first word.
    let lookup = bpftool(&["map", "lookup"], "settings", &["key", "0", "0", "0", "0"])?;
    let bytes = lookup["value"].as_array().context("no value")?;
    assert_eq!(bytes.len(), size);
    let mut words = vec!["key", "0", "0", "0", "0", "value", "1", "0", "0", "0"];
    let rest: Vec<_> = bytes.iter().skip(4).filter_map(Value::as_str).collect();
    words.extend(rest);
    bpftool(&["map", "update"], "settings", &words)?;

    let done = AtomicBool::new(false);
    let lvsd = thread::scope(|scope| {
        let client = scope.spawn(|| {
            let (mut answered, mut failed) = (0, 0);
            while !done.load(Relaxed) {
                match lab.requests(1) {
                    Ok(_) => answered += 1,
                    Err(_) => failed += 1,
                }
            }
            (answered, failed)
        });
        let lvsd = start(&lab);
        done.store(true, Relaxed);
        let (answered, failed) = client.join().map_err(|_| anyhow!("a client panicked"))?;
        // One after the other: the one that is under way at the change may be lost.
        ensure!(answered > 0 && failed <= 1, "{answered} answered, {failed} failed");
        lvsd
    })?;
    assert!(lvsd.log().contains("have another layout"), "{}", lvsd.log());
    assert_eq!(lab.requests(12)?.len(), 12);
    lvsd.kill()?;
    let lvsd = start(&lab)?;
    assert_eq!(lvsd.log().matches("have another layout").count(), 1, "once is enough");
    Ok(())
}

#[test]
fn detach_all_waits_until_lvsd_has_ended() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let lvsd = start(&lab)?;
    let refused = lab.detach_all(Host::Director)?;
    let error = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{error}");
    assert!(error.contains("stop it first"), "{error}");
    assert_eq!(lab.requests(6)?.len(), 6);
    lvsd.kill()?;
    assert_eq!(lab.detach_all(Host::Director)?.status.code(), Some(0));
    // The socket of a killed lvsd is in nobody's way.
    let left = traces(Host::Director)?;
    assert_eq!(left, [Host::Director.socket().display().to_string()]);
    assert_eq!(lab.detach_all(Host::Director)?.status.code(), Some(0), "nothing to do");
    Ok(())
}

/// An interface that is no longer in the configuration loses the program.
#[test]
fn interfaces_follow_the_configuration() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let add = ["ip", "link", "add", "far0", "type", "veth", "peer", "name", "far1"];
    lab.run(Host::Director, &add)?;
    let text = config(Host::Director, WEIGHTS);
    let both = text.replace("[\"eth0\"]", "[\"eth0\", \"far0\"]");
    lab.start_lvsd(Host::Director, &both)?.kill()?;
    let xdp = |traces: &[String]| traces.iter().filter(|it| it.starts_with("XDP")).count();
    assert_eq!(xdp(&traces(Host::Director)?), 2);
    // And one that came again under the same name is another.
    lab.run(Host::Director, &["ip", "link", "del", "far0"])?;
    lab.run(Host::Director, &add)?;
    lab.start_lvsd(Host::Director, &both)?.kill()?;
    assert_eq!(xdp(&traces(Host::Director)?), 2);
    lab.start_lvsd(Host::Director, &text)?.kill()?;
    assert_eq!(xdp(&traces(Host::Director)?), 1);
    Ok(())
}

/// What somebody else does to the maps is undone, and said.
#[test]
fn maps_that_something_else_has_changed_are_repaired() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let lvsd = start(&lab)?;
    let vips = bpftool(&["map", "dump"], "vips", &[])?;
    let key: Vec<_> = vips[0]["key"].as_array().into_iter().flatten().collect();
    let mut words = vec!["key"];
    words.extend(key.iter().filter_map(|it| it.as_str()));
    bpftool(&["map", "delete"], "vips", &words)?;
    assert!(lab.requests(1).is_err(), "nobody answers for the VIP");
    wait_for("the repair", SOON, || lab.requests(1).ok())?;
    assert!(lvsd.log().contains("changed by something else"), "{}", lvsd.log());
    Ok(())
}

//! Real servers that fail, and come back.

use std::{collections::BTreeSet, fs, time::Duration};

use anyhow::{Context, Result};
use lvs_tests::lab::{Host, Lab, Lvsd, Options, VIP, config, service, wait_for};
use nix::sys::signal::Signal;

/// So soon must a real server be out, or back: far later than the checks allow.
const SOON: Duration = Duration::from_secs(10);

/// Quick checks of this type.
fn check(kind: &str) -> String {
    format!(
        "check = {{ type = \"{kind}\", interval = \"200ms\", fast_interval = \"100ms\", \
         timeout = \"300ms\", rise = 2, fall = 2 }}"
    )
}

/// The lab's web service, equal weights, with these keys besides.
fn web(keys: &str) -> String {
    config(Host::Director, [1, 1, 1]).replace("scheduler = \"wrr\"", keys)
}

fn start(keys: &str) -> Result<(Lab, Lvsd)> {
    let lab = Lab::up(Options::default())?;
    let lvsd = lab.start_lvsd(Host::Director, &web(keys))?;
    lvsd.wait_until_up()?;
    Ok((lab, lvsd))
}

/// Waits until the first service's real servers are up, or down, as is said.
fn wait_for_health(lvsd: &Lvsd, expected: [&str; 3]) -> Result<()> {
    wait_for(&format!("{expected:?}"), SOON, || {
        let list = lvsd.services().ok()?;
        let servers = list["services"][0]["real_servers"].as_array()?;
        servers.iter().map(|it| it["health"].as_str()).eq(expected.map(Some)).then_some(())
    })
    .with_context(|| lvsd.log())
}

/// Who answers new connections, of which none may fail.
fn who_answers(lab: &Lab) -> Result<BTreeSet<String>> {
    Ok(lab.requests(30)?.into_iter().collect())
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn a_web_server_that_hangs_is_left_out_until_it_goes_on() -> Result<()> {
    for kind in ["http", "tcp"] {
        let (mut lab, lvsd) = start(&check(kind))?;
        assert_eq!(who_answers(&lab)?, names(&["rs1", "rs2", "rs3"]));
        // A stopped process still has its connections accepted by its kernel, until the backlog is
        // full: only http finds it out.
        let signals = match kind {
            "http" => [Some(Signal::SIGSTOP), Some(Signal::SIGCONT)],
            _ => [Some(Signal::SIGKILL), None],
        };
        for (signal, expected) in signals.into_iter().zip([["down", "up", "up"], ["up"; 3]]) {
            let Some(signal) = signal else { continue };
            lab.signal_web_server(Host::Rs1, signal)?;
            wait_for_health(&lvsd, expected)?;
            let all =
                if expected[0] == "up" { &["rs1", "rs2", "rs3"][..] } else { &["rs2", "rs3"] };
            assert_eq!(who_answers(&lab)?, names(all));
        }
        let log = lvsd.log();
        assert!(log.contains("real server out of service"), "{log}");
        assert!(log.contains("from=up to=down"), "{log}");
    }
    Ok(())
}

#[test]
fn a_real_server_without_a_network_is_left_out_until_it_has_one() -> Result<()> {
    let (lab, lvsd) = start(&check("ping"))?;
    lab.run(Host::Rs2, &["ip", "link", "set", "eth0", "down"])?;
    wait_for_health(&lvsd, ["up", "down", "up"])?;
    assert_eq!(who_answers(&lab)?, names(&["rs1", "rs3"]));
    lab.run(Host::Rs2, &["ip", "link", "set", "eth0", "up"])?;
    wait_for_health(&lvsd, ["up"; 3])?;
    assert_eq!(who_answers(&lab)?, names(&["rs1", "rs2", "rs3"]));
    Ok(())
}

#[test]
fn nobody_who_listens_is_a_failure_of_udp() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let keys = check("udp").replace("type = \"udp\"", "type = \"udp\", send = \"hello\"");
    let text = web("") + &service(VIP.into(), 7, "udp", &keys, &[(Host::Rs1, 1)]);
    let lvsd = lab.start_lvsd(Host::Director, &text)?;
    wait_for("the check", SOON, || lvsd.log().contains("Connection refused").then_some(()))?;
    let list = lvsd.services()?;
    assert_eq!(list["services"][1]["real_servers"][0]["health"], "down", "{list:#}");
    Ok(())
}

/// What becomes of a connection when its real server fails its checks, but goes on to answer.
#[test]
fn a_failure_takes_connections_away_or_only_new_ones() -> Result<()> {
    let sick = "/run/lvs/lab/sick";
    let exec = check("exec").replace(
        "type = \"exec\"",
        &format!(
            "type = \"exec\", command = [\"/bin/sh\", \"-c\", \"test ! -e {sick}-$LVS_ADDRESS\"]"
        ),
    );
    for inhibit in [true, false] {
        let (lab, lvsd) = start(&format!("{exec}\ninhibit_on_failure = {inhibit}"))?;
        let mut open = lab.connect()?;
        assert_eq!(open.request()?, "rs1");
        fs::write(format!("{sick}-{}", Host::Rs1.address()), "")?;
        wait_for_health(&lvsd, ["down", "up", "up"])?;
        assert_eq!(who_answers(&lab)?, names(&["rs2", "rs3"]));
        match open.request() {
            Ok(server) => assert!(inhibit && server == "rs1", "{server}"),
            Err(error) => assert!(!inhibit, "{error:#}"),
        }
    }
    Ok(())
}

/// Checks that are new in a configuration take nobody out who was in.
#[test]
fn a_reload_that_brings_checks_takes_nobody_out() -> Result<()> {
    let (lab, mut lvsd) = start("")?;
    let slow = check("http").replace("interval = \"200ms\"", "interval = \"1h\"");
    lvsd.reload_text(Host::Director, &web(&slow), |_| true)?;
    let reloaded = || lvsd.log().contains("reloaded the configuration").then_some(());
    wait_for("the reload", SOON, reloaded)?;
    let list = lvsd.services()?;
    let servers = list["services"][0]["real_servers"].as_array().context("no real servers")?;
    assert!(servers.iter().all(|it| it["health"] == "up"), "{list:#}");
    assert_eq!(who_answers(&lab)?, names(&["rs1", "rs2", "rs3"]));
    Ok(())
}

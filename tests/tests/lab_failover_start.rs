//! When nothing befalls the master: two directors that start, one that is not ready, a machine that has
//! too much to do.

use std::{fs, path::Path, process::Stdio, thread::sleep, time::Duration};

use anyhow::{Context, Result, ensure};
use lvs_tests::{
    failover::{Plan, Trial},
    lab::{Harm, Host, Lab, LvsdCommand, Options, PairConfig, VIP, service, wait_for},
};

const SOON: Duration = Duration::from_secs(20);
const LONG: Duration = Duration::from_secs(1);

fn role(lvsd: &lvs_tests::lab::Lvsd) -> Result<String> {
    Ok(lvsd.status()?["failover"]["role"].as_str().context("no role")?.to_owned())
}

/// Who starts first does not matter, and both at once is no reason for two masters.
#[test]
fn two_that_start_at_once_have_one_master() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    lab.hurry_web_servers()?;
    let config = PairConfig::default();
    let start = |host| LvsdCommand::new(host, &config.text(host))?.spawn();
    let (mut standby, mut director) = (start(Host::Standby)?, start(Host::Director)?);
    // Nobody can connect yet.
    let plan = Plan { connections: 0, download: None, ..Plan::to(VIP) };
    let trial = Trial::start(Host::Client, &plan)?;
    for lvsd in [&mut standby, &mut director] {
        lvsd.wait_until_ready()?;
        lvsd.wait_until_up()?;
    }
    wait_for("the master", SOON, || (role(&director).ok()? == "master").then_some(()))?;
    sleep(LONG);
    let outcome = trial.stop()?;
    assert_eq!(outcome.two_owners, None, "{outcome}");
    assert_eq!(outcome.owner().map(|it| it.to_string()), Some(Host::Director.mac()), "{outcome}");
    assert_eq!((role(&director)?, role(&standby)?), ("master".to_owned(), "backup".to_owned()));
    Ok(())
}

/// One that knows nothing of its real servers yet does not take over from one that does.
#[test]
fn it_takes_over_when_its_own_checks_are_done() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let pass = "/run/lvs/lab/pass";
    let check = format!(
        "check = {{ type = \"exec\", interval = \"10s\", timeout = \"10s\", rise = 1, command = \
         [\"/bin/sh\", \"-c\", \"while ! test -e {pass}-{{host}}; do sleep 0.1; done\"] }}"
    );
    let service = service(VIP.into(), 81, "tcp", &check, &[(Host::Rs1, 1)]);
    let config = PairConfig { more: service, ..PairConfig::default() };
    fs::write(format!("{pass}-director"), "")?;
    fs::write(format!("{pass}-standby"), "")?;
    let mut pair = lab.start_pair(config.clone())?;
    lab.harm(&mut pair, Host::Director, Harm::CleanStop)?;
    pair.wait_for(Host::Standby, "master")?;
    // Nor has it anything to go by from before.
    ensure!(lab.detach_all(Host::Director)?.status.success(), "can't detach");
    fs::remove_file(format!("{pass}-director"))?;

    let trial = Trial::start(Host::Client, &Plan::to(VIP))?;
    let director = lab.start_lvsd(Host::Director, &config.text(Host::Director))?;
    sleep(2 * LONG);
    assert_eq!(role(&director)?, "backup", "{}", director.log());
    let outcome = trial.stop()?;
    assert_eq!((outcome.failed.len(), outcome.broken.len()), (0, 0), "{outcome}");
    assert_eq!(outcome.owners.len(), 1, "{outcome}");
    fs::write(format!("{pass}-director"), "")?;
    wait_for("the checks", SOON, || (role(&director).ok()? == "master").then_some(()))
        .with_context(|| director.log())
}

/// A master that has to wait for the processor is still master: its advertisements come first.
#[test]
fn a_busy_machine_is_no_reason_to_take_over() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let pair = lab.start_pair(PairConfig::default())?;
    let trial = Trial::start(Host::Client, &Plan::to(VIP))?;
    let busy = || {
        let mut command = lab.command(Host::Director, Path::new("sh"));
        lab.spawn(command.args(["-c", "while :; do :; done"]).stdin(Stdio::null()))
    };
    let busy = (0..16).map(|_| busy()).collect::<Result<Vec<_>>>()?;
    sleep(3 * LONG);
    drop(busy);
    let outcome = trial.stop()?;
    assert_eq!(outcome.owners.len(), 1, "{outcome}\n{}", pair.story());
    assert_eq!((outcome.failed.len(), outcome.broken.len()), (0, 0), "{outcome}");
    assert!(outcome.longest_gap < LONG / 2, "{outcome}");
    assert_eq!(pair.failover(Host::Standby)?["takeovers"], 0);
    Ok(())
}

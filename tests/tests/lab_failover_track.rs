//! What a master needs, and what becomes of one that lacks it.

use std::fs;

use anyhow::Result;
use lvs_tests::{
    failover::Plan,
    lab::{Host, Lab, LvsdCommand, Options, Pair, PairConfig, VIP, service},
    takeover::Takeover,
};

/// The director lacks something, and has it again: it gives way, and takes over. `role` is what it is
/// meanwhile.
fn it_gives_way(more: &str, role: &str, reason: &str) -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let well = |host: Host| format!("/run/lvs/lab/well-{host}");
    for host in [Host::Director, Host::Standby] {
        fs::write(well(host), "")?;
    }
    let mut pair = lab.start_pair(PairConfig { more: more.to_owned(), ..PairConfig::default() })?;
    let plan = Plan::to(VIP);
    let ill = |_: &mut Pair| Ok(fs::remove_file(well(Host::Director))?);
    let away = Takeover::measure(format!("no {role}"), &plan, &mut pair, Host::Standby, ill)?;
    away.check()?;
    away.check_nothing_lost()?;
    let failover = pair.failover(Host::Director)?;
    assert_eq!(failover["role"], role, "{failover}\n{}", pair.story());
    let wrong = failover["wrong"].to_string();
    assert!(wrong.contains(reason), "{wrong}");
    assert!(pair.story().contains(reason), "{}", pair.story());

    let fine = |_: &mut Pair| Ok(fs::write(well(Host::Director), "")?);
    let back = Takeover::measure("it is well again", &plan, &mut pair, Host::Director, fine)?;
    back.check()?;
    back.check_nothing_lost()?;
    assert_eq!(pair.failover(Host::Director)?["wrong"].as_array().map(Vec::len), Some(0));
    Ok(())
}

const PROGRAM: &str = r#"
[[failover.track]]
type = "program"
command = ["/bin/sh", "-c", "test -e /run/lvs/lab/well-{host} || { echo it is ill; exit 3; }"]
interval = "100ms"
"#;

#[test]
fn a_program_that_fails() -> Result<()> {
    it_gives_way(PROGRAM, "fault", "exit status: 3: it is ill")
}

#[test]
fn a_program_that_fails_and_costs_priority() -> Result<()> {
    it_gives_way(&format!("{PROGRAM}priority_step = 150\n"), "backup", "exit status: 3: it is ill")
}

const QUORUM: &str = r#"
[[failover.track]]
type = "quorum"
address = "10.77.0.100"
port = 81
protocol = "tcp"
"#;

/// A service that the director finds well as long as its file is there.
fn checked() -> String {
    let check = "quorum = 1\ncheck = { type = \"exec\", interval = \"100ms\", rise = 1, fall = 1, \
                 command = [\"/bin/sh\", \"-c\", \"test -e /run/lvs/lab/well-{host}\"] }";
    service(VIP.into(), 81, "tcp", check, &[(Host::Rs1, 1)])
}

/// Only the director finds too few real servers: there is something wrong with itself.
#[test]
fn a_quorum() -> Result<()> {
    it_gives_way(&(checked() + QUORUM), "fault", "has no quorum")
}

/// A configuration by which nothing is wrong any more, and failover is another, is followed in both.
#[test]
fn a_quorum_that_a_new_configuration_gives_back() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let well = "/run/lvs/lab/well-director";
    fs::write(well, "")?;
    fs::write("/run/lvs/lab/well-standby", "")?;
    let config = PairConfig { more: checked() + QUORUM, ..PairConfig::default() };
    let mut pair = lab.start_pair(config.clone())?;
    fs::remove_file(well)?;
    pair.wait_for(Host::Director, "fault")?;
    let unchecked = service(VIP.into(), 81, "tcp", "quorum = 1", &[(Host::Rs1, 1)]);
    let more = unchecked + QUORUM;
    let other = PairConfig { more, ..PairConfig::with("preempt_delay = \"1ms\"") };
    LvsdCommand::new(Host::Director, &other.text(Host::Director))?;
    pair.of(Host::Director)?.hang_up()?;
    pair.wait_for(Host::Director, "master")?;
    pair.wait_until_settled(Host::Director)
}

//! What a master needs, and what becomes of one that lacks it.

use std::fs;

use anyhow::Result;
use lvs_tests::{
    failover::Plan,
    lab::{Host, Lab, Options, Pair, PairConfig, VIP, service},
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

/// Only the director finds too few real servers: there is something wrong with itself.
#[test]
fn a_quorum() -> Result<()> {
    let check = "quorum = 1\ncheck = { type = \"exec\", interval = \"100ms\", rise = 1, fall = 1, \
                 command = [\"/bin/sh\", \"-c\", \"test -e /run/lvs/lab/well-{host}\"] }";
    let service = service(VIP.into(), 81, "tcp", check, &[(Host::Rs1, 1)]);
    let track = format!(
        "\n[[failover.track]]\ntype = \"quorum\"\naddress = \"{VIP}\"\nport = 81\nprotocol = \"tcp\"\n"
    );
    it_gives_way(&(service + &track), "fault", "has no quorum")
}

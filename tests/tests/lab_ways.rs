//! How lvsd gets to the real servers, and what it leaves behind.

use std::{
    fs,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Result, ensure};
use lvs_tests::lab::{
    Host, Lab, Lvsd, Options, VIP_V6, WEIGHTS, config, service, traces, wait_for,
};
use nix::sys::signal::Signal;

const SOON: Duration = Duration::from_secs(20);

/// Checks through both VIPs.
fn through_vips() -> String {
    let keys =
        "check = { via = \"vip\", type = \"tcp\", interval = \"300ms\", timeout = \"300ms\" }";
    let servers = Host::REAL_SERVERS.map(|host| (host, 1));
    config(Host::Director, [1, 1, 1]).replace("scheduler = \"wrr\"", keys)
        + &service(VIP_V6.into(), 80, "tcp", keys, &servers)
}

/// Rules and routes of lvsd on a host: tables 0x4c560001 and up.
fn policy(lab: &Lab, host: Host) -> Result<String> {
    let script = "ip -4 rule; ip -6 rule; ip -4 route show table all; ip -6 route show table all";
    let all = lab.run(host, &["sh", "-c", script])?;
    let ours = |line: &&str| line.contains("0x4c56") || line.contains("table 12807");
    let mut lines: Vec<_> = all.lines().filter(ours).collect();
    // Rules of one priority are in the order in which they were made.
    lines.sort_unstable();
    Ok(lines.join("\n"))
}

#[test]
fn rules_and_routes_that_somebody_flushes_are_made_again() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let lvsd = lab.start_lvsd(Host::Director, &through_vips())?;
    lvsd.wait_until_up()?;
    let before = policy(&lab, Host::Director)?;
    assert_eq!(before.lines().count(), 12, "a rule and a route for each: {before}");
    let flush = "for v in -4 -6; do ip $v rule | sed -n 's/.*lookup \\(12807[0-9]*\\).*/\\1/p' | \
                 while read t; do ip $v rule del table $t; ip $v route flush table $t; done; done";
    lab.run(Host::Director, &["sh", "-c", flush])?;
    assert_ne!(policy(&lab, Host::Director)?, before);
    wait_for("the repair", SOON, || (policy(&lab, Host::Director).ok()? == before).then_some(()))?;
    lvsd.wait_until_up()
}

/// Not even by an lvsd that was killed, and an earlier build that had another map.
#[test]
fn detach_all_leaves_nothing() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let lvsd = lab.start_lvsd(Host::Director, &through_vips())?;
    lvsd.wait_until_up()?;
    lvsd.kill()?;
    assert_ne!(policy(&lab, Host::Director)?, "");
    let strange = Host::Director.bpffs().join("of_an_earlier_build");
    let create = Command::new("bpftool")
        .args(["map", "create"])
        .arg(strange)
        .args(["type", "array", "key", "4", "value", "4", "entries", "1", "name", "strange"])
        .output()?;
    ensure!(create.status.success(), "{}", String::from_utf8_lossy(&create.stderr));
    assert_eq!(lab.detach_all(Host::Director)?.status.code(), Some(0));
    assert_eq!(policy(&lab, Host::Director)?, "");
    assert!(!Host::Director.bpffs().exists());
    Ok(())
}

/// The second lvsd on a machine, with a socket and pins of its own, is refused, and has no hand in what is
/// the first one's.
#[test]
fn another_lvsd_takes_nothing_away() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let text = through_vips();
    let lvsd = lab.start_lvsd(Host::Director, &text)?;
    lvsd.wait_until_up()?;
    let mut other = lvs_tests::lab::LvsdCommand::new(Host::Director, &text)?;
    other.socket = "/run/lvs/lab/other.sock".into();
    other.bpffs = "/sys/fs/bpf/lvs-standby".into();
    let before = policy(&lab, Host::Director)?;
    let watch = lab.spawn(
        lab.command(Host::Director, "ip")
            .args(["monitor", "rule"])
            .stdout(fs::File::create("/run/lvs/lab/rules")?)
            .stderr(Stdio::null()),
    )?;
    let refused = other.output()?;
    assert_eq!(refused.status.code(), Some(2), "{}", String::from_utf8_lossy(&refused.stderr));
    assert_eq!(policy(&lab, Host::Director)?, before);
    drop(watch);
    assert_eq!(fs::read_to_string("/run/lvs/lab/rules")?, "");
    Ok(())
}

/// The MAC that frames to the real servers come from.
fn source_macs() -> Result<String> {
    let map = Host::Director.bpffs().join("real_servers");
    let dump = Command::new("bpftool").args(["map", "dump", "pinned"]).arg(map).output()?;
    Ok(String::from_utf8_lossy(&dump.stdout).into_owned())
}

#[test]
fn an_interface_with_another_mac_is_followed() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let lvsd = lab.start_lvsd(Host::Director, &config(Host::Director, WEIGHTS))?;
    lvsd.wait_until_up()?;
    let before = source_macs()?;
    lab.run(Host::Director, &["ip", "link", "set", "eth0", "address", "02:00:0a:4d:00:77"])?;
    wait_for("the new MAC", SOON, || {
        let now = source_macs().ok()?;
        (now != before && (now.contains("0x77") || now.contains("119"))).then_some(())
    })?;
    wait_for("an answer", SOON, || lab.requests(6).ok())?;
    Ok(())
}

/// Whatever goes on failing is said once.
#[test]
fn who_can_not_be_reached_does_not_fill_the_log() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let text = config(Host::Director, WEIGHTS).replace("10.77.0.13", "192.0.2.13");
    let lvsd = lab.start_lvsd(Host::Director, &text)?;
    // Twice as long as it takes until it is looked for again.
    std::thread::sleep(Duration::from_secs(21));
    let log = lvsd.log();
    let of_it = log.lines().filter(|it| it.contains("192.0.2.13") && it.contains("be reached"));
    assert_eq!(of_it.count(), 1, "{log}");
    lab.run(Host::Director, &["ip", "route", "add", "192.0.2.0/24", "dev", "eth0"])?;
    wait_for("the way", SOON, || lvsd.log().contains("there is a way").then_some(()))?;
    lab.run(Host::Director, &["ip", "link", "set", "eth0", "down"])?;
    std::thread::sleep(Duration::from_secs(5));
    let complaints = |lvsd: &Lvsd, address: &str| {
        let log = lvsd.log();
        let of_it = log.lines().filter(|it| it.contains(address) && it.contains("can't ask"));
        of_it.count()
    };
    for address in ["10.77.0.11", "10.77.0.12", "192.0.2.13"] {
        assert!(complaints(&lvsd, address) <= 1, "{address}: {}", lvsd.log());
    }
    Ok(())
}

/// More news of neighbours than its socket holds, while it can't read them, and on and on.
#[test]
fn a_flood_of_neighbours_does_not_stop_it() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let mut lvsd = lab.start_lvsd(Host::Director, &config(Host::Director, WEIGHTS))?;
    lvsd.wait_until_up()?;
    let mut batch = String::new();
    for round in 0..20 {
        for host in 1..=250 {
            let verb = if round % 2 == 0 { "add" } else { "del" };
            let lladdr = if round % 2 == 0 { "lladdr 02:00:00:00:00:01 nud permanent" } else { "" };
            batch += &format!("neigh {verb} 10.77.9.{host} {lladdr} dev eth0\n");
        }
    }
    fs::write("/run/lvs/lab/batch", batch)?;
    let flood = "while :; do ip -batch /run/lvs/lab/batch; done";
    let flood = lab.spawn(
        lab.command(Host::Director, "sh")
            .args(["-c", flood])
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    )?;
    lvsd.signal(Signal::SIGSTOP)?;
    std::thread::sleep(Duration::from_secs(1));
    lvsd.signal(Signal::SIGCONT)?;
    std::thread::sleep(Duration::from_secs(3));
    drop(flood);
    wait_for("an answer", SOON, || lvsd.services().ok())?;
    // And it still follows the neighbours.
    lab.run(Host::Rs1, &["ip", "link", "set", "eth0", "address", "02:00:0a:4d:00:55"])?;
    wait_for("the new MAC", SOON, || {
        lvsd.log().contains("02:00:0a:4d:00:55").then_some(()).or_else(|| {
            let macs = source_macs().ok()?;
            (macs.contains("0x55") || macs.contains("85")).then_some(())
        })
    })?;
    wait_for("answers of all", SOON, || lab.requests(6).ok())?;
    assert!(!traces(Host::Director)?.is_empty());
    Ok(())
}

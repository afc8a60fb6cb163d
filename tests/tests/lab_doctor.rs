//! lvsctl doctor: says nothing of a director that is well, and of one thing that is broken just that.

use std::{process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use lvs_tests::lab::{
    Host, Lab, LvsdCommand, Options, URL, VIP, VIP_V6, WEIGHTS, config, config_of_both, service,
    wait_for,
};
use nix::sys::signal::Signal;
use serde_json::Value;

/// Whether something keeps this machine's clock right is nobody's business here.
const IGNORE: [&str; 2] = ["--ignore", "clock-not-synchronised"];

/// What the doctor finds.
fn findings(lab: &Lab) -> Result<Vec<Value>> {
    let output = lab.lvsctl(&[&["doctor", "--json"], &IGNORE[..]].concat())?;
    let diagnosis: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let findings = diagnosis["findings"].as_array().context("no findings")?.clone();
    let status = if findings.is_empty() { 0 } else { 1 };
    ensure!(output.status.code() == Some(status), "{output:?}");
    Ok(findings)
}

/// Checks that there are just these findings, whose evidence has all of these words.
fn expect(lab: &Lab, name: &str, about: &[&str], evidence: &[&str]) -> Result<()> {
    let found = findings(lab)?;
    let about_them: Vec<_> = found
        .iter()
        .flat_map(|it| it["real_servers"].as_array().into_iter().flatten())
        .filter_map(Value::as_str)
        .collect();
    ensure!(!found.is_empty() && found.iter().all(|it| it["name"] == name), "{name}: {found:#?}");
    ensure!(about_them == about && found.len() == about.len().max(1), "{name}: {found:#?}");
    let said = found[0]["evidence"].as_str().unwrap_or_default();
    ensure!(evidence.iter().all(|word| said.contains(word)), "{evidence:?}: {said}");
    Ok(())
}

fn sh(lab: &Lab, host: Host, script: &str) -> Result<()> {
    lab.run(host, &["sh", "-ec", script]).map(drop)
}

fn nothing(lab: &Lab) -> Result<()> {
    let found = findings(lab)?;
    ensure!(found.is_empty(), "{found:#?}");
    Ok(())
}

#[test]
fn a_healthy_director_has_nothing_wrong() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let lvsd = lab.start_lvsd(Host::Director, &config_of_both(Host::Director))?;
    lvsd.wait_until_up()?;
    let output = lab.lvsctl(&[&["doctor"], &IGNORE[..]].concat())?;
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.starts_with("nothing found: "), "{said}");
    // Nothing that was asked has opened a connection, nor closed one.
    let list = lvsd.services()?;
    assert_eq!(list["services"][0]["connections"], 0, "{list:#}");
    let sockets = lab.run(Host::Rs1, &["ss", "-Htan", "state", "syn-recv"])?;
    assert_eq!(sockets, "");
    Ok(())
}

/// One thing that is broken on a host, and repaired again.
struct Broken {
    host: Host,
    broken: String,
    repaired: String,
    name: &'static str,
    about: &'static [&'static str],
    evidence: Vec<String>,
}

#[test]
fn what_is_broken_is_found_and_nothing_else() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let lvsd = lab.start_lvsd(Host::Director, &config_of_both(Host::Director))?;
    lvsd.wait_until_up()?;
    let arp = |value: [u8; 2]| {
        let [ignore, announce] = value;
        let set = |of: &str| {
            format!(
                "echo {ignore} > /proc/sys/net/ipv4/conf/{of}/arp_ignore\n\
                 echo {announce} > /proc/sys/net/ipv4/conf/{of}/arp_announce\n"
            )
        };
        set("all") + &set("eth0")
    };
    let address = |verb: &str, address: String| format!("ip addr {verb} {address}");
    let (v4, v6) = (VIP.to_string(), VIP_V6.to_string());
    let cases = [
        Broken {
            host: Host::Rs2,
            broken: address("del", format!("{VIP}/32 dev lo")),
            repaired: address("add", format!("{VIP}/32 dev lo")),
            name: "vip-missing",
            about: &["10.77.0.12"],
            evidence: vec![Host::Rs2.mac(), "eth0".into(), "10.77.0.3".into(), v4.clone()],
        },
        Broken {
            host: Host::Rs3,
            broken: address("del", format!("{VIP_V6}/128 dev lo")),
            repaired: address("add", format!("{VIP_V6}/128 dev lo nodad")),
            name: "vip-missing",
            about: &["fd77::13"],
            evidence: vec![Host::Rs3.mac(), "fd77::3".into(), v6.clone()],
        },
        Broken {
            host: Host::Rs1,
            broken: arp([0, 0]),
            repaired: arp([1, 2]),
            name: "vip-answered-by-real-server",
            about: &["10.77.0.11"],
            evidence: vec![Host::Rs1.mac(), "ARP".into(), "eth0".into(), v4.clone()],
        },
        Broken {
            host: Host::Rs1,
            broken: address("add", format!("{VIP_V6}/128 dev eth0 nodad")),
            repaired: address("del", format!("{VIP_V6}/128 dev eth0")),
            name: "vip-answered-by-real-server",
            about: &["fd77::11"],
            evidence: vec![Host::Rs1.mac(), "solicitation".into(), v6],
        },
        Broken {
            host: Host::Standby,
            broken: address("add", format!("{VIP}/32 dev eth0")),
            repaired: address("del", format!("{VIP}/32 dev eth0")),
            name: "vip-answered-by-stranger",
            about: &[],
            evidence: vec![Host::Standby.mac(), v4.clone()],
        },
        Broken {
            host: Host::Director,
            broken: address("add", format!("{VIP}/32 dev lo")),
            repaired: address("del", format!("{VIP}/32 dev lo")),
            name: "vip-on-director",
            about: &[],
            evidence: vec![format!("{VIP}/32"), "lo".into()],
        },
        Broken {
            host: Host::Rs2,
            broken: "ip link set eth0 mtu 1400".into(),
            repaired: "ip link set eth0 mtu 1500".into(),
            name: "mtu-path",
            about: &["10.77.0.12", "fd77::12"],
            evidence: vec!["1500".into(), Host::Rs2.mac()],
        },
        Broken {
            host: Host::Rs3,
            // It answers no echo, but SYNs.
            broken: "echo 1 > /proc/sys/net/ipv4/icmp_echo_ignore_all".into(),
            repaired: "echo 0 > /proc/sys/net/ipv4/icmp_echo_ignore_all".into(),
            name: "",
            about: &[],
            evidence: vec![],
        },
        Broken {
            host: Host::Rs1,
            broken: "ip link set eth0 down".into(),
            repaired: format!(
                "ip link set eth0 up; ip addr add {}/64 dev eth0 nodad",
                Host::Rs1.address_v6()
            ),
            name: "mac-unknown",
            about: &["10.77.0.11", "fd77::11"],
            evidence: vec!["ARP".into(), "eth0".into()],
        },
    ];
    for Broken { host, broken, repaired, name, about, evidence } in cases {
        sh(&lab, host, &broken)?;
        if name == "mac-unknown" {
            wait_for("loss of a real server", Duration::from_secs(10), || {
                let list = lvsd.services().ok()?;
                let services = list["services"].as_array()?;
                let first = |it: &Value| it["real_servers"][0]["health"] == "down";
                services.iter().all(first).then_some(())
            })?;
        }
        let words: Vec<_> = evidence.iter().map(String::as_str).collect();
        let found = if name.is_empty() { nothing(&lab) } else { expect(&lab, name, about, &words) };
        found.with_context(|| format!("{host}: {broken}"))?;
        sh(&lab, host, &repaired)?;
        lvsd.wait_until_up()?;
    }
    nothing(&lab)
}

#[test]
fn a_service_that_does_not_listen_on_the_vip_is_found() -> Result<()> {
    let mut lab = Lab::up(Options::default())?;
    let lvsd = lab.start_lvsd(Host::Director, &config(Host::Director, WEIGHTS))?;
    lvsd.wait_until_up()?;
    lab.signal_web_server(Host::Rs3, Signal::SIGKILL)?;
    let words = ["RST", "02:00:0a:4d:00:0d"];
    wait_for("the end of the web server", Duration::from_secs(5), || {
        expect(&lab, "service-refused", &["10.77.0.13"], &words).ok()
    })?;
    wait_for("the web server", Duration::from_secs(5), || lab.restart_web_server(Host::Rs3).ok())?;
    wait_for("recovery", Duration::from_secs(5), || nothing(&lab).ok())
}

/// Checks through a VIP that is on no network of the director are not answered then; they come so
/// seldom here that only the doctor knows.
#[test]
fn a_strict_filter_is_found_where_it_matters() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let vip = "10.99.0.1";
    let strict = |value: u8| {
        sh(&lab, Host::Director, &format!("echo {value} > /proc/sys/net/ipv4/conf/eth0/rp_filter"))
    };
    let text = config(Host::Director, [1, 1, 1]);
    let (head, _) = text.split_once("[[virtual_service]]").context("no service")?;
    let servers = Host::REAL_SERVERS.map(|host| (host, 1));
    for via in ["rip", "vip"] {
        for host in Host::REAL_SERVERS {
            sh(&lab, host, &format!("ip addr replace {vip}/32 dev lo"))?;
        }
        let check = format!(
            "check = {{ type = \"tcp\", via = \"{via}\", interval = \"1h\", \
             fast_interval = \"100ms\", timeout = \"1s\", rise = 1, fall = 1 }}"
        );
        let text = head.to_owned() + &service(vip.parse()?, 80, "tcp", &check, &servers);
        let lvsd = lab.start_lvsd(Host::Director, &text)?;
        lvsd.wait_until_up()?;
        nothing(&lab)?;
        strict(1)?;
        if via == "vip" {
            let all = ["10.77.0.11", "10.77.0.12", "10.77.0.13"];
            let found = findings(&lab)?;
            ensure!(found.len() == 1 && found[0]["name"] == "rp-filter", "{found:#?}");
            ensure!(found[0]["real_servers"] == Value::from(all.to_vec()), "{found:#?}");
            let said = found[0]["evidence"].as_str().unwrap_or_default();
            ensure!(said.contains("on eth0") && said.contains(vip), "{said}");
        } else {
            nothing(&lab)?;
        }
        strict(0)?;
        lvsd.stop()?;
        lab.detach_all(Host::Director)?;
    }
    Ok(())
}

#[test]
fn a_program_that_is_gone_and_pins_that_are_gone_are_found() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let lvsd = lab.start_lvsd(Host::Director, &config(Host::Director, WEIGHTS))?;
    lvsd.wait_until_up()?;
    let bpffs = Host::Director.bpffs();
    let link = bpffs.read_dir()?.flatten().map(|file| file.path());
    let link = link.filter(|path| path.display().to_string().contains("link_")).last();
    let link = link.context("no link is pinned")?;
    let hidden = bpffs.join("hidden");
    std::fs::rename(bpffs.join("services"), &hidden)?;
    expect(&lab, "pins", &[], &["services is missing"])?;
    std::fs::rename(hidden, bpffs.join("services"))?;
    nothing(&lab)?;

    let detached = Command::new("bpftool").args(["link", "detach", "pinned"]).arg(link).output()?;
    ensure!(detached.status.success(), "{detached:?}");
    expect(&lab, "xdp-missing", &[], &["eth0"])?;
    ensure!(lab.curl(&["--max-time", "1", URL]).is_err(), "and it is so");
    Ok(())
}

#[test]
fn a_program_in_the_slower_mode_is_found() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let text =
        config(Host::Director, WEIGHTS).replace("[director]", "[director]\nxdp_mode = \"generic\"");
    let lvsd = lab.start_lvsd(Host::Director, &text)?;
    lvsd.wait_until_up()?;
    expect(&lab, "xdp-generic", &[], &["driver", "configuration"])?;
    sh(&lab, Host::Director, "ethtool -K eth0 gro on")?;
    let names: Vec<_> = findings(&lab)?.iter().map(|it| it["name"].clone()).collect();
    assert_eq!(names, ["xdp-generic", "frames-merged"]);
    Ok(())
}

/// Without the right to ask on the network, what can be seen without is all that is told.
#[test]
fn what_lvsd_may_not_ask_is_said() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let mut command = LvsdCommand::new(Host::Director, &config(Host::Director, WEIGHTS))?;
    command.wrapper = ["setpriv", "--bounding-set=-net_raw"].map(str::to_owned).into();
    let lvsd = command.start()?;
    lvsd.wait_until_up()?;
    expect(&lab, "not-looked-at", &[], &["not permitted"])
}

/// A real server behind an interface that the program is not attached to.
#[test]
fn an_exit_that_takes_no_frames_is_found() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    sh(
        &lab,
        Host::Director,
        "ip link add eth1 type veth peer name eth1 netns lvs-rs1
         ip addr add 10.78.0.3/24 dev eth1
         ip link set eth1 up",
    )?;
    sh(
        &lab,
        Host::Rs1,
        "ip addr add 10.78.0.11/24 dev eth1
         ip link set eth1 up",
    )?;
    let text = config(Host::Director, WEIGHTS).replace("10.77.0.11", "10.78.0.11");
    let lvsd = lab.start_lvsd(Host::Director, &text)?;
    lvsd.wait_until_up()?;
    expect(&lab, "exit-without-xdp", &[], &["NDO_XMIT"])?;
    sh(&lab, Host::Rs1, "ethtool -K eth1 gro on")?;
    nothing(&lab)?;
    sh(&lab, Host::Director, "ip link set eth1 mtu 1400")?;
    sh(&lab, Host::Rs1, "ip link set eth1 mtu 1400")?;
    expect(&lab, "mtu-differs", &[], &["eth0 is 1500", "eth1 1400"])
}

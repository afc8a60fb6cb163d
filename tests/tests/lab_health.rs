//! Real servers that fail, and come back.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use lvs_tests::lab::{Host, Lab, Lvsd, Options, VIP, VIP_V6, config, service, wait_for};
use nix::sys::signal::Signal;

/// So soon must a real server be out, or back: far later than the checks allow.
const SOON: Duration = Duration::from_secs(10);

/// A VIP that the lab does not know.
const OTHER_VIP: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 101);

/// What is promised of [`check`]: out within fall x interval + timeout.
const IN_TIME: Duration = Duration::from_millis(2 * 300 + 300);
/// What the busy machine that runs this may take besides, and lvsctl to say so.
const SLACK: Duration = Duration::from_secs(1);

/// Quick checks of this type.
fn check(kind: &str) -> String {
    format!(
        "check = {{ type = \"{kind}\", interval = \"300ms\", fast_interval = \"100ms\", \
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

/// Does what makes real servers fail, and waits until they are out. The time that this takes is what the
/// operator has configured: it is asserted.
fn fails_in_time(
    lvsd: &Lvsd,
    expected: [&str; 3],
    fail: impl FnOnce() -> Result<()>,
) -> Result<()> {
    fail()?;
    let failed = Instant::now();
    wait_for_health(lvsd, expected)?;
    let took = failed.elapsed();
    ensure!(took <= IN_TIME + SLACK, "out after {took:?}:\n{}", lvsd.log());
    Ok(())
}

/// Who answers new connections, of which none may fail.
fn who_answers(lab: &Lab) -> Result<BTreeSet<String>> {
    Ok(lab.requests(30)?.into_iter().collect())
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// What all of these rely on: a request that fails is seen, wherever in the row it is.
#[test]
fn a_request_that_fails_does_not_go_unseen() -> Result<()> {
    let (mut lab, _lvsd) = start("")?;
    lab.signal_web_server(Host::Rs1, Signal::SIGKILL)?;
    // Nobody checks: one in three fails, and is the last of at most one of these rows.
    for requests in [3, 4, 5, 3] {
        assert!(lab.requests(requests).is_err(), "of {requests} requests");
    }
    Ok(())
}

#[test]
fn a_web_server_that_hangs_is_left_out_until_it_goes_on() -> Result<()> {
    for kind in ["http", "tcp"] {
        let (mut lab, lvsd) = start(&check(kind))?;
        assert_eq!(who_answers(&lab)?, names(&["rs1", "rs2", "rs3"]));
        // A stopped process still has its connections accepted by its kernel, until the backlog is
        // full: only http finds it out.
        let (failure, recovery) = match kind {
            "http" => (Signal::SIGSTOP, Some(Signal::SIGCONT)),
            _ => (Signal::SIGKILL, None),
        };
        let fail = || lab.signal_web_server(Host::Rs1, failure);
        fails_in_time(&lvsd, ["down", "up", "up"], fail).context(kind)?;
        assert_eq!(who_answers(&lab)?, names(&["rs2", "rs3"]));
        if let Some(signal) = recovery {
            lab.signal_web_server(Host::Rs1, signal)?;
            wait_for_health(&lvsd, ["up"; 3])?;
            assert_eq!(who_answers(&lab)?, names(&["rs1", "rs2", "rs3"]));
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
    // Without its link it has no MAC, either; one that only ignores pings is found out by them alone.
    let ignore = "/proc/sys/net/ipv4/icmp_echo_ignore_all";
    let [quiet, loud] = [1, 0].map(|it| format!("echo {it} > {ignore}"));
    let ways = [
        [&["ip", "link", "set", "eth0", "down"][..], &["ip", "link", "set", "eth0", "up"]],
        [&["sh", "-c", &quiet], &["sh", "-c", &loud]],
    ];
    for [failure, recovery] in ways {
        let fail = || lab.run(Host::Rs2, failure).map(drop);
        fails_in_time(&lvsd, ["up", "down", "up"], fail).with_context(|| failure.join(" "))?;
        assert_eq!(who_answers(&lab)?, names(&["rs1", "rs3"]));
        lab.run(Host::Rs2, recovery)?;
        wait_for_health(&lvsd, ["up"; 3])?;
        assert_eq!(who_answers(&lab)?, names(&["rs1", "rs2", "rs3"]));
    }
    assert!(lvsd.log().contains("no answer to a ping of 10.77.0.12"), "{}", lvsd.log());
    Ok(())
}

/// Checked or not, nothing is heard of it from the start: that is told, too.
#[test]
fn a_real_server_that_is_dead_when_lvsd_starts_is_told() -> Result<()> {
    for keys in [check("tcp"), String::new()] {
        let lab = Lab::up(Options::default())?;
        lab.run(Host::Rs2, &["ip", "link", "set", "eth0", "down"])?;
        let lvsd = lab.start_lvsd(Host::Director, &web(&keys))?;
        let told = |to: &str| {
            let log = lvsd.log();
            let mut lines = log.lines().filter(|it| it.contains("10.77.0.12"));
            lines.any(|it| it.contains(to)).then_some(())
        };
        wait_for("word of it", SOON, || told("real server out of service"))
            .with_context(|| lvsd.log())?;
        wait_for_health(&lvsd, ["up", "down", "up"])?;
        assert_eq!(who_answers(&lab)?, names(&["rs1", "rs3"]));
        lab.run(Host::Rs2, &["ip", "link", "set", "eth0", "up"])?;
        wait_for("that it is back", SOON, || told("real server in service"))
            .with_context(|| lvsd.log())?;
        assert_eq!(who_answers(&lab)?, names(&["rs1", "rs2", "rs3"]));
    }
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
    let slow = check("http").replace("interval = \"300ms\"", "interval = \"1h\"");
    lvsd.reload_text(Host::Director, &web(&slow), |_| true)?;
    let reloaded = || lvsd.log().contains("reloaded the configuration").then_some(());
    wait_for("the reload", SOON, reloaded)?;
    let list = lvsd.services()?;
    let servers = list["services"][0]["real_servers"].as_array().context("no real servers")?;
    assert!(servers.iter().all(|it| it["health"] == "up"), "{list:#}");
    assert_eq!(who_answers(&lab)?, names(&["rs1", "rs2", "rs3"]));
    Ok(())
}

/// A real server that works, but has not the VIP: only a check that goes the way of clients finds that
/// out. It does so on the standby, too, which nobody sends anything to.
#[test]
fn a_real_server_without_the_vip_is_found_out_through_the_vip() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    for (number, host) in [Host::Director, Host::Standby].into_iter().enumerate() {
        for (kind, via) in [("tcp", "rip"), ("tcp", "vip"), ("http", "vip")] {
            let keys = check(kind).replace("type", &format!("via = \"{via}\", type"));
            // The two are not to answer for the same VIP.
            let vip = if number == 0 { VIP } else { OTHER_VIP };
            let vips = |verb: &str, host| -> Result<()> {
                lab.run(host, &["ip", "addr", verb, &format!("{vip}/32"), "dev", "lo"])?;
                Ok(())
            };
            if number == 1 {
                for host in Host::REAL_SERVERS {
                    vips("add", host)?;
                }
            }
            let text = web(&keys).replace(&VIP.to_string(), &vip.to_string());
            let lvsd = lab.start_lvsd(host, &text)?;
            lvsd.wait_until_up()?;
            let found = ["up", if via == "vip" { "down" } else { "up" }, "up"];
            let fail = || vips("del", Host::Rs2);
            fails_in_time(&lvsd, found, fail).context(format!("{kind} {via}"))?;
            vips("add", Host::Rs2)?;
            wait_for_health(&lvsd, ["up"; 3])?;
            assert_eq!(lvsd.stop()?.code(), Some(0));
            for version in ["-4", "-6"] {
                let rules = lab.run(host, &["ip", version, "rule"])?;
                assert!(!rules.contains("fwmark"), "{rules}");
            }
            lab.detach_all(host)?;
            if number == 1 {
                for host in Host::REAL_SERVERS {
                    vips("del", host)?;
                }
            }
        }
    }
    Ok(())
}

#[test]
fn checks_go_through_ipv6_vips_and_around_those_of_the_director_itself() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let keys = check("http").replace("type", "via = \"vip\", type");
    let servers = Host::REAL_SERVERS.map(|host| (host, 1));
    let text =
        config(Host::Director, [1, 1, 1]).split("[[virtual_service]]").next().map(str::to_owned);
    let text =
        text.context("no configuration")? + &service(VIP_V6.into(), 80, "tcp", &keys, &servers);
    let lvsd = lab.start_lvsd(Host::Director, &text)?;
    lvsd.wait_until_up()?;
    lab.run(Host::Rs3, &["ip", "addr", "del", &format!("{VIP_V6}/128"), "dev", "lo"])?;
    wait_for_health(&lvsd, ["up", "up", "down"])?;
    // Whatever it asks then is itself.
    lab.run(
        Host::Director,
        &["ip", "addr", "add", &format!("{VIP_V6}/128"), "dev", "lo", "nodad"],
    )?;
    wait_for_health(&lvsd, ["down"; 3])?;
    assert!(lvsd.log().contains("is on an interface of this machine"), "{}", lvsd.log());
    Ok(())
}

/// What answers in the place of a web server until it is dropped.
struct Impostor(Arc<AtomicBool>);

impl Impostor {
    /// One that says this, after so long: to a request, if it is an answer to one.
    fn start(lab: &Lab, host: Host, says: &'static str, after: Duration) -> Result<Self> {
        let listener = lab.within(host, || TcpListener::bind(SocketAddr::from(([0; 4], 80))))??;
        listener.set_nonblocking(true)?;
        let end = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&end);
        thread::spawn(move || {
            let mut open = Vec::new();
            while !ends.load(Relaxed) {
                if let Ok((mut stream, _)) = listener.accept() {
                    if says.starts_with("HTTP/") {
                        drop(stream.read(&mut [0; 4096]));
                    }
                    thread::sleep(after);
                    // Who asked may have had enough.
                    drop(stream.write_all(says.as_bytes()));
                    open.push(stream);
                }
                thread::sleep(Duration::from_millis(1));
            }
        });
        Ok(Self(end))
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Refuses, says nothing, answers too late, with an error, or with something else.
#[test]
fn who_does_not_answer_as_it_should_is_out_until_it_does() -> Result<()> {
    let keys = check("http").replace("type", "body = \"rs\", type");
    let (mut lab, lvsd) = start(&keys)?;
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nrs1\n";
    let error = "HTTP/1.1 500 No\r\nContent-Length: 3\r\nConnection: close\r\n\r\nrs1";
    let other = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
    let soon = Duration::ZERO;
    let cases = [
        ("Connection refused", None),
        ("500", Some((error, soon))),
        ("but without", Some((other, soon))),
        ("no answer within", Some((ok, Duration::from_millis(600)))),
        ("no answer within", Some(("", soon))),
        ("did not answer", Some(("SSH-2.0-OpenSSH\r\n", soon))),
    ];
    for (reason, says) in cases {
        lab.signal_web_server(Host::Rs1, Signal::SIGKILL)?;
        let impostor = match says {
            Some((text, after)) => Some(wait_for("the port", SOON, || {
                Impostor::start(&lab, Host::Rs1, text, after).ok()
            })?),
            None => None,
        };
        wait_for_health(&lvsd, ["down", "up", "up"]).context(reason)?;
        let log = lvsd.log();
        let last = log.lines().rfind(|line| line.contains("out of service"));
        assert!(last.is_some_and(|line| line.contains(reason)), "{reason}: {last:?}");
        assert_eq!(who_answers(&lab)?, names(&["rs2", "rs3"]));
        drop(impostor);
        wait_for("the web server", SOON, || lab.restart_web_server(Host::Rs1).ok())?;
        wait_for_health(&lvsd, ["up"; 3])?;
        assert_eq!(who_answers(&lab)?, names(&["rs1", "rs2", "rs3"]));
    }
    Ok(())
}

/// As clients see it: once the time is over that the checks take to find a failure out, not one request
/// fails; and when it is over, the real server is back.
#[test]
fn from_then_on_no_request_fails() -> Result<()> {
    let (mut lab, lvsd) = start(&check("http"))?;
    let fail = || lab.signal_web_server(Host::Rs3, Signal::SIGSTOP);
    fails_in_time(&lvsd, ["up", "up", "down"], fail)?;
    let end = Instant::now() + 5 * IN_TIME;
    while Instant::now() < end {
        assert_eq!(who_answers(&lab)?, names(&["rs1", "rs2"]));
    }
    lab.signal_web_server(Host::Rs3, Signal::SIGCONT)?;
    wait_for_health(&lvsd, ["up"; 3])?;
    assert_eq!(who_answers(&lab)?, names(&["rs1", "rs2", "rs3"]));
    Ok(())
}

/// A real name server and a real mail server, asked through the VIP.
#[test]
fn name_servers_and_mail_servers_are_asked_in_their_own_words() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let name_server = || {
        let arguments = [
            "--keep-in-foreground",
            "--no-daemon",
            "--conf-file=/dev/null",
            "--no-resolv",
            "--no-hosts",
            "--bind-interfaces",
            "--address=/www.lab/192.0.2.7",
        ];
        lab.spawn(lab.command(Host::Rs1, "dnsmasq").args(arguments).stderr(Stdio::null()))
    };
    let mail_server = || {
        let arguments = ["--nosetuid", "--listen", "0.0.0.0:25"];
        lab.spawn(lab.command(Host::Rs2, "aiosmtpd").args(arguments).stderr(Stdio::null()))
    };
    let dns =
        "via = \"vip\", type = \"dns\", name = \"www.lab\", record = \"A\", expect = \"192.0.2.7\"";
    let smtp = "via = \"vip\", type = \"smtp\"";
    let keys = |kind: &str, words: &str| check(kind).replace(&format!("type = \"{kind}\""), words);
    let text = web("")
        + &service(VIP.into(), 53, "udp", &keys("dns", dns), &[(Host::Rs1, 1)])
        + &service(VIP.into(), 25, "tcp", &keys("smtp", smtp), &[(Host::Rs2, 1)]);
    let servers = (name_server()?, mail_server()?);
    let lvsd = lab.start_lvsd(Host::Director, &text)?;
    lvsd.wait_until_up()?;
    drop(servers);
    wait_for("the failures", SOON, || {
        let list = lvsd.services().ok()?;
        let down = |at: usize| list["services"][at]["real_servers"][0]["health"] == "down";
        (down(1) && down(2)).then_some(())
    })?;
    let _servers = (name_server()?, mail_server()?);
    lvsd.wait_until_up()
}

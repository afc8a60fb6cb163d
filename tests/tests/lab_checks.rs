//! What lvsd itself needs for its checks: files, and time.

use std::{
    fmt::Write as _,
    fs,
    net::{SocketAddr, TcpListener},
    process::Command,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use lvs_tests::lab::{Host, Lab, Lvsd, LvsdCommand, Options, VIP, config, wait_for};
use nix::sys::socket::{Backlog, listen};

const SOON: Duration = Duration::from_secs(20);

/// Where the many real servers listen, and how many services they have each.
const PORT: u16 = 9000;
const SERVICES: u16 = 16;
/// The many real servers: 10.78.0.1 and so on. The last 27 are not there.
const REAL_SERVERS: u16 = 250;

/// How many files lvsd may open: the soft limit of that name becomes this.
fn limit_files(lvsd: &Lvsd, files: &str) -> Result<()> {
    let pid = lvsd.pid().to_string();
    let set = format!("--nofile={files}:");
    let output = Command::new("prlimit").args(["--pid", &pid, &set]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// An lvsd that has no socket left to ask with does not take it out on the real servers.
#[test]
fn who_can_not_be_asked_stays_what_he_was() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let keys = "check = { type = \"http\", interval = \"200ms\", timeout = \"200ms\", fall = 2 }";
    let text = config(Host::Director, [1, 1, 1]).replace("scheduler = \"wrr\"", keys);
    let lvsd = lab.start_lvsd(Host::Director, &text)?;
    lvsd.wait_until_up()?;
    limit_files(&lvsd, "3")?;
    wait_for("the complaint", SOON, || {
        lvsd.log().contains("can't ask real servers").then_some(())
    })?;
    // Far more checks than would take them out.
    thread::sleep(Duration::from_secs(3));
    assert!(!lvsd.log().contains("out of service"), "{}", lvsd.log());
    assert_eq!(lvsd.log().matches("can't ask real servers").count(), 1, "{}", lvsd.log());
    assert_eq!(lab.requests(6)?.len(), 6);
    limit_files(&lvsd, "1024")?;
    lvsd.wait_until_up()?;
    assert_eq!(lab.requests(6)?.len(), 6);
    Ok(())
}

/// Its limit of open files is as high as it may be, whatever it was started with.
#[test]
fn it_may_open_as_many_files_as_it_can_have() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let mut command = LvsdCommand::new(Host::Director, &config(Host::Director, [1, 1, 1]))?;
    command.wrapper = ["prlimit", "--nofile=64:5000"].map(str::to_owned).into();
    let lvsd = command.start()?;
    let limits = fs::read_to_string(format!("/proc/{}/limits", lvsd.pid()))?;
    let files = limits.lines().find(|line| line.starts_with("Max open files"));
    let files: Vec<_> = files.into_iter().flat_map(str::split_whitespace).collect();
    assert_eq!(files, ["Max", "open", "files", "5000", "5000", "files"]);
    drop(lab);
    Ok(())
}

/// Two thousand checks in a second.
fn many() -> Result<String> {
    let mut text = "[director]\nname = \"director\"\ninterfaces = [\"eth0\"]\n\
                    max_real_servers = 5000\n[connections]\nsize = 1024\nhalf_open = 1024\n"
        .to_owned();
    for service in 1..=SERVICES {
        write!(
            text,
            "[[virtual_service]]\naddress = \"{VIP}\"\nport = {service}\nprotocol = \"tcp\"\n\
             check = {{ type = \"tcp\", port = {PORT}, interval = \"2s\", timeout = \"1s\" }}\n"
        )?;
        for host in 1..=REAL_SERVERS {
            let address = format!("10.78.0.{host}");
            writeln!(text, "[[virtual_service.real_server]]\naddress = \"{address}\"")?;
        }
    }
    Ok(text)
}

/// So many checks were made, and so many late.
fn checks(lvsd: &Lvsd) -> Result<(u64, u64)> {
    let status = lvsd.status()?;
    let checks = &status["checks"];
    Ok((checks["made"].as_u64().context("none")?, checks["late"].as_u64().context("none")?))
}

/// That 2,000 checks a second begin within 100 ms of their time is what lvsd promises, so this time is
/// asserted: of an lvsd as it runs, with its neighbours, its maps, and a rack of real servers that fails.
#[test]
fn two_thousand_checks_a_second_are_in_time() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    for net in ["10.78.0.0/25", "10.78.0.128/26", "10.78.0.192/27"] {
        lab.run(Host::Client, &["ip", "route", "add", "local", net, "dev", "lo"])?;
    }
    lab.run(Host::Director, &["ip", "route", "add", "10.78.0.0/24", "dev", "eth0"])?;
    let listener =
        lab.within(Host::Client, || TcpListener::bind(SocketAddr::from(([0; 4], PORT))))??;
    listen(&listener, Backlog::new(4096)?)?;
    // It ends with the process of the test.
    thread::spawn(move || listener.incoming().for_each(drop));

    let mut command = LvsdCommand::new(Host::Director, &many()?)?;
    // What else this machine does at the time is not what is measured.
    command.wrapper = ["chrt", "--rr", "1"].map(str::to_owned).into();
    let lvsd = command.start()?;
    let all = u64::from(SERVICES) * u64::from(REAL_SERVERS);
    let turns = |turns: u64| {
        wait_for("the first checks", SOON, || {
            thread::sleep(Duration::from_millis(200));
            checks(&lvsd).is_ok_and(|(made, _)| made > turns * all).then_some(())
        })
    };
    turns(4)?;
    let time = Duration::from_secs(10);
    let (made_before, late_before) = checks(&lvsd)?;
    thread::sleep(time / 2);
    // 512 of them, at once.
    lab.run(Host::Client, &["ip", "route", "del", "local", "10.78.0.192/27", "dev", "lo"])?;
    thread::sleep(time / 2);
    let (made, late) = checks(&lvsd)?;
    let rate = (made - made_before) / time.as_secs();
    assert!(rate >= 2000, "{rate} a second");
    assert_eq!(late - late_before, 0, "{}", lvsd.status()?["checks"]);
    // What it thinks of them is another matter, and may take it longer.
    wait_for("the end of the rack", SOON, || {
        let log = lvsd.log();
        let of_one = log.lines().filter(|line| line.contains("10.78.0.200\""));
        let down = of_one.filter(|line| line.contains("to=down")).count();
        (down >= usize::from(SERVICES)).then_some(())
    })
    .with_context(|| lvsd.log())?;
    Ok(())
}

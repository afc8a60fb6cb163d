//! What lvsd does while it is looked at.

use std::{
    fmt::Write as _,
    net::{SocketAddr, SocketAddrV4, TcpListener},
    thread::{self, sleep},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use lvs_tests::lab::{Host, Lab, Lvsd, LvsdCommand, PairConfig, VIP, WEIGHTS, config, wait_for};
use nix::sys::socket::{Backlog, listen};
use serde_json::Value;

use crate::{
    flows::Flows,
    results::Row,
    usage::{Usage, cpu_s, rss_mib},
};

/// So long each is looked at.
const TIME: Duration = Duration::from_secs(10);
/// What comes first, and is not looked at.
const WARM_UP: Duration = Duration::from_secs(3);

/// Where those that are checked listen, and how many services they have each.
const PORT: u16 = 9000;
const SERVICES: u16 = 16;
/// Real servers that are checked: 10.78.0.1 and so on.
const REAL_SERVERS: u16 = 250;

/// Half-open connections that there is room for, as many as there usually are.
const HALF_OPEN: u32 = 1 << 16;
/// Connections that are swept.
const CONNECTIONS: u32 = 1_000_000;
/// Connections that begin in a second while there is somebody to tell, in so many parts.
const NEW_PER_S: u32 = 5_000;
const PARTS: u32 = 50;
/// So long a standby may take to get to know all connections.
const IN_SYNC: Duration = Duration::from_secs(120);

const SERVICE: SocketAddrV4 = SocketAddrV4::new(VIP, 80);

/// A row of one lvsd.
fn row(name: &'static str, usage: Usage, meanwhile: String) -> Row {
    Row { name, seconds: TIME.as_secs_f64(), usage, meanwhile }
}

/// It has one service with three real servers, and nothing happens.
pub(crate) fn idle(lab: &Lab) -> Result<Vec<Row>> {
    let lvsd = lab.start_lvsd(Host::Director, &config(Host::Director, WEIGHTS))?;
    lvsd.wait_until_up()?;
    sleep(WARM_UP);
    let [usage] = Usage::over([lvsd.pid()], TIME)?;
    end(lab, [(Host::Director, lvsd)])?;
    Ok(vec![row("idle, 1 service, 3 real servers", usage, String::new())])
}

/// It checks real servers, 2,000 times a second.
pub(crate) fn checking(lab: &Lab) -> Result<Vec<Row>> {
    lab.run(Host::Client, &["ip", "route", "add", "local", "10.78.0.0/24", "dev", "lo"])?;
    lab.run(Host::Director, &["ip", "route", "add", "10.78.0.0/24", "dev", "eth0"])?;
    let listener =
        lab.within(Host::Client, || TcpListener::bind(SocketAddr::from(([0; 4], PORT))))??;
    listen(&listener, Backlog::new(4096)?)?;
    // It ends with this process.
    thread::spawn(move || listener.incoming().for_each(drop));

    let lvsd = lab.start_lvsd(Host::Director, &checked())?;
    let all = u64::from(SERVICES) * u64::from(REAL_SERVERS);
    wait_for("the first checks", Duration::from_secs(60), || {
        sleep(Duration::from_millis(500));
        checks(&lvsd).is_ok_and(|(made, _)| made > 4 * all).then_some(())
    })
    .with_context(|| lvsd.log())?;
    let (made_before, late_before) = checks(&lvsd)?;
    let [usage] = Usage::over([lvsd.pid()], TIME)?;
    let (made, late) = checks(&lvsd)?;
    let up = real_servers(&lvsd.services()?).filter(|it| it["health"] == "up").count();
    end(lab, [(Host::Director, lvsd)])?;
    let rate = (made - made_before) as f64 / TIME.as_secs_f64();
    let meanwhile = format!("{rate:.0} checks/s, {} late, {up} are up", late - late_before);
    Ok(vec![row("TCP checks of 4,000 real servers", usage, meanwhile)])
}

fn checked() -> String {
    let mut text = config(Host::Director, WEIGHTS);
    let (head, _) = text.split_once("[[virtual_service]]").unwrap_or((&text, ""));
    text = head.replace("max_real_servers = 15", "max_real_servers = 5000");
    for port in 1..=SERVICES {
        text += &format!(
            "[[virtual_service]]\naddress = \"{VIP}\"\nport = {port}\nprotocol = \"tcp\"\n\
             check = {{ type = \"tcp\", port = {PORT}, interval = \"2s\", timeout = \"1s\" }}\n"
        );
        for host in 1..=REAL_SERVERS {
            // Writing to a string can't fail.
            writeln!(text, "[[virtual_service.real_server]]\naddress = \"10.78.0.{host}\"").ok();
        }
    }
    text
}

/// So many checks were made, and so many late.
fn checks(lvsd: &Lvsd) -> Result<(u64, u64)> {
    let status = lvsd.status()?;
    let checks = &status["checks"];
    Ok((checks["made"].as_u64().context("none")?, checks["late"].as_u64().context("none")?))
}

/// It has a million connections in its tables.
pub(crate) fn sweeping(lab: &Lab) -> Result<Vec<Row>> {
    let text = with_room(&config(Host::Director, WEIGHTS));
    let lvsd = lab.start_lvsd(Host::Director, &text)?;
    lvsd.wait_until_up()?;
    sleep(WARM_UP);
    let [empty] = Usage::over([lvsd.pid()], TIME)?;
    Flows::through(&Host::Director.bpffs(), HALF_OPEN)?.begin(SERVICE, 0, CONNECTIONS)?;
    sleep(WARM_UP);
    let [full] = Usage::over([lvsd.pid()], TIME)?;
    let known = known(&lvsd)?;
    end(lab, [(Host::Director, lvsd)])?;
    Ok(vec![
        row("tables for 1,048,576 connections, empty", empty, String::new()),
        row("the same, full, swept each second", full, known),
    ])
}

/// The tables as large as they usually are, of IPv4.
fn with_room(text: &str) -> String {
    let size = format!("size = {}\nipv6_size = 1024\nipv6_half_open = 1024", 1 << 20);
    assert!(text.contains("\nsize = 1024") && text.contains("\nhalf_open = 1024"), "{text}");
    let text = text.replace("size = 1024", &size);
    text.replace("\nhalf_open = 1024", &format!("\nhalf_open = {HALF_OPEN}"))
}

/// Connections that it counts.
fn connections(lvsd: &Lvsd) -> Result<u64> {
    let list = lvsd.services()?;
    Ok(real_servers(&list).filter_map(|it| it["active_connections"].as_u64()).sum())
}

fn real_servers(list: &Value) -> impl Iterator<Item = &Value> {
    let services = list["services"].as_array().into_iter().flatten();
    services.filter_map(|service| service["real_servers"].as_array()).flatten()
}

/// It has a million connections and tells another of them, that joins.
pub(crate) fn synchronising(lab: &Lab) -> Result<Vec<Row>> {
    let pair = PairConfig { keys: "vrid = 26\n".to_owned(), ..PairConfig::default() };
    // As the pair of the lab has it, but for the size of the tables.
    let text = |host| {
        let text = pair.text(host).replace("size = 65536", "size = 1024");
        with_room(&text.replace("half_open = 16384", "half_open = 1024"))
    };
    let master = lab.start_lvsd(Host::Director, &text(Host::Director))?;
    master.wait_until_up()?;
    wait_for("the master", Duration::from_secs(20), || {
        (master.status().ok()?["failover"]["role"] == "master").then_some(())
    })?;
    let mut flows = Flows::through(&Host::Director.bpffs(), HALF_OPEN)?;
    flows.begin(SERVICE, 0, CONNECTIONS)?;
    sleep(WARM_UP);

    let (start, before) = (Instant::now(), cpu_s(master.pid())?);
    let standby = LvsdCommand::new(Host::Standby, &text(Host::Standby))?.start()?;
    let ready = start.elapsed();
    wait_for("the standby to be in sync", IN_SYNC, || {
        let sync = standby.status().ok()?["failover"]["sync"].clone();
        (sync["follows"]["is_in_sync"] == true).then_some(())
    })
    .with_context(|| standby.log())?;
    let joined = start.elapsed().as_secs_f64();
    let while_joining = |name, pid, before| -> Result<Row> {
        let cpu_percent = 100.0 * (cpu_s(pid)? - before) / joined;
        let usage = Usage { cpu_percent, rss_mib: rss_mib(pid)? };
        let meanwhile = format!("{:.1} s until it is ready", ready.as_secs_f64());
        Ok(Row { name, seconds: joined, usage, meanwhile })
    };
    let mut rows = vec![
        while_joining("master, tells one that starts of all", master.pid(), before)?,
        while_joining("standby, from its start until in sync", standby.pid(), 0.0)?,
    ];
    let both = [master.pid(), standby.pid()];
    sleep(WARM_UP);
    let [one, other] = Usage::over(both, TIME)?;
    rows.push(row("master in sync, swept each second", one, known(&master)?));
    rows.push(row("standby, the same", other, known(&standby)?));

    let begin = thread::spawn(move || -> Result<()> {
        let (start, part) = (Instant::now(), NEW_PER_S / PARTS);
        for number in 0..PARTS * TIME.as_secs() as u32 {
            let due = start + Duration::from_secs(1) * number / PARTS;
            sleep(due.saturating_duration_since(Instant::now()));
            flows.begin(SERVICE, u64::from(CONNECTIONS + number * part), part)?;
        }
        Ok(())
    });
    let usage = Usage::over(both, TIME);
    begin.join().ok().context("what begins connections panicked")??;
    let [one, other] = usage?;
    // Until the last are told, and counted.
    sleep(WARM_UP);
    rows.push(row("master, tells of 5,000 new ones a second", one, known(&master)?));
    rows.push(row("standby, takes them in", other, known(&standby)?));
    end(lab, [(Host::Standby, standby), (Host::Director, master)])?;
    Ok(rows)
}

/// How many connections it counts, in words; nearly all that were begun.
fn known(lvsd: &Lvsd) -> Result<String> {
    let known = connections(lvsd)?;
    ensure!(known >= u64::from(CONNECTIONS) / 1000 * 999, "it counts {known} connections");
    Ok(format!("{known} connections"))
}

/// Ends them, and takes away what they leave.
fn end<const N: usize>(lab: &Lab, all: [(Host, Lvsd); N]) -> Result<()> {
    for (host, lvsd) in all {
        lvsd.stop()?;
        let output = lab.detach_all(host)?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

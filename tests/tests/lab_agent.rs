//! lvsd as a process: what it shows to others while it runs, and what is left when it ends.

use std::{os::unix::fs::FileTypeExt, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use lvs_tests::lab::{Host, Lab, LvsdCommand, Options, URL, WEIGHTS, config, traces, wait_for};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

/// What bpftool says of a pinned map.
fn bpftool(arguments: &[&str], map: &str) -> Result<Value> {
    let (command, key) = arguments.split_first().context("no command given")?;
    let path = Host::Director.bpffs().join(map);
    let output = Command::new("bpftool")
        .args(["-j", "map", command, "pinned"])
        .arg(&path)
        .args(key)
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{}: {said}", path.display());
    serde_json::from_str(&said).with_context(|| format!("bpftool {command} of {map}"))
}

/// Without BTF there are bytes alone, and nothing is formatted.
fn named(entry: &Value) -> Result<&Value> {
    entry.get("formatted").with_context(|| format!("no field has a name: {entry}"))
}

/// The only entry of a pinned map.
fn only(map: &str) -> Result<Value> {
    let entries = bpftool(&["dump"], map)?;
    match entries.as_array().map(Vec::as_slice) {
        Some([entry]) => Ok(named(entry)?.clone()),
        _ => bail!("not one entry in {map}: {entries}"),
    }
}

#[test]
fn bpftool_shows_named_fields() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let lvsd = lab.start_lvsd(Host::Director, &config(Host::Director, WEIGHTS))?;
    lvsd.wait_until_up()?;
    let mut open = lab.connect()?;
    assert_eq!(open.request()?, "rs1");
    let (client, vip) = (json!([10, 77, 0, 2]), json!([10, 77, 0, 100]));

    let service = only("services")?;
    let mapped = json!([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 77, 0, 100]);
    assert_eq!(service["key"]["vip"], mapped, "{service:#}");
    assert_eq!(service["key"]["port"], json!([0, 80]), "{service:#}");
    assert_eq!(service["key"]["protocol"], 6, "{service:#}");
    assert_eq!(service["value"]["n_slots"], 6, "{service:#}");

    let dump = bpftool(&["dump"], "connections")?;
    let bucket = dump.as_array().into_iter().flatten().find_map(|bucket| {
        let bucket = named(bucket).ok()?;
        (bucket["value"]["entries"][0]["state"] != 0).then_some(&bucket["value"])
    });
    let bucket = bucket.context("no connection in the dump")?;
    assert_eq!(bucket["keys"][0]["client"], client, "{bucket:#}");
    assert_eq!(bucket["keys"][0]["vip"], vip, "{bucket:#}");
    let index = bucket["entries"][0]["real_server"].as_u64();
    let index = index.context("index of a real server")?;

    let key = u32::try_from(index)?.to_le_bytes().map(|byte| byte.to_string());
    let key = [&["lookup", "key"][..], &key.each_ref().map(String::as_str)].concat();
    let server = bpftool(&key, "real_servers")?;
    let server = &named(&server)?["value"];
    assert_eq!(server["mac"], json!([2, 0, 10, 77, 0, 11]), "{server:#}");
    assert_eq!(server["source_mac"], json!([2, 0, 10, 77, 0, 3]), "{server:#}");
    assert_eq!(server["weight"], 3, "{server:#}");
    Ok(())
}

#[test]
fn the_table_has_the_promised_shape() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let lvsd = lab.start_lvsd(Host::Director, &config(Host::Director, WEIGHTS))?;
    lvsd.wait_until_up()?;
    let server = |host: Host, weight: u16| {
        json!({
            "address": host.address(), "port": 80,
            "weight": weight, "effective_weight": weight,
            "forwarding": "dr", "health": "up",
            "active_connections": 0, "inactive_connections": 0,
            "connections": 0, "packets_in": 0, "bytes_in": 0,
        })
    };
    let expected = json!({"services": [{
        "protocol": "tcp", "address": "10.77.0.100", "port": 80,
        "scheduler": "wrr", "persistence_timeout_s": null,
        "connections": 0, "packets_in": 0, "bytes_in": 0,
        "real_servers": [server(Host::Rs1, 3), server(Host::Rs2, 2), server(Host::Rs3, 1)],
    }]});
    assert_eq!(lvsd.services()?, expected);
    Ok(())
}

/// An open connection is active at one real server; once closed it is not any more.
#[test]
fn active_connections_are_those_that_are_open() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let lvsd = lab.start_lvsd(Host::Director, &config(Host::Director, WEIGHTS))?;
    lvsd.wait_until_up()?;
    let active = || -> Result<Vec<Value>> {
        let list = lvsd.services()?;
        let servers = list["services"][0]["real_servers"].as_array().context("no servers")?;
        Ok(servers.iter().map(|row| row["active_connections"].clone()).collect())
    };

    let mut open = Vec::new();
    for _ in 0..6 {
        let mut connection = lab.connect()?;
        connection.request()?;
        open.push(connection);
    }
    assert_eq!(active()?, [3, 2, 1]);
    // Each is closed by the client, so the director sees it go.
    drop(open);
    let end = lab.requests(1)?;
    assert_eq!(end, ["rs1"]);
    assert_eq!(active()?, [0, 0, 0]);
    Ok(())
}

#[test]
fn signals_end_it_cleanly() -> Result<()> {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let lab = Lab::up(Options::default())?;
        let lvsd = lab.start_lvsd(Host::Director, &config(Host::Director, WEIGHTS))?;
        lvsd.wait_until_up()?;
        assert_eq!(lab.requests(6)?.len(), 6);
        assert_eq!(traces(Host::Director)?.len(), 3, "XDP, pins and socket: what is looked for");

        let log = lvsd.log();
        let status = lvsd.stop_with(signal)?;
        assert_eq!(status.code(), Some(0), "{signal}: {log}");
        assert_eq!(traces(Host::Director)?.len(), 2, "XDP and pins stay; {signal}: {log}");
        assert_eq!(lab.requests(6)?.len(), 6, "it goes on forwarding");
        assert_eq!(lab.detach_all(Host::Director)?.status.code(), Some(0));
        // The kernel takes a program off an interface when it has the time.
        wait_for("the end", Duration::from_secs(5), || {
            traces(Host::Director).ok()?.is_empty().then_some(())
        })
        .with_context(|| format!("{signal}: {log}"))?;
    }
    Ok(())
}

/// As an administrator's script may do it who has just started it.
#[test]
fn a_hang_up_while_it_starts_does_not_end_it() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let mut lvsd = LvsdCommand::new(Host::Director, &config(Host::Director, WEIGHTS))?.spawn()?;
    // It has its socket long before it is ready.
    wait_for("the socket", Duration::from_secs(10), || lvsd.socket.exists().then_some(()))?;
    lvsd.hang_up()?;
    lvsd.wait_until_ready()?;
    wait_for("the reload", Duration::from_secs(10), || {
        lvsd.log().contains("reloaded the configuration").then_some(())
    })?;
    drop(lab);
    Ok(())
}

/// With a connection to its socket still open, and a client in the middle of a request.
#[test]
fn an_idle_caller_does_not_keep_it_from_ending() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let lvsd = lab.start_lvsd(Host::Director, &config(Host::Director, WEIGHTS))?;
    let _idle = std::os::unix::net::UnixStream::connect(&lvsd.socket)?;
    assert_eq!(lvsd.stop()?.code(), Some(0));
    Ok(())
}

#[test]
fn two_directors_live_side_by_side() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let director = lab.start_lvsd(Host::Director, &config(Host::Director, WEIGHTS))?;
    // Another VIP, or both would answer for the same.
    let other = config(Host::Standby, WEIGHTS).replace("10.77.0.100", "10.77.0.101");
    let standby = lab.start_lvsd(Host::Standby, &other)?;
    director.wait_until_up()?;
    standby.wait_until_up()?;
    assert_eq!(lab.requests(6)?.len(), 6);
    assert_eq!(standby.stop()?.code(), Some(0));
    assert_eq!(lab.detach_all(Host::Standby)?.status.code(), Some(0));
    assert_eq!(traces(Host::Standby)?, [""; 0]);
    assert_eq!(lab.requests(6)?.len(), 6);
    Ok(())
}

#[test]
fn the_socket_is_for_its_owner_and_group() -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let lab = Lab::up(Options::default())?;
    let lvsd = lab.start_lvsd(Host::Director, &config(Host::Director, WEIGHTS))?;
    let file = Path::new(&lvsd.socket).metadata()?;
    assert!(file.file_type().is_socket());
    assert_eq!(file.permissions().mode() & 0o777, 0o660);
    Ok(())
}

/// The XDP program itself says why it drops, if it is asked to, and keeps silent otherwise.
#[test]
fn the_program_speaks_when_asked() -> Result<()> {
    for (arguments, speaks) in [(&["--program-log", "warn"][..], true), (&[], false)] {
        let lab = Lab::up(Options::default())?;
        let text = config(Host::Director, [0, 0, 0]);
        let mut command = LvsdCommand::new(Host::Director, &text)?;
        command.arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let lvsd = command.start()?;
        lvsd.wait_until_up()?;
        // Nobody takes connections, so that this one gets no answer.
        let curl = ["curl", "--silent", "--max-time", "1", URL];
        assert!(!lab.exec(Host::Client, &curl)?.status.success());
        wait_for("a dropped packet", Duration::from_secs(5), || {
            let status = lab.lvsctl(&["status", "--json"]).ok()?;
            let status: Value = serde_json::from_slice(&status.stdout).ok()?;
            let fates = status["fates"].as_array()?;
            let fate = fates.iter().find(|fate| fate["name"] == "dropped_no_real_server")?;
            (fate["packets"].as_u64()? > 0).then_some(())
        })?;
        if speaks {
            wait_for("a word of the program", Duration::from_secs(5), || {
                lvsd.log().contains("dropping packets").then_some(())
            })
            .with_context(|| lvsd.log())?;
        } else {
            assert!(!lvsd.log().contains("dropping packets"), "{}", lvsd.log());
        }
    }
    Ok(())
}

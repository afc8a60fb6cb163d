//! What directors tell each other of connections: all of them when one joins, then what is new, and again
//! what one has missed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use lvs_tests::lab::{Connection, Host, Lab, Options, Pair, PairConfig, VIP, VIP_V6, wait_for};
use nix::sys::signal::Signal;
use serde_json::Value;

const SOON: Duration = Duration::from_secs(20);

/// The connections that the director of a host knows, by client and VIP: the real server and the state.
fn known(pair: &mut Pair, host: Host) -> Result<BTreeMap<(String, String), (String, String)>> {
    let output = pair.of(host)?.lvsctl(&["connections", "--json"])?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout)?;
    let word = |it: &Value, key: &str| it[key].to_string();
    let connections = answer["connections"].as_array().context("connections")?;
    Ok(connections
        .iter()
        .map(|it| {
            let ends = (word(it, "client"), word(it, "virtual_address"));
            (ends, (word(it, "real_server"), word(it, "state")))
        })
        .collect())
}

/// Waits until both know the same.
fn wait_until_same(pair: &mut Pair) -> Result<usize> {
    let mut last = Default::default();
    let same = wait_for("the same connections on both", SOON, || {
        let [ours, theirs] =
            [Host::Director, Host::Standby].map(|host| known(pair, host).unwrap_or_default());
        let is_same = !ours.is_empty() && ours == theirs;
        let count = ours.len();
        last = (ours, theirs);
        is_same.then_some(count)
    });
    same.with_context(|| format!("{last:#?}\n{}", pair.story()))
}

fn sync_of(pair: &Pair, host: Host) -> Result<Value> {
    Ok(pair.failover(host)?["sync"].clone())
}

fn wait_until_in_sync(pair: &Pair) -> Result<()> {
    pair.wait_until_in_sync(Host::Standby)
}

/// Connections of both families, in use.
fn open(lab: &Lab, count: usize) -> Result<Vec<(Connection, String)>> {
    let mut connections = Vec::new();
    for n in 0..count {
        let mut connection =
            if n % 2 == 0 { lab.connect_to(VIP)? } else { lab.connect_to(VIP_V6)? };
        let server = connection.request()?;
        connections.push((connection, server));
    }
    Ok(connections)
}

#[test]
fn who_joins_is_told_of_all_and_then_of_each() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let mut pair = lab.start_pair(PairConfig::default())?;
    pair.take(Host::Standby)?.kill()?;
    lab.detach_all(Host::Standby)?;
    let mut connections = open(&lab, 40)?;
    pair.start(Host::Standby)?;
    wait_until_in_sync(&pair)?;
    assert!(wait_until_same(&mut pair)? >= 40);

    // New ones, ends, and a datagram or two.
    connections.extend(open(&lab, 40)?);
    assert!(wait_until_same(&mut pair)? >= 80);
    drop(connections.drain(..20));
    wait_until_same(&mut pair)?;
    let states: BTreeSet<_> =
        known(&mut pair, Host::Standby)?.into_values().map(|(_, state)| state).collect();
    assert!(states.contains("\"FIN_WAIT\"") && states.contains("\"ESTABLISHED\""), "{states:?}");

    let (director, standby) = (sync_of(&pair, Host::Director)?, sync_of(&pair, Host::Standby)?);
    assert_eq!(director["followers"][0]["director"]["name"], "standby", "{director}");
    assert_eq!(director["followers"][0]["director"]["is_in_sync"], true, "{director}");
    assert_eq!(standby["follows"]["director"]["name"], "director", "{standby}");
    assert_eq!(standby["follows"]["director"]["has_other_tables"], false, "{standby}");
    for counter in ["unknown", "no_room", "resyncs", "floods"] {
        assert_eq!(standby[counter], 0, "{counter}: {standby}");
    }
    // And they go on where they were.
    pair.take(Host::Director)?.kill()?;
    pair.wait_for(Host::Standby, "master")?;
    for (connection, server) in &mut connections {
        assert_eq!(connection.request()?, *server);
    }
    Ok(())
}

/// A follower that reads nothing is in nobody's way, and is told later what it has missed.
#[test]
fn who_was_asleep_catches_up() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    // Little is kept for who sleeps: it wakes up in the middle of a story.
    lab.run(Host::Standby, &["sysctl", "-qw", "net.ipv4.tcp_rmem=4096 16384 16384"])?;
    let mut pair = lab.start_pair(PairConfig::default())?;
    wait_until_in_sync(&pair)?;
    pair.of(Host::Standby)?.signal(Signal::SIGSTOP)?;
    let connections = open(&lab, 20)?;
    // Far more than it could be told of in its sleep without somebody waiting for it.
    for _ in 0..10 {
        assert_eq!(lab.requests(100)?.len(), 100);
    }
    // Until it is given up.
    wait_for("the end of patience", SOON, || {
        let followers = sync_of(&pair, Host::Director).ok()?["followers"].clone();
        followers.as_array()?.is_empty().then_some(())
    })?;
    pair.of(Host::Standby)?.signal(Signal::SIGCONT)?;
    pair.wait_until_settled(Host::Director)?;
    assert!(wait_until_same(&mut pair)? >= 1000);
    drop(connections);
    Ok(())
}

/// A client stays with its real server, whoever is master.
#[test]
fn clients_stay_where_they_are() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let mut pair = lab.start_pair(PairConfig::default())?;
    wait_until_in_sync(&pair)?;
    for host in [Host::Director, Host::Standby] {
        for vip in ["10.77.0.100:80", "[fd77::100]:80"] {
            let edit = ["service", "edit", "tcp", vip, "--set", "persistence_timeout=\"5m\""];
            let output = pair.of(host)?.lvsctl(&edit)?;
            ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
    let urls = ["http://10.77.0.100/", "http://[fd77::100]/"];
    let ask = |url: &str| lab.curl(&[url]);
    let before = urls.map(|url| ask(url).unwrap_or_default());
    ensure!(before.iter().all(|it| !it.is_empty()), "no answer");
    pair.take(Host::Director)?.kill()?;
    pair.wait_for(Host::Standby, "master")?;
    // By chance it would be there once in six times for each family.
    for _ in 0..6 {
        assert_eq!(urls.map(|url| ask(url).unwrap_or_default()), before);
    }
    Ok(())
}

/// Who comes back and can't be told of the connections does not take the role, unless that is forced.
#[test]
fn who_does_not_know_all_does_not_take_the_role_back() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let mut pair = lab.start_pair(PairConfig::default())?;
    pair.take(Host::Director)?.kill()?;
    pair.wait_for(Host::Standby, "master")?;
    // There nobody listens.
    pair.reconfigure(PairConfig::with("sync_port = 8849"));
    pair.start(Host::Director)?;
    wait_for("a refused connection", SOON, || {
        let follows = sync_of(&pair, Host::Director).ok()?["follows"].clone();
        let error = follows["error"].as_str()?.to_owned();
        (error.contains("refused") && follows["is_in_sync"] == false).then_some(())
    })
    .with_context(|| pair.story())?;
    // Longer than anything else would keep it from it.
    std::thread::sleep(Duration::from_secs(3));
    assert!(pair.is(Host::Director, "backup") && pair.is(Host::Standby, "master"));
    let take = ["failover", "--to", "director"];
    let output = pair.of(Host::Director)?.lvsctl(&take)?;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && error.contains("--force"), "{error}");
    let output = pair.of(Host::Director)?.lvsctl(&[&take[..], &["--force"]].concat())?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    pair.wait_for(Host::Director, "master")?;
    pair.wait_for(Host::Standby, "backup")
}

/// A reload whose keys can't be read changes nothing.
#[test]
fn keys_that_can_not_be_read_are_refused() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let file = "/run/lvs/lab/both.keys";
    fs::write(file, "1 000102030405060708090a0b0c0d0e0f\n")?;
    let mut pair = lab.start_pair(PairConfig::with(&format!("key_file = \"{file}\"")))?;
    fs::write(file, "no key\n")?;
    let output = pair.of(Host::Director)?.lvsctl(&["reload"])?;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && error.contains("key_file"), "{error}");
    std::thread::sleep(Duration::from_secs(1));
    assert!(pair.is(Host::Director, "master") && pair.is(Host::Standby, "backup"));
    Ok(())
}

/// Keys are changed step by step, and nobody notices.
#[test]
fn keys_are_needed_and_can_be_changed() -> Result<()> {
    const OLD: &str = "1 000102030405060708090a0b0c0d0e0f\n";
    const NEW: &str = "2 f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff\n";
    let lab = Lab::up(Options::default())?;
    let file = |host: Host| format!("/run/lvs/lab/{host}.keys");
    for host in [Host::Director, Host::Standby] {
        fs::write(file(host), OLD)?;
    }
    let config = PairConfig::with("key_file = \"/run/lvs/lab/{host}.keys\"");
    let mut pair = lab.start_pair(config)?;
    wait_until_in_sync(&pair)?;
    let takeovers = |pair: &Pair| -> Result<[Value; 2]> {
        let count = |host| pair.failover(host).map(|it| it["takeovers"].clone());
        Ok([count(Host::Director)?, count(Host::Standby)?])
    };
    let before = takeovers(&pair)?;
    let both = format!("{OLD}{NEW}");
    let swapped = format!("{NEW}{OLD}");
    for step in [&both, &swapped, NEW] {
        for host in [Host::Standby, Host::Director] {
            fs::write(file(host), step)?;
            pair.of(host)?.hang_up()?;
            wait_until_in_sync(&pair)?;
        }
    }
    let connections = open(&lab, 4)?;
    wait_until_same(&mut pair)?;
    assert_eq!(takeovers(&pair)?, before, "{}", pair.story());
    drop(connections);
    Ok(())
}

/// Different services are a different standby: both say so.
#[test]
fn other_services_are_told_of() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let mut pair = lab.start_pair(PairConfig::default())?;
    wait_until_in_sync(&pair)?;
    let weight = ["server", "edit", "tcp", "10.77.0.100:80", "10.77.0.11", "--weight", "7"];
    let output = pair.of(Host::Director)?.lvsctl(&weight)?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for (host, path) in [
        (Host::Director, "/followers/0/director/has_other_tables"),
        (Host::Standby, "/follows/director/has_other_tables"),
    ] {
        wait_for("a warning", SOON, || {
            let sync = sync_of(&pair, host).ok()?;
            (sync.pointer(path) == Some(&Value::Bool(true))).then_some(())
        })?;
        wait_for("a line in the log", SOON, || {
            let log = pair.of(host).ok()?.log();
            log.contains("its virtual services are not those of this director").then_some(())
        })
        .with_context(|| pair.story())?;
    }
    Ok(())
}

//! What `lvsctl why` says is what packets on the wires then do.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use lvs_tests::lab::{
    Host, Lab, Lvsd, Options, VIP, VIP_V6, WEIGHTS, config, config_of_both, service, wait_for,
};
use serde_json::{Value, json};

fn lab(config: &str) -> Result<(Lab, Lvsd)> {
    let lab = Lab::up(Options::default())?;
    let lvsd = lab.start_lvsd(Host::Director, config)?;
    lvsd.wait_until_up()?;
    Ok((lab, lvsd))
}

/// What is said of a packet; the exit status is 0 if it would be forwarded, else 1.
fn why(lab: &Lab, client: SocketAddr, to: SocketAddr, more: &[&str]) -> Result<Value> {
    let (client, to) = (client.to_string(), to.to_string());
    let arguments = [&["why", "tcp", &client, &to, "--json"], more].concat();
    let output = lab.lvsctl(&arguments)?;
    let said = || String::from_utf8_lossy(&output.stderr).into_owned();
    let why: Value = serde_json::from_slice(&output.stdout).with_context(said)?;
    let expected = if why["forwarded"] == true { 0 } else { 1 };
    ensure!(output.status.code() == Some(expected), "{why:#}: {}", output.status);
    Ok(why)
}

/// The address of the client, with a port.
fn client(port: u16) -> SocketAddr {
    SocketAddr::new(Host::Client.address().into(), port)
}

fn web() -> SocketAddr {
    SocketAddr::new(VIP.into(), 80)
}

/// Who answers a request from this port of the client.
fn answers(lab: &Lab, from: u16, to: IpAddr) -> Result<String> {
    let url = format!("http://{}/", SocketAddr::new(to, 80));
    let body = lab.curl(&["--local-port", &from.to_string(), &url])?;
    Ok(body.trim().to_owned())
}

/// The name of the real server that a packet would go to.
fn name(why: &Value) -> Result<&str> {
    let address = why["real_server"]["address"].as_str().context("no real server")?;
    let it = Host::REAL_SERVERS.into_iter().find(|host| {
        [host.address().to_string(), host.address_v6().to_string()].contains(&address.to_owned())
    });
    it.map(Host::name).with_context(|| format!("who is {address}?"))
}

/// How many connections each service has begun, once the last packet of those has come.
fn begun(lvsd: &Lvsd) -> Result<Vec<Value>> {
    wait_for("the end of all connections", Duration::from_secs(5), || {
        let list = lvsd.services().ok()?;
        let services = list["services"].as_array()?;
        let mut servers = services.iter().flat_map(|it| it["real_servers"].as_array()).flatten();
        let has_ended = servers.all(|it| it["active_connections"] == 0);
        has_ended.then(|| services.iter().map(|it| it["connections"].clone()).collect())
    })
}

fn set(lab: &Lab, line: &str) -> Result<()> {
    let output = lab.lvsctl(&line.split_whitespace().collect::<Vec<_>>())?;
    ensure!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[test]
fn it_says_where_a_request_then_goes() -> Result<()> {
    let (lab, lvsd) = lab(&config_of_both(Host::Director))?;
    let mut ports = 40_000..;
    for scheduler in ["wrr", "rr", "wlc", "lc", "sed", "nq", "sh", "mh", "dh"] {
        for (vip, from) in [
            (IpAddr::from(VIP), IpAddr::from(Host::Client.address())),
            (VIP_V6.into(), Host::Client.address_v6().into()),
        ] {
            let vip = SocketAddr::new(vip, 80);
            set(&lab, &format!("service edit tcp {vip} --scheduler {scheduler}"))?;
            for port in ports.by_ref().take(6) {
                let packet = SocketAddr::new(from, port);
                let before = begun(&lvsd)?;
                let said = why(&lab, packet, vip, &[])?;
                assert_eq!(why(&lab, packet, vip, &[])?, said, "asked again");
                assert_eq!(begun(&lvsd)?, before, "a question is no connection: {said:#}");
                assert_eq!(said["reason"], "scheduler", "{said:#}");
                assert_eq!(said["scheduler"], scheduler, "{said:#}");
                assert_eq!(said["connection"], Value::Null, "{said:#}");
                assert_eq!(answers(&lab, port, vip.ip())?, name(&said)?, "{said:#}");
            }
        }
    }
    Ok(())
}

#[test]
fn a_client_that_stays_is_known() -> Result<()> {
    let (lab, _lvsd) = lab(&config(Host::Director, [1, 1, 1]))?;
    set(&lab, &format!("service edit tcp {} --persistence-timeout 5m", web()))?;
    let first = why(&lab, client(41_000), web(), &[])?;
    assert_eq!(first["reason"], "scheduler", "{first:#}");
    assert_eq!(answers(&lab, 41_000, VIP.into())?, name(&first)?);
    for port in 41_001..41_004 {
        let said = why(&lab, client(port), web(), &[])?;
        assert_eq!(said["reason"], "persistence", "{said:#}");
        assert_eq!(name(&said)?, name(&first)?, "{said:#}");
        assert_eq!(answers(&lab, port, VIP.into())?, name(&said)?, "{said:#}");
    }
    Ok(())
}

/// A connection goes on where it is, even if its real server gets no new ones.
#[test]
fn a_connection_is_known() -> Result<()> {
    let (lab, lvsd) = lab(&config(Host::Director, [1, 1, 1]))?;
    let mut open = lab.connect()?;
    let server = open.request()?;
    let said = why(&lab, open.local_address()?, web(), &[])?;
    assert_eq!((said["reason"].as_str(), name(&said)?), (Some("connection"), &*server), "{said:#}");
    assert_eq!(said["connection"]["state"], "ESTABLISHED", "{said:#}");
    let left = said["connection"]["expires_in_s"].as_u64().context("a time")?;
    assert!((800..=1000).contains(&left), "{said:#}");
    assert_eq!(said["unavailable"], json!([]), "{said:#}");

    let host = Host::REAL_SERVERS.into_iter().find(|it| it.name() == server).context("who?")?;
    for (line, reason) in [
        (format!("server edit tcp {} {} --weight 0", web(), host.address()), "its weight is 0"),
        (format!("server drain tcp {} {}", web(), host.address()), "drained"),
    ] {
        set(&lab, &line)?;
        let said = why(&lab, open.local_address()?, web(), &["--flag", "ack"])?;
        assert_eq!((said["reason"].as_str(), name(&said)?), (Some("connection"), &*server));
        assert_eq!(said["unavailable"][0]["address"], host.address().to_string(), "{said:#}");
        let its_reason = said["unavailable"][0]["why"].as_str().context("no reason")?;
        assert!(its_reason.contains(reason), "{line}: {said:#}");
        let new = why(&lab, client(42_000), web(), &[])?;
        assert_eq!(new["reason"], "scheduler", "{new:#}");
        assert_ne!(name(&new)?, server, "{new:#}");
    }
    assert_eq!(open.request()?, server);
    assert_eq!(lvsd.services()?["services"][0]["connections"], 1, "questions are not connections");
    Ok(())
}

#[test]
fn what_is_not_forwarded_has_a_reason() -> Result<()> {
    let sorry = format!("scheduler = \"rr\"\nsorry_server = \"{}\"", Host::Rs3.address());
    let text = config(Host::Director, [0, 0, 0])
        + &service("10.77.0.101".parse()?, 80, "tcp", &sorry, &[(Host::Rs1, 0)]);
    let (lab, lvsd) = lab(&text)?;

    let said = why(&lab, client(43_000), web(), &[])?;
    assert_eq!(said["fate"]["name"], "dropped_no_real_server", "{said:#}");
    assert_eq!(said["unavailable"].as_array().map(Vec::len), Some(3), "{said:#}");
    let said = why(&lab, client(43_000), "10.77.0.101:80".parse()?, &[])?;
    assert_eq!((said["reason"].as_str(), name(&said)?), (Some("sorry_server"), "rs3"), "{said:#}");
    for (other, fate) in
        [("10.77.0.100:81", "passed_no_service"), ("10.77.0.3:80", "passed_no_vip")]
    {
        let said = why(&lab, client(43_000), other.parse()?, &[])?;
        assert_eq!(said["fate"]["name"], fate, "{said:#}");
        assert_eq!(said["service"], Value::Null, "{said:#}");
    }
    assert_eq!(lvsd.fate("dropped_no_real_server")?, 0, "nothing was dropped");

    // For people.
    let text = lab.lvsctl(&["why", "tcp", "10.77.0.2:43000", "10.77.0.101:80"])?;
    assert_eq!(
        String::from_utf8(text.stdout)?,
        "tcp 10.77.0.2:43000 -> 10.77.0.101:80\n\
         would go to 10.77.0.13 (02:00:0a:4d:00:0d, eth0): a new connection, \
         and no real server takes any: this is the sorry server\n\
         not to 10.77.0.11: its weight is 0\n"
    );
    let mixed = lab.lvsctl(&["why", "tcp", "10.77.0.2:43000", "[fd77::100]:80"])?;
    assert_eq!(mixed.status.code(), Some(2));
    assert_eq!(
        String::from_utf8(mixed.stderr)?,
        "lvsctl: 10.77.0.2:43000 and [fd77::100]:80: one is IPv4 and the other IPv6\n"
    );
    Ok(())
}

/// TCP that opens no connection and is of none is reset by who it goes to.
#[test]
fn a_stray_packet_is_told_from_a_new_connection() -> Result<()> {
    let (lab, _lvsd) = lab(&config(Host::Director, WEIGHTS))?;
    let said = why(&lab, client(44_000), web(), &["--flag", "ack"])?;
    assert_eq!((said["reason"].as_str(), &said["forwarded"]), (Some("stray"), &json!(true)));
    let said = why(&lab, client(44_000), web(), &["--flag", "syn"])?;
    assert_eq!(said["reason"], "scheduler", "{said:#}");
    Ok(())
}

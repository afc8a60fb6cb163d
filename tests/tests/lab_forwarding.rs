//! Real HTTP from the client, through the XDP program on the director, to the web servers.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use lvs_tests::lab::{Host, Lab, Lvsd, LvsdCommand, Options, VIP, config, service, wait_for};
use serde_json::Value;

fn lab(weights: [u16; 3]) -> Result<(Lab, Lvsd)> {
    let lab = Lab::up(Options::default())?;
    let lvsd = lab.start_lvsd(Host::Director, &config(Host::Director, weights))?;
    lvsd.wait_until_up()?;
    Ok((lab, lvsd))
}

fn count(answers: &[String]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for answer in answers {
        *counts.entry(answer.as_str()).or_default() += 1;
    }
    counts
}

#[test]
fn requests_are_shared_by_weight_exactly() -> Result<()> {
    for (weights, n) in [([3, 2, 1], 60), ([1, 1, 1], 30), ([5, 0, 1], 24)] {
        let (lab, lvsd) = lab(weights)?;
        let answers = lab.requests(n)?;
        let sum = weights.iter().map(|&weight| usize::from(weight)).sum();
        // Any run of as many connections as the weights add up to gives each server its weight.
        for turn in answers.windows(sum) {
            for (server, weight) in Host::REAL_SERVERS.into_iter().zip(weights) {
                let n = count(turn).get(server.name()).copied().unwrap_or_default();
                assert_eq!(n, usize::from(weight), "{server} of {weights:?} in {answers:?}");
            }
        }
        assert_eq!(answers.len(), n);

        let list = lvsd.services()?;
        let service = &list["services"][0];
        assert_eq!(service["connections"], n, "{list:#}");
        for (server, weight) in Host::REAL_SERVERS.into_iter().zip(weights) {
            let expected = n * usize::from(weight) / sum;
            let row = real_server(service, server)?;
            assert_eq!(row["connections"], expected, "{list:#}");
            assert_eq!(row["weight"], weight, "{list:#}");
        }
    }
    Ok(())
}

fn real_server(service: &Value, host: Host) -> Result<&Value> {
    service["real_servers"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|row| row["address"] == host.address().to_string())
        .with_context(|| format!("no {host} in {service:#}"))
}

#[test]
fn a_connection_stays_while_weights_change() -> Result<()> {
    let (lab, mut lvsd) = lab([1, 1, 1])?;
    let mut connections = Vec::new();
    for _ in 0..6 {
        let mut connection = lab.connect()?;
        let server = connection.request()?;
        connections.push((connection, server));
    }
    for weights in [[9, 0, 1], [0, 0, 5], [2, 3, 4]] {
        lvsd.reload(Host::Director, weights)?;
        for (connection, server) in &mut connections {
            assert_eq!(connection.request()?, *server, "after {weights:?}");
        }
    }
    lvsd.reload(Host::Director, [0, 0, 5])?;
    assert_eq!(count(&lab.requests(5)?), BTreeMap::from([("rs3", 5)]), "new ones go by them");
    Ok(())
}

#[test]
fn a_bad_configuration_changes_nothing() -> Result<()> {
    let (lab, mut lvsd) = lab([3, 2, 1])?;
    let before = lvsd.services()?;
    LvsdCommand::new(Host::Director, "nonsense")?;
    lvsd.hang_up()?;
    wait_for("a word about it", Duration::from_secs(5), || {
        lvsd.log().contains("the configuration stays as it was").then_some(())
    })?;
    assert_eq!(lvsd.services()?, before);
    assert_eq!(lab.requests(6)?.len(), 6);
    Ok(())
}

/// The maps are smaller than the file says: they were made for an earlier one.
#[test]
fn a_configuration_that_has_no_room_changes_nothing() -> Result<()> {
    let text = config(Host::Director, [1, 1, 1]);
    let few = text.replace("max_real_servers = 15", "max_real_servers = 4");
    let lab = Lab::up(Options::default())?;
    lab.start_lvsd(Host::Director, &few)?.kill()?;
    let mut lvsd = lab.start_lvsd(Host::Director, &text)?;
    lvsd.wait_until_up()?;
    let more = service(VIP.into(), 81, "tcp", "", &[(Host::Rs1, 1), (Host::Rs2, 1)]);
    LvsdCommand::new(Host::Director, &format!("{text}{more}"))?;
    for arguments in [&["reload", "--dry-run"][..], &["reload"]] {
        let refused = lab.lvsctl(arguments)?;
        let error = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success(), "{arguments:?}");
        assert!(error.contains("does not fit into the maps: tcp 10.77.0.100:81"), "{error}");
        assert_eq!(lvsd.services()?["services"].as_array().map(Vec::len), Some(1));
    }
    // What comes next is followed.
    lvsd.reload(Host::Director, [0, 0, 5])?;
    assert_eq!(count(&lab.requests(5)?), BTreeMap::from([("rs3", 5)]));
    Ok(())
}

/// What `lvsctl` counts is what went over the wire.
#[test]
fn packets_and_bytes_are_those_on_the_wire() -> Result<()> {
    let (lab, lvsd) = lab([3, 2, 1])?;
    let capture = lab.capture(Host::Director)?;
    lab.requests(12)?;
    let frames = capture.stop(&lab)?;

    let sent: Vec<_> = frames.iter().filter(|frame| to_vip(frame, &Host::Director.mac())).collect();
    let bytes: u64 = sent.iter().map(|frame| ip_length(frame)).sum::<Result<u64>>()?;
    let list = lvsd.services()?;
    let service = &list["services"][0];
    assert!(sent.len() >= 12 * 5, "{frames:#?}");
    assert_eq!(service["packets_in"], sent.len(), "{list:#} {frames:#?}");
    assert_eq!(service["bytes_in"], bytes, "{list:#} {frames:#?}");
    for sum in ["packets_in", "bytes_in", "connections"] {
        let servers = service["real_servers"].as_array().into_iter().flatten();
        let servers: u64 = servers.filter_map(|row| row[sum].as_u64()).sum();
        assert_eq!(service[sum], servers, "{sum} in {list:#}");
    }
    Ok(())
}

/// A frame for the virtual service, sent to this MAC.
fn to_vip(frame: &str, mac: &str) -> bool {
    frame.contains(&format!("> {mac}, ")) && frame.contains("> 10.77.0.100.80: ")
}

/// tcpdump gives the length of the frame; its Ethernet header is not counted.
fn ip_length(frame: &str) -> Result<u64> {
    let (_, length) = frame.split_once(", length ").context("a frame without length")?;
    let (length, _) = length.split_once(':').context("a frame without contents")?;
    Ok(length.parse::<u64>()? - 14)
}

#[test]
fn a_connection_stays_while_others_are_balanced() -> Result<()> {
    let (lab, _lvsd) = lab([3, 2, 1])?;
    let mut kept = Vec::new();
    for _ in 0..6 {
        let mut connection = lab.connect()?;
        kept.push((connection.request()?, connection));
    }
    for _ in 0..5 {
        assert_eq!(count(&lab.requests(6)?), BTreeMap::from([("rs1", 3), ("rs2", 2), ("rs3", 1)]));
        for (server, connection) in &mut kept {
            assert_eq!(connection.request()?, *server);
        }
    }
    let first: Vec<_> = kept.into_iter().map(|(server, _)| server).collect();
    assert_eq!(count(&first), BTreeMap::from([("rs1", 3), ("rs2", 2), ("rs3", 1)]));
    Ok(())
}

#[test]
fn replies_do_not_pass_the_director() -> Result<()> {
    let (lab, _lvsd) = lab([3, 2, 1])?;
    let at_director = lab.capture(Host::Director)?;
    let at_client = lab.capture(Host::Client)?;
    lab.requests(6)?;
    let client = at_client.stop(&lab)?;
    let director = at_director.stop(&lab)?;

    let from_vip =
        |frames: &[String]| frames.iter().filter(|f| f.contains(" 10.77.0.100.80 > ")).count();
    assert!(from_vip(&client) >= 6 * 3, "{client:#?}");
    assert_eq!(from_vip(&director), 0, "{director:#?}");

    // All that comes in goes out again, once, from the director's MAC to a real server's.
    let received = director.iter().filter(|frame| to_vip(frame, &Host::Director.mac())).count();
    let sent: Vec<usize> = Host::REAL_SERVERS
        .map(|server| {
            let from = format!(" {} > ", Host::Director.mac());
            director.iter().filter(|f| to_vip(f, &server.mac()) && f.contains(&from)).count()
        })
        .into();
    assert!(sent.iter().all(|&n| n > 0), "{sent:?} {director:#?}");
    assert_eq!(sent.iter().sum::<usize>(), received, "{director:#?}");
    Ok(())
}

#[test]
fn what_is_not_ours_is_untouched() -> Result<()> {
    let (lab, lvsd) = lab([3, 2, 1])?;
    let director = Host::Director.address().to_string();
    lab.run(Host::Client, &["ping", "-c", "3", "-i", "0.01", "-W", "2", &director])?;
    lab.run(
        Host::Client,
        &["ping", "-c", "3", "-i", "0.01", "-W", "2", &Host::Director.address_v6().to_string()],
    )?;
    lab.run(Host::Director, &["curl", "-sf", "-m", "2", "http://10.77.0.11/"])?;

    // Port 80 too: the service's port, but not the VIP.
    for port in [8080, 80] {
        let address = SocketAddr::from((Host::Director.address(), port));
        a_megabyte_comes_back(&lab, Host::Director, address)?;
    }

    // The service's port, but another protocol.
    let address = SocketAddr::from((Host::Director.address(), 80));
    let server = lab.within(Host::Director, || UdpSocket::bind(address))??;
    let client = lab.within(Host::Client, || UdpSocket::bind("10.77.0.2:0"))??;
    server.set_read_timeout(Some(Duration::from_secs(2)))?;
    client.send_to(b"as it was", address)?;
    let mut buffer = [0; 100];
    let (n, from) = server.recv_from(&mut buffer)?;
    assert_eq!((&buffer[..n], from), (&b"as it was"[..], client.local_addr()?));

    let list = lvsd.services()?;
    assert_eq!(list["services"][0]["packets_in"], 0, "{list:#}");
    Ok(())
}

#[test]
fn what_is_ours_arrives_as_it_was_sent() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let text = config(Host::Director, [1, 0, 0]).replace("port = 80", "port = 8080");
    let lvsd = lab.start_lvsd(Host::Director, &text)?;
    lvsd.wait_until_up()?;
    a_megabyte_comes_back(&lab, Host::Rs1, SocketAddr::from((VIP, 8080)))?;
    let list = lvsd.services()?;
    assert!(list["services"][0]["bytes_in"].as_u64() > Some(1_000_000), "{list:#}");
    Ok(())
}

/// Sends a megabyte from the client to an echo server at `address` of `server`.
fn a_megabyte_comes_back(lab: &Lab, server: Host, address: SocketAddr) -> Result<()> {
    let listener = lab.within(server, || TcpListener::bind(address))??;
    let echo = thread::spawn(move || -> Result<()> {
        let (mut stream, _) = listener.accept()?;
        let mut received = Vec::new();
        stream.read_to_end(&mut received)?;
        Ok(stream.write_all(&received)?)
    });

    let sent: Vec<u8> = (0..1_000_000_u32).map(|i| (i % 251) as u8).collect();
    let limit = Duration::from_secs(5);
    let mut stream = lab.within(Host::Client, || TcpStream::connect_timeout(&address, limit))??;
    stream.set_read_timeout(Some(limit))?;
    stream.write_all(&sent)?;
    stream.shutdown(Shutdown::Write)?;
    let mut received = Vec::new();
    stream.read_to_end(&mut received)?;
    assert!(received == sent, "{} bytes came back from {address}", received.len());
    echo.join().map_err(|_| anyhow!("the echo server panicked"))?
}

/// On the director's network, and behind no router that it knows of.
#[test]
fn a_real_server_that_cannot_be_reached_is_left_out() -> Result<()> {
    for nobody in ["10.77.0.99", "192.0.2.1"] {
        let lab = Lab::up(Options::default())?;
        let text = config(Host::Director, [3, 2, 1]).replace("10.77.0.12", nobody);
        let lvsd = lab.start_lvsd(Host::Director, &text)?;
        let list = wait_for("the others", Duration::from_secs(5), || {
            let list = lvsd.services().ok()?;
            let servers = list["services"][0]["real_servers"].as_array()?;
            let up = servers.iter().filter(|row| row["health"] == "up").count();
            (up == 2).then_some(list)
        })?;
        let servers = &list["services"][0]["real_servers"];
        assert_eq!(servers[1]["health"], "down", "{servers:#}");
        assert_eq!(servers[1]["effective_weight"], 0, "{servers:#}");
        assert_eq!(count(&lab.requests(8)?), BTreeMap::from([("rs1", 6), ("rs3", 2)]));
    }
    Ok(())
}

#[test]
fn a_real_server_with_another_mac_is_reached_again() -> Result<()> {
    let (lab, _lvsd) = lab([1, 0, 0])?;
    let mut open = lab.connect()?;
    assert_eq!(open.request()?, "rs1");
    assert_eq!(lab.requests(3)?, ["rs1"; 3]);

    // Nothing tells the director: no gratuitous ARP, and rs1 itself has no reason to speak.
    lab.run(Host::Rs1, &["ip", "link", "set", "eth0", "address", "02:00:0a:4d:ff:0b"])?;
    let changed = Instant::now();
    wait_for("an answer from the new MAC", Duration::from_secs(2), || {
        lab.curl(&["--max-time", "0.2", "http://10.77.0.100/"]).ok()
    })?;
    assert!(changed.elapsed() <= Duration::from_secs(2), "{:?}", changed.elapsed());
    assert_eq!(open.request()?, "rs1");
    Ok(())
}

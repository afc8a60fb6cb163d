//! Networks that are more than one switch: VLANs, a second interface, a narrow link, loops.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use lvs_tests::lab::{Host, Lab, Options, URL, VIP, VIP_V6, config, service, wait_for};

/// Runs commands on a host, one a line.
fn sh(lab: &Lab, host: Host, script: &str) -> Result<()> {
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        lab.run(host, &line.split_whitespace().collect::<Vec<_>>())?;
    }
    Ok(())
}

/// A configuration with one real server for web requests, at this address.
fn one_server(address: &str) -> String {
    let text = config(Host::Director, [1, 0, 0]);
    let head = text.split("[[virtual_service.real_server]]").next().unwrap_or_default();
    format!("{head}[[virtual_service.real_server]]\naddress = \"{address}\"\n")
}

fn answer(lab: &Lab) -> Result<String> {
    Ok(lab.curl(&[URL])?.trim_end().to_owned())
}

/// The tag that a client's frames come with stays on them.
#[test]
fn a_tagged_client_is_served() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    // The director itself is in no VLAN, so nobody there answers it.
    let neighbour = format!(
        "ip neigh replace {} lladdr {} dev eth0 nud permanent",
        Host::Rs1.address(),
        Host::Rs1.mac()
    );
    sh(&lab, Host::Director, &neighbour)?;
    lab.tag(Host::Client, 20)?;
    lab.tag(Host::Rs1, 20)?;
    let lvsd = lab.start_lvsd(Host::Director, &one_server("10.77.0.11"))?;
    lvsd.wait_until_up()?;

    let wire = lab.capture(Host::Rs1)?;
    assert_eq!(answer(&lab)?, "rs1");
    let frames = wire.stop(&lab)?;
    let to_vip = format!("> {VIP}.80: ");
    let requests: Vec<_> = frames.iter().filter(|frame| frame.contains(&to_vip)).collect();
    assert!(!requests.is_empty(), "{frames:#?}");
    assert!(requests.iter().all(|frame| frame.contains("vlan 20")), "{requests:#?}");
    Ok(())
}

/// Frames come in by one interface and leave by another.
#[test]
fn a_real_server_behind_another_interface_is_reached() -> Result<()> {
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
        // A veth takes redirected frames if its peer has GRO, turned on while it is up.
        "ip addr add 10.78.0.11/24 dev eth1
         ip link set eth1 up
         ethtool -K eth1 gro on",
    )?;
    let lvsd = lab.start_lvsd(Host::Director, &one_server("10.78.0.11"))?;
    lvsd.wait_until_up()?;
    for _ in 0..5 {
        assert_eq!(answer(&lab)?, "rs1");
    }
    let list = lvsd.services()?;
    assert_eq!(list["services"][0]["connections"], 5, "{list:#}");
    Ok(())
}

/// The client is behind a router, whose link to it takes shorter packets than the real server sends.
/// The router says so to the VIP, from which the packets came.
#[test]
fn path_mtu_is_discovered_through_the_vip() -> Result<()> {
    const PORT: u16 = 8080;
    let cases = [
        (IpAddr::V4(VIP), "10.79.0", "ip route get 10.79.0.2 from 10.77.0.100"),
        (IpAddr::V6(VIP_V6), "fd79:", "ip route get fd79::2 from fd77::100"),
    ];
    for (vip, prefix, route) in cases {
        let lab = Lab::up(Options::default())?;
        let separator = if vip.is_ipv4() { "." } else { ":" };
        let network = format!("{prefix}{separator}{}", if vip.is_ipv4() { "0/24" } else { "/64" });
        let (near, far) = (format!("{prefix}{separator}1"), format!("{prefix}{separator}2"));
        let length = if vip.is_ipv4() { 24 } else { 64 };
        sh(
            &lab,
            Host::Client,
            &format!(
                "sysctl -qw net.ipv4.ip_forward=1
                 sysctl -qw net.ipv6.conf.all.forwarding=1
                 ip link add far type veth peer name eth1 netns lvs-standby
                 ip link set far mtu 1300
                 ip addr add {near}/{length} dev far {}
                 ip link set far up",
                if vip.is_ipv4() { "" } else { "nodad" }
            ),
        )?;
        sh(
            &lab,
            Host::Standby,
            &format!(
                "ip addr add {far}/{length} dev eth1 {}
                 ip link set eth1 up
                 ip route add {vip} via {near}",
                if vip.is_ipv4() { "" } else { "nodad" }
            ),
        )?;
        let router = Host::Client.address_like(vip);
        sh(&lab, Host::Rs1, &format!("ip route add {network} via {router}"))?;
        let text =
            config(Host::Director, [1, 0, 0]) + &service(vip, PORT, "tcp", "", &[(Host::Rs1, 1)]);
        let lvsd = lab.start_lvsd(Host::Director, &text)?;
        lvsd.wait_until_up()?;

        let listener = lab.within(Host::Rs1, || TcpListener::bind((vip, PORT)))??;
        let server = thread::spawn(move || -> Result<()> {
            let (mut stream, _) = listener.accept()?;
            Ok(stream.write_all(&vec![7; 300_000])?)
        });
        let limit = Duration::from_secs(5);
        let address = SocketAddr::new(vip, PORT);
        let connect = || TcpStream::connect_timeout(&address, limit);
        let mut stream = lab.within(Host::Standby, connect)?.context("connecting from afar")?;
        stream.set_read_timeout(Some(limit))?;
        let mut received = Vec::new();
        stream.read_to_end(&mut received).with_context(|| format!("{} came", received.len()))?;
        assert_eq!(received.len(), 300_000);
        server.join().map_err(|_| anyhow!("the server panicked"))??;

        // The real server knows now, so it was told, and by nobody but the director.
        let route = lab.run(Host::Rs1, &route.split(' ').collect::<Vec<_>>())?;
        assert!(route.contains("mtu 1300"), "{route}");
        let list = lvsd.services()?;
        assert_eq!(list["services"][1]["connections"], 1, "{list:#}");
    }
    Ok(())
}

/// A real server without the VIP that is a router sends packets on to who answers for it.
#[test]
fn a_packet_that_comes_back_from_a_real_server_dies() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    sh(&lab, Host::Rs1, &format!("ip addr del {VIP}/32 dev lo\nsysctl -qw net.ipv4.ip_forward=1"))?;
    let lvsd = lab.start_lvsd(Host::Director, &one_server("10.77.0.11"))?;
    lvsd.wait_until_up()?;

    let wire = lab.capture(Host::Director)?;
    assert!(!lab.exec(Host::Client, &["curl", "-s", "--max-time", "1", URL])?.status.success());
    let died = wait_for("the loop's end", Duration::from_secs(5), || {
        lvsd.fate("dropped_loop").ok().filter(|&died| died > 0)
    })?;
    let frames = wire.stop(&lab)?;
    let back = format!("{} > {}", Host::Rs1.mac(), Host::Director.mac());
    let to_vip = format!("> {VIP}.80: ");
    let came_back = frames.iter().filter(|it| it.contains(&back) && it.contains(&to_vip)).count();
    // Each came back once, and no more.
    assert!(came_back as u64 <= died, "{frames:#?}");
    Ok(())
}

/// Two directors that have each other as real servers do not play ball.
#[test]
fn a_packet_that_comes_back_from_another_director_dies() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let director = lab.start_lvsd(Host::Director, &one_server("10.77.0.4"))?;
    let standby = lab.start_lvsd(Host::Standby, &one_server("10.77.0.3"))?;
    director.wait_until_up()?;
    standby.wait_until_up()?;
    assert!(!lab.exec(Host::Client, &["curl", "-s", "--max-time", "1", URL])?.status.success());
    let sum = |what: &str| Ok::<_, anyhow::Error>(director.fate(what)? + standby.fate(what)?);
    assert!(sum("dropped_loop")? > 0);
    let lists = [director.services()?, standby.services()?];
    let forwarded: u64 =
        lists.iter().filter_map(|list| list["services"][0]["packets_in"].as_u64()).sum();
    assert_eq!(forwarded, sum("dropped_loop")?, "each was forwarded once");
    Ok(())
}

//! What is not plain TCP, over the lab's wires.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpStream, UdpSocket},
    thread,
    time::Duration,
};

use anyhow::{Result, bail};
use lvs_tests::lab::{
    Host, Lab, Lvsd, Options, VIP, VIP_V6, config, config_of_both, service, wait_for,
};

const ECHO_PORT: u16 = 7;
/// Who answers there.
const ECHO_SERVERS: [(Host, u16); 2] = [(Host::Rs1, 1), (Host::Rs2, 1)];

const VIPS: [IpAddr; 2] = [IpAddr::V4(VIP), IpAddr::V6(VIP_V6)];

/// A lab with a UDP echo service beside the web: two real servers, as many connections to each.
fn lab(vip: IpAddr, keys: &str) -> Result<(Lab, Lvsd)> {
    let lab = Lab::up(Options::default())?;
    for (host, _) in ECHO_SERVERS {
        let socket = lab.within(host, || UdpSocket::bind((vip, ECHO_PORT)))??;
        // It ends with the test's process.
        thread::spawn(move || echo(&socket, host));
    }
    let echo = service(vip, ECHO_PORT, "udp", keys, &ECHO_SERVERS);
    let lvsd = lab.start_lvsd(Host::Director, &(config_of_both(Host::Director) + &echo))?;
    lvsd.wait_until_up()?;
    Ok((lab, lvsd))
}

/// Answers with the server's name and what was sent.
fn echo(socket: &UdpSocket, host: Host) {
    let mut bytes = [0; 65_536];
    while let Ok((length, client)) = socket.recv_from(&mut bytes) {
        let answer = [host.name().as_bytes(), b" ", &bytes[..length]].concat();
        if socket.send_to(&answer, client).is_err() {
            return;
        }
    }
}

fn client(lab: &Lab, vip: IpAddr) -> Result<UdpSocket> {
    let any = if vip.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = lab.within(Host::Client, || UdpSocket::bind(any))??;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    socket.connect((vip, ECHO_PORT))?;
    Ok(socket)
}

/// Sends a datagram, and gives who answered.
fn ask(socket: &UdpSocket, payload: &[u8]) -> Result<String> {
    socket.send(payload)?;
    let mut bytes = [0; 65_536];
    let length = socket.recv(&mut bytes)?;
    let answer = &bytes[..length];
    let Some(space) = answer.iter().position(|&byte| byte == b' ') else { bail!("no name") };
    assert_eq!(&answer[space + 1..], payload);
    Ok(String::from_utf8(answer[..space].to_vec())?)
}

#[test]
fn the_director_answers_pings_of_the_vip() -> Result<()> {
    for vip in VIPS {
        let (lab, lvsd) = lab(vip, "")?;
        let address = vip.to_string();
        lab.run(Host::Client, &["ping", "-c", "3", "-i", "0.2", "-W", "2", &address])?;
        assert_eq!(lvsd.fate("answered_echo")?, 3);
    }
    Ok(())
}

#[test]
fn web_requests_over_ipv6_go_by_the_weights() -> Result<()> {
    let (lab, lvsd) = lab(VIP_V6.into(), "")?;
    let mut answers: Vec<_> = lab
        .curl(&["-6", "--header", "Connection: close", &format!("http://[{VIP_V6}]/?[1-12]")])?
        .lines()
        .map(str::to_owned)
        .collect();
    answers.sort();
    let expected = [["rs1"; 6].as_slice(), &["rs2"; 4], &["rs3"; 2]].concat();
    assert_eq!(answers, expected);
    // Whoever asked for the VIP's MAC was answered by the program: no kernel has it.
    assert!(lvsd.fate("answered_solicitation")? > 0);

    let list = lvsd.services()?;
    assert_eq!(list["services"][1]["address"], VIP_V6.to_string(), "{list:#}");
    assert_eq!(list["services"][1]["connections"], 12, "{list:#}");
    Ok(())
}

#[test]
fn connections_of_both_families_are_listed() -> Result<()> {
    let (lab, _lvsd) = lab(VIP_V6.into(), "")?;
    let mut open = Vec::new();
    for vip in VIPS {
        let mut connection = lab.connect_to(vip)?;
        connection.request()?;
        open.push(connection);
    }
    let output = lab.lvsctl(&["connections"])?;
    let text = String::from_utf8(output.stdout)?;
    for (client, vip) in [("10.77.0.2:", "10.77.0.100:80"), ("[fd77::2]:", "[fd77::100]:80")] {
        let is_meant = |line: &&str| line.contains(client) && line.contains(vip);
        let line = text.lines().find(is_meant).unwrap_or_default();
        assert!(line.starts_with("tcp") && line.contains("ESTABLISHED"), "{text}");
    }
    Ok(())
}

#[test]
fn udp_stays_with_its_server() -> Result<()> {
    for vip in VIPS {
        let (lab, _lvsd) = lab(vip, "")?;
        let mut servers = Vec::new();
        for _ in 0..4 {
            let socket = client(&lab, vip)?;
            let first = ask(&socket, b"first")?;
            for _ in 0..5 {
                assert_eq!(ask(&socket, b"again")?, first);
            }
            servers.push(first);
        }
        assert_eq!(servers, ["rs1", "rs2", "rs1", "rs2"]);
    }
    Ok(())
}

#[test]
fn one_packet_at_a_time_stays_nowhere() -> Result<()> {
    let (lab, _lvsd) = lab(VIP.into(), "one_packet = true")?;
    let socket = client(&lab, VIP.into())?;
    let servers: Result<Vec<_>> = (0..4).map(|_| ask(&socket, b"datagram")).collect();
    assert_eq!(servers?, ["rs1", "rs2", "rs1", "rs2"]);
    Ok(())
}

#[test]
fn a_datagram_in_fragments_arrives() -> Result<()> {
    for vip in VIPS {
        let (lab, lvsd) = lab(vip, "")?;
        let payload: Vec<u8> = (0..9_000u32).map(|at| at as u8).collect();
        for _ in 0..4 {
            let socket = client(&lab, vip)?;
            ask(&socket, &payload)?;
            ask(&socket, &payload)?;
        }
        assert_eq!(lvsd.fate("dropped_fragment")?, 0);
    }
    Ok(())
}

/// Another host that takes the VIP for itself is told that it is taken, as IPv6 hosts ask before.
#[test]
fn the_ipv6_vip_is_defended() -> Result<()> {
    let (lab, _lvsd) = lab(VIP_V6.into(), "")?;
    let address = format!("{VIP_V6}/64");
    lab.run(Host::Standby, &["sysctl", "-qw", "net.ipv6.conf.eth0.accept_dad=1"])?;
    lab.run(Host::Standby, &["ip", "addr", "add", &address, "dev", "eth0"])?;
    wait_for("the kernel to give up the address", Duration::from_secs(5), || {
        let show = lab.run(Host::Standby, &["ip", "addr", "show", "dev", "eth0"]).ok()?;
        show.contains("dadfailed").then_some(())
    })
}

#[test]
fn a_connection_of_a_removed_server_is_reset_at_once() -> Result<()> {
    let (lab, mut lvsd) = lab(VIP.into(), "")?;
    let vip = SocketAddr::from((VIP, 80));
    let mut streams = lab.within(Host::Client, || {
        (0..6).map(|_| TcpStream::connect(vip)).collect::<std::io::Result<Vec<_>>>()
    })??;
    // All that is left is rs3, which knows nothing of the connections to the others.
    let text = config(Host::Director, [1, 1, 1]);
    let (head, rs3) = text.split_at(text.find("[[virtual_service.real_server]]").unwrap_or(0));
    let rs3 = rs3.split_at(rs3.rfind("[[virtual_service.real_server]]").unwrap_or(0)).1;
    lvsd.reload_text(Host::Director, &format!("{head}{rs3}"), |list| {
        list["services"][0]["real_servers"].as_array().map(Vec::len) == Some(1)
    })?;

    let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let mut ends = Vec::new();
    for stream in &mut streams {
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let mut answer = String::new();
        let read = stream.write_all(request).and_then(|()| stream.read_to_string(&mut answer));
        ends.push(match read {
            Ok(_) => answer.lines().last().unwrap_or_default().to_owned(),
            Err(error) => format!("{:?}", error.kind()),
        });
    }
    ends.sort();
    let expected = [["ConnectionReset"; 5].as_slice(), &["rs3"]].concat();
    assert_eq!(ends, expected);
    Ok(())
}

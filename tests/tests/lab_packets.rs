//! What is not plain TCP, over the lab's wires.

use std::{
    io::Read as _,
    net::{SocketAddr, TcpStream, UdpSocket},
    thread,
    time::Duration,
};

use anyhow::{Result, bail};
use lvs_tests::lab::{Host, Lab, Lvsd, Options, VIP, config};

const ECHO_PORT: u16 = 7;

/// A lab with a UDP echo service beside the web: two real servers, as many connections to each.
fn lab(extra: &str) -> Result<(Lab, Lvsd)> {
    let lab = Lab::up(Options::default())?;
    for host in [Host::Rs1, Host::Rs2] {
        let socket = lab.within(host, || UdpSocket::bind((VIP, ECHO_PORT)))??;
        // It ends with the test's process.
        thread::spawn(move || echo(&socket, host));
    }
    let mut text = config(Host::Director, [1, 1, 1]);
    text += &format!(
        "\n[[virtual_service]]\naddress = \"{VIP}\"\nport = {ECHO_PORT}\nprotocol = \"udp\"\n{extra}"
    );
    for host in [Host::Rs1, Host::Rs2] {
        let address = host.address();
        text += &format!("[[virtual_service.real_server]]\naddress = \"{address}\"\n");
    }
    let lvsd = lab.start_lvsd(Host::Director, &text)?;
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

fn client(lab: &Lab) -> Result<UdpSocket> {
    let socket = lab.within(Host::Client, || UdpSocket::bind("0.0.0.0:0"))??;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    socket.connect((VIP, ECHO_PORT))?;
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
    let (lab, _lvsd) = lab("")?;
    let vip = VIP.to_string();
    lab.run(Host::Client, &["ping", "-c", "3", "-i", "0.2", "-W", "2", &vip])?;
    Ok(())
}

#[test]
fn udp_stays_with_its_server() -> Result<()> {
    let (lab, _lvsd) = lab("")?;
    let mut servers = Vec::new();
    for _ in 0..4 {
        let socket = client(&lab)?;
        let first = ask(&socket, b"first")?;
        for _ in 0..5 {
            assert_eq!(ask(&socket, b"again")?, first);
        }
        servers.push(first);
    }
    assert_eq!(servers, ["rs1", "rs2", "rs1", "rs2"]);
    Ok(())
}

#[test]
fn one_packet_at_a_time_stays_nowhere() -> Result<()> {
    let (lab, _lvsd) = lab("one_packet = true\n")?;
    let socket = client(&lab)?;
    let servers: Result<Vec<_>> = (0..4).map(|_| ask(&socket, b"datagram")).collect();
    assert_eq!(servers?, ["rs1", "rs2", "rs1", "rs2"]);
    Ok(())
}

#[test]
fn a_datagram_in_fragments_arrives() -> Result<()> {
    let (lab, _lvsd) = lab("")?;
    let payload: Vec<u8> = (0..9_000u32).map(|at| at as u8).collect();
    for _ in 0..4 {
        let socket = client(&lab)?;
        ask(&socket, &payload)?;
        ask(&socket, &payload)?;
    }
    Ok(())
}

#[test]
fn a_connection_of_a_removed_server_is_reset_at_once() -> Result<()> {
    let (lab, mut lvsd) = lab("")?;
    let vip = SocketAddr::from((VIP, 80));
    let mut streams = lab.within(Host::Client, || {
        (0..3).map(|_| TcpStream::connect(vip)).collect::<std::io::Result<Vec<_>>>()
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
        let read = std::io::Write::write_all(stream, request)
            .and_then(|()| stream.read_to_string(&mut answer));
        ends.push(match read {
            Ok(_) => answer.lines().last().unwrap_or_default().to_owned(),
            Err(error) => format!("{:?}", error.kind()),
        });
    }
    ends.sort();
    assert_eq!(ends, ["ConnectionReset", "ConnectionReset", "rs3"]);
    Ok(())
}

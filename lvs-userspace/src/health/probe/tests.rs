//! Against servers that do as they are told.

mod https;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UdpSocket},
};

use super::*;
use crate::{
    health::{Http, Tls, Udp},
    model::{Protocol, ServiceId},
};

fn check(kind: Kind, port: u16) -> Check {
    Check {
        kind,
        port: Some(port),
        via: Via::Rip,
        interval: Duration::from_secs(1),
        fast_interval: Duration::from_secs(1),
        timeout: Duration::from_secs(2),
        rise: 1,
        fall: 1,
        quarantine: None,
    }
}

fn target(real_server: IpAddr) -> Target {
    let address = Ipv4Addr::new(10, 77, 0, 100).into();
    Target { service: ServiceId { protocol: Protocol::Tcp, address, port: 80 }, real_server }
}

async fn ask(kind: Kind, port: u16) -> Outcome {
    probe(target(Ipv4Addr::LOCALHOST.into()), &check(kind, port), None, &Tools::default()).await
}

/// The reason of a failure.
async fn refusal(kind: Kind, port: u16) -> String {
    ask(kind, port).await.expect_err("a failure").to_string()
}

/// A web server that answers every request with this.
async fn web(answer: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let length = stream.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let answer = answer.replace("{request}", request.lines().next().unwrap_or_default());
            let host = request.lines().find_map(|line| line.strip_prefix("host: "));
            let answer = answer.replace("{host}", host.unwrap_or_default());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    port
}

/// A UDP server that answers every datagram with this.
async fn udp(answer: &'static [u8]) -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut datagram = [0; 1024];
        while let Ok((_, client)) = socket.recv_from(&mut datagram).await {
            socket.send_to(answer, client).await.unwrap();
        }
    });
    port
}

/// A port where nobody is.
async fn closed() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

fn http() -> Http {
    Http { path: "/health?x=1".to_owned(), host: None, status: None, body: None, tls: None }
}

#[test]
fn what_this_machine_lacks_is_not_the_fault_of_another() {
    let failure = |errno| Failure::io("can't ask", &std::io::Error::from_raw_os_error(errno));
    for errno in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM, libc::EADDRNOTAVAIL] {
        assert!(matches!(failure(errno), Failure::NotAsked(_)), "{errno}");
    }
    for errno in [libc::ECONNREFUSED, libc::EHOSTUNREACH, libc::ECONNRESET, libc::ENOENT] {
        assert!(matches!(failure(errno), Failure::Failed(_)), "{errno}");
    }
}

#[tokio::test]
async fn tcp_wants_a_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    assert!(ask(Kind::Tcp, port).await.is_ok());
    // Closed instead, it would keep a port of this machine for a minute.
    let (mut accepted, _) = listener.accept().await.unwrap();
    let ended = accepted.read_u8().await.unwrap_err();
    assert_eq!(ended.kind(), std::io::ErrorKind::ConnectionReset);
    drop((listener, accepted));
    let reason = refusal(Kind::Tcp, port).await;
    assert_eq!(
        reason,
        format!("can't connect to 127.0.0.1:{port}: Connection refused (os error 111)")
    );
}

#[tokio::test]
async fn who_is_silent_fails_when_the_time_is_over() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let quick = Check { timeout: Duration::from_millis(50), ..check(Kind::Http(http()), port) };
    let outcome = probe(target(Ipv4Addr::LOCALHOST.into()), &quick, None, &Tools::default()).await;
    assert_eq!(outcome, Err(Failure::Failed("no answer within 50ms".to_owned())));
}

#[tokio::test]
async fn http_wants_the_status_and_the_body() {
    let good = web("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert!(ask(Kind::Http(http()), good).await.is_ok());
    let only_200 = Http { status: Some(200), ..http() };
    let reason = refusal(Kind::Http(only_200), good).await;
    assert_eq!(reason, format!("127.0.0.1:{good}/health?x=1 answered 204 No Content"));

    let bad = web("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n").await;
    let reason = refusal(Kind::Http(http()), bad).await;
    assert!(reason.ends_with("answered 500 Internal Server Error"), "{reason}");
    assert!(ask(Kind::Http(Http { status: Some(500), ..http() }), bad).await.is_ok());

    let wanted = |body: &str| Http { body: Some(body.to_owned()), ..http() };
    let echo = web("HTTP/1.0 200 OK\r\n\r\n{request} for {host}").await;
    assert!(
        ask(Kind::Http(wanted("GET /health?x=1 HTTP/1.1 for 10.77.0.100")), echo).await.is_ok()
    );
    let named = Http { host: Some("www.example.org".to_owned()), ..wanted("for www.example.org") };
    assert!(ask(Kind::Http(named), echo).await.is_ok());
    let reason = refusal(Kind::Http(wanted("all is well")), echo).await;
    assert!(reason.ends_with("answered 200 OK, but without \"all is well\" in it"), "{reason}");

    let rubbish = web("rubbish\r\n\r\n").await;
    let reason = refusal(Kind::Http(http()), rubbish).await;
    assert!(reason.contains("did not answer: invalid HTTP"), "{reason}");
    let tls = Http { tls: Some(Tls { verify: true }), ..http() };
    let reason = refusal(Kind::Http(tls), rubbish).await;
    assert!(reason.starts_with("TLS with 127.0.0.1"), "{reason}");
}

/// As a server of another protocol does; whoever was faster, the reason says what came.
#[tokio::test]
async fn who_speaks_before_it_is_asked_is_no_web_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // Who asked may have gone.
            drop(stream.write_all(b"SSH-2.0-OpenSSH\r\n").await);
        }
    });
    for _ in 0..20 {
        let reason = refusal(Kind::Http(http()), port).await;
        assert!(reason.contains("did not answer: "), "{reason}");
        assert!(!reason.contains("canceled"), "{reason}");
    }
}

#[tokio::test]
async fn udp_wants_the_answer_or_no_complaint() {
    let port = udp(b"I am fine").await;
    let expecting = |text: Option<&str>| {
        Kind::Udp(Udp { send: "how are you?".to_owned(), expect: text.map(str::to_owned) })
    };
    assert!(ask(expecting(Some("fine")), port).await.is_ok());
    assert!(ask(expecting(None), port).await.is_ok());
    let reason = refusal(expecting(Some("great")), port).await;
    assert_eq!(reason, format!("127.0.0.1:{port} answered \"I am fine\", without \"great\" in it"));
    // An ICMP unreachable is a failure, whether an answer was expected or not.
    let nobody = closed().await;
    for expected in [None, Some("fine")] {
        let reason = refusal(expecting(expected), nobody).await;
        assert!(reason.contains("Connection refused"), "{reason}");
    }
}

#[tokio::test]
async fn a_program_is_told_whom_to_ask_and_believed() {
    let sh = |script: &str| Kind::Exec(["/bin/sh", "-c", script, "sh"].map(str::to_owned).into());
    let told = "[ $1 = 127.0.0.1 ] && [ $LVS_ADDRESS:$LVS_PORT/$LVS_PROTOCOL = 127.0.0.1:99/tcp ] \
                && [ $LVS_VIP = 10.77.0.100 ]";
    assert_eq!(ask(sh(told), 99).await.err(), None);
    let reason = refusal(sh("echo first; echo the disk is full; exit 3"), 99).await;
    assert_eq!(reason, "/bin/sh: exit status: 3: the disk is full");
    let reason = refusal(Kind::Exec(vec!["/nowhere/check".to_owned()]), 99).await;
    assert_eq!(reason, "can't run /nowhere/check: No such file or directory (os error 2)");
}

#[tokio::test]
async fn a_program_that_hangs_is_killed_with_its_children() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("children");
    let script = format!("sleep 1000 & echo $! $$ > {}; wait", file.display());
    let command = ["/bin/sh", "-c", &script, "sh"].map(str::to_owned).into();
    let quick = Check { timeout: Duration::from_millis(300), ..check(Kind::Exec(command), 99) };
    let outcome = probe(target(Ipv4Addr::LOCALHOST.into()), &quick, None, &Tools::default()).await;
    assert_eq!(outcome, Err(Failure::Failed("no answer within 300ms".to_owned())));
    let is_gone = |pid: &str| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    };
    let pids = std::fs::read_to_string(&file).unwrap();
    while !pids.split_whitespace().all(is_gone) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Pings need root, or a group that `net.ipv4.ping_group_range` allows; nothing else excuses a failure.
#[tokio::test]
async fn a_ping_is_answered_or_says_why_not() {
    for address in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
        match probe(target(address), &check(Kind::Ping, 1), None, &Tools::default()).await {
            Ok(took) => assert!(took < Duration::from_secs(2)),
            Err(reason) => {
                assert!(reason.to_string().contains("can't open a socket for pings"), "{reason}");
            }
        }
    }
}

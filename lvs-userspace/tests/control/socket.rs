//! The socket itself: what it says to HTTP, good and bad, and how it is bound.

use std::{
    io::{Read as _, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
};

use expect_test::expect_file;
use lvs_userspace::control::{api, openapi, server};

use crate::Daemon;

#[test]
fn the_socket_answers_http() {
    let daemon = Daemon::start();
    let get = |path: &str| {
        daemon.exchange(&format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"))
    };
    assert!(get("/v1/services").starts_with("HTTP/1.1 200 OK"));
    let unknown = get("/v1/nothing");
    assert!(unknown.starts_with("HTTP/1.1 404"), "{unknown}");
    assert!(unknown.ends_with("{\"error\":\"there is no such path\"}"), "{unknown}");
    let wrong = daemon.exchange(
        "POST /v1/services HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    );
    assert!(wrong.starts_with("HTTP/1.1 405"), "{wrong}");
    assert!(daemon.exchange("nonsense\r\n\r\n").starts_with("HTTP/1.1 400"));
}

/// What is too much is refused before it is all there; what is no JSON, or none of ours, with a reason.
#[test]
fn bad_requests_are_refused_with_a_reason() {
    let daemon = Daemon::start();
    let post = |path: &str, length: usize, body: &str| {
        daemon.exchange(&format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        ))
    };
    for (path, body, status, reason) in [
        ("/v1/edits", "{", "400", "EOF while parsing"),
        ("/v1/edits", "{\"edits\": [{\"edit\": \"fly\"}]}", "422", "unknown variant `fly`"),
        ("/v1/edits", "[]", "422", "expected struct Edits"),
        ("/v1/save", "{\"file\": \"/etc/passwd\"}", "422", "unknown field `file`"),
        (
            "/v1/edits",
            "{\"edits\": [{\"edit\": \"edit_service\", \"service\": {\"protocol\": \"tcp\", \
             \"address\": \"192.0.2.10\", \"port\": 80}, \"keys\": {\"scheduler\": \"x\"}}]}",
            "422",
            "expected one of",
        ),
    ] {
        let answer = post(path, body.len(), body);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{body}: {answer}");
        assert!(answer.contains("{\"error\":") && answer.contains(reason), "{body}: {answer}");
    }
    let answer = post("/v1/edits", 100_000_000, "");
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    let answer = daemon.exchange(
        "GET /v1/connections?client=nobody HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("invalid IP"), "{answer}");
}

/// The document that is kept beside the code is the one that lvsd gives out, and each of its paths is
/// there.
#[test]
fn the_api_is_documented() {
    let document = openapi();
    let text = serde_json::to_string_pretty(&document).unwrap() + "\n";
    expect_file!["../../../docs/openapi.json"].assert_eq(&text);

    let daemon = Daemon::start();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let method = method.to_uppercase();
            let head = format!("{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n");
            let mut stream = UnixStream::connect(daemon.socket()).unwrap();
            stream.write_all(format!("{head}content-length: 0\r\n\r\n").as_bytes()).unwrap();
            let mut status = [0; 12];
            stream.read_exact(&mut status).unwrap();
            let status = String::from_utf8_lossy(&status).into_owned();
            // A change without a body is refused for that, and a question that is not asked.
            let expected = match (method.as_str(), path.as_str()) {
                ("GET", api::WHY) => "400",
                ("GET", _) => "200",
                _ => "415",
            };
            assert_eq!(status, format!("HTTP/1.1 {expected}"), "{method} {path}");
        }
    }
}

#[test]
fn half_a_request_keeps_nobody_else_waiting() {
    let daemon = Daemon::start();
    let mut slow = UnixStream::connect(daemon.socket()).unwrap();
    slow.write_all(b"GET /v1/serv").unwrap();
    assert_eq!(daemon.lvsctl(&["list"]).status.code(), Some(0));
}

#[test]
fn a_socket_in_use_is_left_alone_and_a_dead_one_replaced() {
    let daemon = Daemon::start();
    let mode = std::fs::metadata(daemon.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);

    let error = server::bind(&daemon.socket()).unwrap_err().to_string();
    let expected = "; stop it or choose another socket with --socket";
    assert!(error.starts_with("somebody answers on ") && error.ends_with(expected), "{error}");

    let file = daemon.directory.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    let error = server::bind(&file).unwrap_err().to_string();
    assert!(error.contains("is there already and is no socket"), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");

    let dead = daemon.directory.path().join("dead.sock");
    drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
    // A process that another test has just forked may hold it open for a moment.
    while UnixStream::connect(&dead).is_ok() {
        std::thread::yield_now();
    }
    let _guard = daemon.runtime.enter();
    server::bind(&dead).unwrap();
    daemon.shutdown.cancel();
}

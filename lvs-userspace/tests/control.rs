//! lvsctl and the control socket, with a daemon's loop that answers as it is told.
#![expect(clippy::unwrap_used, reason = "a test that can't go on should say where")]

use std::{
    io::{Read as _, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use lvs_userspace::{
    config::{Config, difference},
    control::{
        api::{self, Request},
        server,
    },
    model::{Protocol, Scheduler},
};
use tokio::{runtime::Runtime, sync::mpsc};
use tokio_util::sync::CancellationToken;

/// A control socket with a loop behind it.
struct Daemon {
    directory: tempfile::TempDir,
    shutdown: CancellationToken,
    /// Keeps the tasks running.
    _runtime: Runtime,
}

impl Daemon {
    fn start() -> Self {
        Self::start_with(Ok(status()))
    }

    /// One that answers with this status.
    fn start_with(status: Result<api::Status, api::ApiError>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let runtime = Runtime::new().unwrap();
        let shutdown = CancellationToken::new();
        let (sender, mut requests) = mpsc::channel(8);
        let path = directory.path().join("run/lvsd.sock");
        let _guard = runtime.enter();
        let listener = server::bind(&path).unwrap();
        runtime.spawn(server::serve(listener, sender, shutdown.clone()));
        let file = directory.path().join("lvs.toml").display().to_string();
        let mut config = Config::parse(CONFIG, "").unwrap();
        runtime.spawn(async move {
            while let Some(request) = requests.recv().await {
                match request {
                    Request::Services(reply) => drop(reply.send(Ok(services()))),
                    Request::Rates(reply) => drop(reply.send(Ok(rates()))),
                    Request::Connections(reply) => drop(reply.send(Ok(connections()))),
                    Request::Status(reply) => drop(reply.send(status.clone())),
                    Request::Reload(reload, reply) => drop(reply.send(reloaded(reload))),
                    Request::Edit(edits, reply) => drop(reply.send(edited(&mut config, &edits))),
                    Request::Configuration(reply) => {
                        let (toml, file) = (config.to_toml(), file.clone());
                        drop(reply.send(Ok(api::Configuration { toml, file })));
                    }
                }
            }
        });
        drop(_guard);
        Self { directory, shutdown, _runtime: runtime }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("run/lvsd.sock")
    }

    fn lvsctl(&self, arguments: &[&str]) -> Output {
        lvsctl().arg("--socket").arg(self.socket()).args(arguments).output().unwrap()
    }

    /// Sends bytes, and gives what comes back.
    fn exchange(&self, request: &str) -> String {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

fn lvsctl() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lvsctl"));
    command.env_remove("LVS_SOCKET");
    command
}

fn services() -> api::Services {
    let real_server = api::RealServer {
        address: "10.77.0.11".parse().unwrap(),
        port: 80,
        weight: 3,
        effective_weight: 3,
        forwarding: api::Forwarding::Dr,
        health: api::Health::Up,
        state: None,
        why: None,
        active_connections: 0,
        inactive_connections: 6,
        connections: 6,
        packets_in: 35,
        bytes_in: 2100,
    };
    let service = api::Service {
        protocol: Protocol::Tcp,
        address: "10.77.0.100".parse().unwrap(),
        port: 80,
        scheduler: Scheduler::Wrr,
        persistence_timeout_s: None,
        connections: 12,
        packets_in: 70,
        bytes_in: 4200,
        real_servers: vec![real_server],
    };
    api::Services { services: vec![service] }
}

fn status() -> api::Status {
    api::Status {
        version: "1.2.3".to_owned(),
        director: "midas".to_owned(),
        connection_table_size: 4096,
        interfaces: vec![],
        out_of_sync: None,
        fates: vec![],
    }
}

const CONFIG: &str = r#"
    director = { name = "midas", interfaces = ["eth0"] }
    [[virtual_service]]
    address = "192.0.2.10"
    port = 80
    protocol = "tcp"
    [[virtual_service.real_server]]
    address = "192.0.2.11"
    weight = 3
"#;

/// What lvsd does with edits.
fn edited(config: &mut Config, edits: &api::Edits) -> Result<api::Edited, api::ApiError> {
    let mut next = config.clone();
    for edit in &edits.edits {
        next.edit(edit).map_err(|error| api::ApiError { error: error.to_string() })?;
    }
    let changes = difference(config, &next).changes;
    *config = next;
    Ok(api::Edited { changes })
}

/// A dry run finds changes; for the rest the file has two errors.
fn reloaded(reload: api::Reload) -> Result<api::Reloaded, api::ApiError> {
    if !reload.dry_run {
        return Err(api::ApiError { error: "lvs.toml:1:1: no\nlvs.toml:2:1: nor this".to_owned() });
    }
    Ok(api::Reloaded {
        changes: vec!["+ tcp 10.77.0.100:81: scheduler wrr".to_owned()],
        needs_restart: vec!["[director]: restart lvsd".to_owned()],
    })
}

fn rates() -> api::Rates {
    let rate = api::Rate { connections_per_s: 1, packets_in_per_s: 5, bytes_in_per_s: 300 };
    let [service] = services().services.try_into().expect("one service");
    let api::Service { protocol, address, port, .. } = service;
    api::Rates {
        services: vec![api::ServiceRates { protocol, address, port, rate, real_servers: vec![] }],
    }
}

fn connections() -> api::Connections {
    let connection = api::Connection {
        protocol: Protocol::Tcp,
        state: "ESTABLISHED".to_owned(),
        client: "10.0.0.7:51234".parse().unwrap(),
        virtual_address: "192.168.0.100:80".parse().unwrap(),
        real_server: "192.168.0.11".parse().unwrap(),
        expires_in_s: 898,
    };
    api::Connections { connections: vec![connection] }
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The shape that scripts rely on.
const JSON: &str = r#"{"services":[{"protocol":"tcp","address":"10.77.0.100","port":80,"scheduler":"wrr",
    "persistence_timeout_s":null,"connections":12,"packets_in":70,"bytes_in":4200,
    "real_servers":[{"address":"10.77.0.11","port":80,"weight":3,"effective_weight":3,"forwarding":"dr",
      "health":"up","active_connections":0,"inactive_connections":6,
      "connections":6,"packets_in":35,"bytes_in":2100}]}]}"#;

#[test]
fn list_as_json() {
    let output = Daemon::start().lvsctl(&["list", "--json"]);
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let expected: serde_json::Value = serde_json::from_str(JSON).unwrap();
    assert_eq!(shown, expected);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn both_ways_of_speaking() {
    let daemon = Daemon::start();
    assert!(stdout(&daemon.lvsctl(&["list"])).contains("tcp 10.77.0.100:80 wrr"));
    let numeric = "  -> 10.77.0.11:80                Route   3      0          6         \n";
    for arguments in [&["-L", "-n"][..], &["-Ln"], &["-l", "-n", "-t", "10.77.0.100:80"]] {
        let text = stdout(&daemon.lvsctl(arguments));
        assert!(text.starts_with("IP Virtual Server version 1.2.1 (size=4096)\n"), "{text}");
        assert!(text.ends_with(numeric), "{arguments:?}: {text}");
    }
    let stats = stdout(&daemon.lvsctl(&["-L", "-n", "--stats"]));
    assert!(stats.ends_with(
        "  -> 10.77.0.11:80                       6       35        0     2100        0\n"
    ));
    assert!(stdout(&daemon.lvsctl(&[])).contains("TCP  10.77.0.100:"), "as ipvsadm alone");
}

#[test]
fn connections_in_both_ways() {
    let daemon = Daemon::start();
    assert_eq!(
        stdout(&daemon.lvsctl(&["-L", "-n", "-c"])),
        "IPVS connection entries\n\
         pro expire state       source             virtual            destination\n\
         TCP 14:58  ESTABLISHED 10.0.0.7:51234     192.168.0.100:80   192.168.0.11:80\n"
    );
    let text = stdout(&daemon.lvsctl(&["connections"]));
    assert!(text.contains("tcp       ESTABLISHED  14:58    10.0.0.7:51234"), "{text}");
    let json = daemon.lvsctl(&["connections", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["connections"][0]["expires_in_s"], 898);
}

#[test]
fn errors_are_one_line_and_status_2() {
    let error = "the maps are away".to_owned();
    let daemon = Daemon::start_with(Err(api::ApiError { error }));
    for (arguments, error) in [
        (&["status"][..], "lvsctl: the maps are away\n"),
        (&["-L", "-n", "-t", "10.77.0.101:80"], "lvsctl: No such service\n"),
        (&["-L", "-q"], "lvsctl: unknown option \"-q\"; `lvsctl --help` shows what there is\n"),
    ] {
        let output = daemon.lvsctl(arguments);
        assert_eq!((stderr(&output).as_str(), output.status.code()), (error, Some(2)));
        assert_eq!(stdout(&output), "");
    }
    assert_eq!(daemon.lvsctl(&["lst"]).status.code(), Some(2));
}

#[test]
fn a_director_that_is_out_of_sync_says_so_and_the_status_is_1() {
    let reason = Some("can't write the maps: no".to_owned());
    let daemon = Daemon::start_with(Ok(api::Status { out_of_sync: reason, ..status() }));
    let output = daemon.lvsctl(&["status"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("OUT OF SYNC: can't write the maps: no\n"));
    assert_eq!(daemon.lvsctl(&["status", "--json"]).status.code(), Some(1));
    assert_eq!(daemon.lvsctl(&["list"]).status.code(), Some(0));
}

#[test]
fn a_reload_shows_the_difference_or_every_error() {
    let daemon = Daemon::start();
    let dry = daemon.lvsctl(&["reload", "--dry-run"]);
    assert_eq!(
        stdout(&dry),
        "+ tcp 10.77.0.100:81: scheduler wrr\n! [director]: restart lvsd\n(not done: --dry-run)\n"
    );
    let bad = daemon.lvsctl(&["reload"]);
    let errors = "lvsctl: lvs.toml:1:1: no\nlvsctl: lvs.toml:2:1: nor this\n";
    assert_eq!((stderr(&bad).as_str(), bad.status.code()), (errors, Some(2)));
    let request = "POST /v1/reload HTTP/1.1\r\nHost: lvsd\r\nConnection: close\r\n\
                   Content-Type: application/json\r\nContent-Length: 13\r\n\r\n{\"wet_run\": 1}";
    let answer = daemon.exchange(request);
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}

/// Both ways of speaking change the same things.
#[test]
fn edits_in_both_ways() {
    let daemon = Daemon::start();
    let run = |line: &str| daemon.lvsctl(&line.split_whitespace().collect::<Vec<_>>());
    let service = "tcp 192.0.2.10:443";
    for (line, says) in [
        (format!("service add {service} --scheduler mh"), "+ tcp 192.0.2.10:443: scheduler mh"),
        (
            format!("server add {service} 192.0.2.11 --weight 2"),
            "+ tcp 192.0.2.10:443 192.0.2.11: weight 2",
        ),
        (
            format!("server edit {service} 192.0.2.11 --weight 0"),
            "~ tcp 192.0.2.10:443 192.0.2.11: weight 2 -> 0",
        ),
        ("-E -t 192.0.2.10:443 -s rr -p 60".to_owned(), ""),
        ("-a -t 192.0.2.10:443 -r 192.0.2.12:443 -g -w 7".to_owned(), ""),
        ("server delete tcp 192.0.2.10:80 192.0.2.11".to_owned(), "- tcp 192.0.2.10:80 192.0.2.11"),
        ("-D -t 192.0.2.10:80".to_owned(), ""),
    ] {
        let output = run(&line);
        assert_eq!(output.status.code(), Some(0), "{line}: {}", stderr(&output));
        let stdout = stdout(&output);
        assert!(
            stdout.starts_with(says) && says.is_empty() == stdout.is_empty(),
            "{line}: {stdout}"
        );
    }
    let saved = "-A -t 192.0.2.10:443 -s rr -p 60\n\
                 -a -t 192.0.2.10:443 -r 192.0.2.11:443 -g -w 0\n\
                 -a -t 192.0.2.10:443 -r 192.0.2.12:443 -g -w 7\n";
    assert_eq!(stdout(&run("-S -n")), saved);

    for (line, error) in [
        ("-A -t 192.0.2.10:443", "Service already exists"),
        ("-d -t 192.0.2.10:443 -r 192.0.2.99", "No such destination"),
        ("-e -t 192.0.2.10:80 -r 192.0.2.99", "Service not defined"),
        ("service delete udp 192.0.2.10:443", "No such service"),
        (
            "server add tcp 192.0.2.10:443 2001:db8::1",
            "address: found 2001:db8::1; expected an IPv4 address, as the service has",
        ),
    ] {
        let output = run(line);
        assert_eq!(
            (stderr(&output), output.status.code()),
            (format!("lvsctl: {error}\n"), Some(2))
        );
    }

    // All of it or nothing.
    let restore = |text: &str| {
        let mut child = lvsctl()
            .arg("--socket")
            .arg(daemon.socket())
            .arg("-R")
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    assert_eq!(restore("-C\n-A -t 192.0.2.10:22\n-A -t 192.0.2.10:22\n").status.code(), Some(2));
    assert_eq!(stdout(&run("-S -n")), saved);
    assert_eq!(restore(&format!("-C\n{saved}")).status.code(), Some(0));
    assert_eq!(stdout(&run("-S -n")), saved);

    assert!(stdout(&run("save -")).contains("port = 443"));
    let output = stdout(&run("save"));
    assert!(output.contains("saved the running configuration to "), "{output}");
    let file = daemon.directory.path().join("lvs.toml");
    assert_eq!(Config::load(&file).unwrap().virtual_services.len(), 1);
}

#[test]
fn an_import_needs_no_daemon() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/lvs.conf");
    let output = lvsctl().args(["import", "lvs.conf", file]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("address = \"192.168.45.26\""));
    assert!(stderr(&output).contains("lvs.conf:4: monfile is of mon"), "{}", stderr(&output));

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bad");
    std::fs::write(&file, b"lvshost \xe9\nnonsense\n").unwrap();
    let output = lvsctl().args(["import", "lvs.conf"]).arg(&file).output().unwrap();
    assert_eq!((output.status.code(), stdout(&output)), (Some(2), String::new()));
    let errors = stderr(&output);
    assert!(errors.contains(":1: ") && errors.contains(":2: \"nonsense\" is none of"), "{errors}");
}

#[test]
fn no_daemon() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lvsd.sock");
    let output = lvsctl().env("LVS_SOCKET", &path).arg("list").output().unwrap();
    let error = format!(
        "lvsctl: no lvsd answers on {}: is it running? (--socket or LVS_SOCKET chooses another)\n",
        path.display()
    );
    assert_eq!((stderr(&output), output.status.code()), (error, Some(2)));
}

#[test]
fn a_closed_pipe_is_success() {
    let daemon = Daemon::start();
    let mut child = lvsctl()
        .args(["--socket".as_ref(), daemon.socket().as_os_str(), "list".as_ref()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

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
    let _guard = daemon._runtime.enter();
    server::bind(&dead).unwrap();
    daemon.shutdown.cancel();
}

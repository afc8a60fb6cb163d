//! lvsctl and the control socket, with a daemon's loop that answers as it is told.
#![expect(clippy::unwrap_used, reason = "a test that can't go on should say where")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use expect_test::expect;
use lvs_userspace::{
    config::{Config, difference},
    control::{Request, api, openapi, server},
    doctor::{Diagnosis, Finding, Name, Severity},
    failover::machine::State,
    model::{Protocol, Scheduler, ServiceId},
};
use tokio::{
    runtime::Runtime,
    sync::{broadcast, mpsc},
};
use tokio_util::sync::CancellationToken;

/// A control socket with a loop behind it.
struct Daemon {
    directory: tempfile::TempDir,
    events: broadcast::Sender<api::Event>,
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
        let (events, _) = broadcast::channel(8);
        runtime.spawn(server::serve(listener, sender, events.clone(), shutdown.clone()));
        let file = directory.path().join("lvs.toml").display().to_string();
        let mut config = Config::parse(CONFIG, "").unwrap();
        runtime.spawn(async move {
            while let Some(request) = requests.recv().await {
                match request {
                    Request::Services(reply) => drop(reply.send(Ok(services()))),
                    Request::Rates(reply) => drop(reply.send(Ok(rates()))),
                    Request::Connections(filter, reply) => {
                        drop(reply.send(Ok(connections(&filter))));
                    }
                    Request::Why(question, reply) => drop(reply.send(Ok(why(question)))),
                    Request::Status(reply) => drop(reply.send(status.clone())),
                    Request::Doctor(reply) => drop(reply.send(Ok(diagnosis()))),
                    Request::Reload(reload, _, reply) => drop(reply.send(reloaded(reload))),
                    Request::Edit(edits, _, reply) => {
                        let next = config.edited(&edits.edits).map_err(|it| it.to_string());
                        drop(reply.send(adopted(&mut config, next)));
                    }
                    Request::Restore(api::Restore { toml }, _, reply) => {
                        let next = Config::parse(&toml, "it").map_err(|it| it.to_string());
                        drop(reply.send(adopted(&mut config, next)));
                    }
                    Request::Difference(reply) => {
                        let running = Config::parse(CONFIG, "").unwrap();
                        let changes = difference(&running, &config).changes;
                        let file = file.clone();
                        let unsaved = api::Unsaved { file, changes, needs_restart: vec![] };
                        drop(reply.send(Ok(unsaved)));
                    }
                    Request::Persistence(reply) => drop(reply.send(Ok(persistence()))),
                    Request::Zero(api::Zero { service }, _, reply) => {
                        drop(reply.send(zero(service)))
                    }
                    Request::HandOver(api::HandOver { to: None, .. }, _, reply) => {
                        drop(reply.send(Ok(api::HandedOver { role: State::Backup })));
                    }
                    Request::HandOver(api::HandOver { to: Some(to), .. }, _, reply) => {
                        drop(reply.send(Err(api::ApiError { error: format!("{to} can't") })));
                    }
                    Request::Save(api::Save {}, _, reply) => {
                        drop(reply.send(Ok(api::Saved { file: file.clone(), before: None })));
                    }
                    Request::Configuration(reply) => {
                        let (toml, file) = (config.to_toml(), file.clone());
                        drop(reply.send(Ok(api::Configuration { toml, file })));
                    }
                }
            }
        });
        drop(_guard);
        Self { directory, events, shutdown, _runtime: runtime }
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
        upper_threshold: 0,
        lower_threshold: 0,
        persistent_connections: 0,
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
        persistence_granularity: None,
        one_packet: false,
        stateless: false,
        connections: 12,
        packets_in: 70,
        bytes_in: 4200,
        real_servers: vec![real_server],
    };
    api::Services { services: vec![service] }
}

/// A datagram would be forwarded, and TCP not.
fn why(packet: api::Question) -> api::Why {
    let forwarded = packet.protocol == Protocol::Udp;
    let (name, meaning) = ("dropped_no_room".to_owned(), "Dropped: no room.".to_owned());
    api::Why {
        packet,
        forwarded,
        fate: (!forwarded).then_some(api::Ended { name, meaning }),
        real_server: None,
        reason: forwarded.then_some(api::Reason::Scheduler),
        connection: None,
        service: None,
        scheduler: None,
        unavailable: vec![],
    }
}

fn status() -> api::Status {
    api::Status {
        checks: api::Checks::default(),
        version: "1.2.3".to_owned(),
        director: "midas".to_owned(),
        connection_table_size: 4096,
        interfaces: vec![],
        out_of_sync: None,
        failover: None,
        timeouts: api::Timeouts { tcp_established_s: 900, tcp_fin_wait_s: 120, udp_s: 300 },
        file: api::File { path: "/etc/lvs/lvs.toml".to_owned(), differs: Some(false) },
        unrecorded: 0,
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

/// What lvsd does with a configuration that it is sent.
fn adopted(
    config: &mut Config,
    next: Result<Config, String>,
) -> Result<api::Edited, api::ApiError> {
    let next = next.map_err(|error| api::ApiError { error })?;
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

fn connections(filter: &api::Filter) -> api::Connections {
    if *filter != api::Filter::default() {
        let state = Some("established".to_owned());
        let client = "10.0.0.7".parse().ok();
        assert_eq!(*filter, api::Filter { client, real_server: None, state });
    }
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

/// Two clients stay.
fn persistence() -> api::Persistence {
    let stay = |client: &str| api::Stay {
        protocol: Protocol::Tcp,
        client: client.parse().unwrap(),
        address: "10.77.0.100".parse().unwrap(),
        port: 80,
        real_server: "10.77.0.11".parse().unwrap(),
        expires_in_s: 61,
    };
    api::Persistence { clients: vec![stay("10.0.0.7"), stay("10.0.0.8")] }
}

fn zero(service: Option<ServiceId>) -> Result<api::Zeroed, api::ApiError> {
    match service {
        Some(id) if id.port != 80 => Err(api::ApiError { error: "No such service".to_owned() }),
        Some(_) | None => Ok(api::Zeroed { services: 1 }),
    }
}

fn diagnosis() -> Diagnosis {
    let real_server = "192.0.2.11".parse().unwrap();
    Diagnosis {
        checks: 12,
        findings: vec![
            Finding {
                name: Name::VipMissing,
                severity: Severity::Problem,
                what: "192.0.2.11 does not have the VIP 192.0.2.10".to_owned(),
                evidence: "no answer".to_owned(),
                advice: "ip addr add 192.0.2.10/32 dev lo".to_owned(),
                real_servers: vec![real_server],
            },
            Finding {
                name: Name::ClockNotSynchronised,
                severity: Severity::Warning,
                what: "nothing keeps the clock right".to_owned(),
                evidence: "it may be off by 16s".to_owned(),
                advice: "run chrony".to_owned(),
                real_servers: vec![],
            },
        ],
    }
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
        let has_version = text.starts_with("IP Virtual Server version 1.2.1 (size=4096)\n");
        assert_eq!(has_version, !arguments.contains(&"-t"), "{text}");
        assert!(text.ends_with(numeric), "{arguments:?}: {text}");
    }
    let stats = stdout(&daemon.lvsctl(&["-L", "-n", "--stats"]));
    assert!(stats.ends_with(
        "  -> 10.77.0.11:80                       6       35        0     2100        0\n"
    ));
    assert!(stdout(&daemon.lvsctl(&[])).contains("TCP  10.77.0.100:"), "as ipvsadm alone");
    let persistent = stdout(&daemon.lvsctl(&["-L", "-n", "--persistent-conn"]));
    let line = "  -> 10.77.0.11:80                3         2           0          6         \n";
    assert!(persistent.ends_with(line), "{persistent}");
    let timeout = stdout(&daemon.lvsctl(&["-L", "--timeout"]));
    assert_eq!(timeout, "Timeout (tcp tcpfin udp): 900 120 300\n");
    assert_eq!(daemon.lvsctl(&["-Z"]).status.code(), Some(0));
    let output = daemon.lvsctl(&["-Z", "-t", "10.77.0.100:81"]);
    assert_eq!((stderr(&output).as_str(), output.status.code()), ("No such service\n", Some(255)));
}

#[test]
fn connections_in_both_ways() {
    let daemon = Daemon::start();
    assert_eq!(
        stdout(&daemon.lvsctl(&["-L", "-n", "-c"])),
        "IPVS connection entries\n\
         pro expire state       source             virtual            destination\n\
         TCP 14:58  ESTABLISHED 10.0.0.7:51234     192.168.0.100:80   192.168.0.11:80\n\
         TCP 01:01  ASSURED     10.0.0.7:0         10.77.0.100:80     10.77.0.11:80\n\
         TCP 01:01  ASSURED     10.0.0.8:0         10.77.0.100:80     10.77.0.11:80\n"
    );
    let filtered = ["connections", "--client", "10.0.0.7", "--state", "established"];
    let text = stdout(&daemon.lvsctl(&filtered));
    assert!(text.contains("tcp       ESTABLISHED  14:58    10.0.0.7:51234"), "{text}");
    let json = daemon.lvsctl(&["connections", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["connections"][0]["expires_in_s"], 898);
}

#[test]
fn why_answers_and_the_status_is_1_for_a_no() {
    let daemon = Daemon::start();
    let dropped =
        daemon.lvsctl(&["why", "tcp", "10.0.0.7:1000", "10.77.0.100:80", "--flag", "ack"]);
    assert_eq!(
        stdout(&dropped),
        "tcp 10.0.0.7:1000 -> 10.77.0.100:80 (ack)\nwould be dropped: no room (dropped_no_room)\n"
    );
    assert_eq!(dropped.status.code(), Some(1));
    // Names, and the brackets of IPv6 on their way through a URL.
    let known = daemon.lvsctl(&["why", "udp", "[fd77::2]:1000", "[fd77::100]:domain", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&known.stdout).unwrap();
    assert_eq!(json["packet"]["client"], "[fd77::2]:1000");
    assert_eq!(json["packet"]["virtual_address"], "[fd77::100]:53");
    assert_eq!(json["reason"], "scheduler");
    assert_eq!(known.status.code(), Some(0));
    let wrong = daemon.lvsctl(&["why", "udp", "10.0.0.7", "10.77.0.100:80"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(stderr(&wrong).contains("expected ADDRESS:PORT"), "{}", stderr(&wrong));
    let answer = daemon
        .exchange("GET /v1/why?protocol=tcp HTTP/1.1\r\nHost: lvsd\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[test]
fn errors_are_one_line() {
    let error = "the maps are away".to_owned();
    let daemon = Daemon::start_with(Err(api::ApiError { error }));
    for (arguments, error, status) in [
        (&["status"][..], "lvsctl: the maps are away\n", 2),
        // What ipvsadm says, as it says it.
        (&["-L", "-n", "--rate", "-t", "10.77.0.101:80"], "No such service\n", 1),
        (&["-L", "-q"], "-q: unknown option\n", 255),
    ] {
        let output = daemon.lvsctl(arguments);
        assert_eq!((stderr(&output).as_str(), output.status.code()), (error, Some(status)));
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
fn the_doctor_says_what_is_wrong_and_the_status_is_1() {
    let daemon = Daemon::start();
    let output = daemon.lvsctl(&["doctor"]);
    assert_eq!(output.status.code(), Some(1));
    expect![[r#"
        PROBLEM 192.0.2.11 does not have the VIP 192.0.2.10 (vip-missing)
          seen: no answer
          do:   ip addr add 192.0.2.10/32 dev lo

        WARNING nothing keeps the clock right (clock-not-synchronised)
          seen: it may be off by 16s
          do:   run chrony

        2 findings: 12 checks
    "#]]
    .assert_eq(&stdout(&output));

    let ignore = ["--ignore", "clock-not-synchronised"];
    let output = daemon.lvsctl(&["doctor", "--json", ignore[0], ignore[1]]);
    assert_eq!(output.status.code(), Some(1));
    expect![[r#"
        {
          "checks": 12,
          "findings": [
            {
              "name": "vip-missing",
              "severity": "problem",
              "what": "192.0.2.11 does not have the VIP 192.0.2.10",
              "evidence": "no answer",
              "advice": "ip addr add 192.0.2.10/32 dev lo",
              "real_servers": [
                "192.0.2.11"
              ]
            }
          ]
        }
    "#]]
    .assert_eq(&stdout(&output));

    let output =
        daemon.lvsctl(&["doctor", ignore[0], "vip-missing", ignore[0], "clock-not-synchronised"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stdout(&output), "nothing found: 12 checks\n");
    let output = daemon.lvsctl(&["doctor", "--ignore", "clock"]);
    assert_eq!(output.status.code(), Some(2), "no finding has that name");
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

    for (line, error, status) in [
        ("-A -t 192.0.2.10:443", "Service already exists", 255),
        ("-d -t 192.0.2.10:443 -r 192.0.2.99", "No such destination", 255),
        ("-e -t 192.0.2.10:80 -r 192.0.2.99", "Service not defined", 255),
        ("service delete udp 192.0.2.10:443", "lvsctl: No such service", 2),
        (
            "server add tcp 192.0.2.10:443 2001:db8::1",
            "lvsctl: tcp 192.0.2.10:443 2001:db8::1: address: found 2001:db8::1; expected an IPv4 \
             address, as the service has",
            2,
        ),
    ] {
        let output = run(line);
        assert_eq!(
            (stderr(&output), output.status.code()),
            (format!("{error}\n"), Some(status)),
            "{line}"
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
    let before = stdout(&run("save -"));
    assert_eq!(restore("-C\n-A -t 192.0.2.10:22\n-A -t 192.0.2.10:22\n").status.code(), Some(255));
    assert_eq!(restore("-A -t 192.0.2.10\n").status.code(), Some(2));
    assert_eq!(stdout(&run("save -")), before);
    assert_eq!(restore(&format!("-C\n{saved}")).status.code(), Some(0));
    assert_eq!(stdout(&run("save -")), before);

    let output = run("diff");
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(text.starts_with("- tcp 192.0.2.10:80\n+ tcp 192.0.2.10:443: scheduler rr"), "{text}");

    let file = daemon.directory.path().join("other.toml");
    assert!(run(&format!("save {}", file.display())).status.success());
    assert_eq!(Config::load(&file).unwrap().virtual_services.len(), 1);
    assert_eq!(stdout(&run("save -")), std::fs::read_to_string(&file).unwrap());
    assert!(stdout(&run("save")).ends_with("lvs.toml\n"));
    std::fs::write(&file, CONFIG).unwrap();
    let restored = stdout(&run(&format!("restore {}", file.display())));
    assert!(restored.starts_with("- tcp 192.0.2.10:443\n+ tcp 192.0.2.10:80"), "{restored}");
    assert_eq!(run("diff").status.code(), Some(0));
    std::fs::write(&file, "[director]\n").unwrap();
    let output = run(&format!("restore {}", file.display()));
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains(": director: the key interfaces is missing\n"));
}

/// Any key of the file, and drain.
#[test]
fn keys_and_states_by_name() {
    let daemon = Daemon::start();
    let run = |words: &[&str]| daemon.lvsctl(words);
    let service = ["tcp", "192.0.2.10:80"];
    let keys = ["--set", "check={ type = \"http\", path = \"/x\" }", "--set", "quorum=1"];
    let output = run(&[&["service", "edit"], &service[..], &keys].concat());
    let text = stdout(&output);
    assert!(text.contains("quorum 0 -> 1\n") && text.contains("check none -> Http("), "{text}");
    let output = run(&[&["service", "edit"], &service[..], &["--unset", "check"]].concat());
    assert!(stdout(&output).contains("-> none\n"));

    for (verb, says) in [("drain", "drain false -> true\n"), ("resume", "drain true -> false\n")] {
        let output = run(&[&["server", verb], &service[..], &["192.0.2.11:80"]].concat());
        assert!(stdout(&output).ends_with(says), "{}{}", stdout(&output), stderr(&output));
    }

    for (words, error) in [
        (
            &["service", "edit", "tcp", "192.0.2.10:80", "--set", "colour=red"][..],
            "tcp 192.0.2.10:80: colour: there is no such key; expected one of address, check, ",
        ),
        (
            &["server", "edit", "tcp", "192.0.2.10:80", "192.0.2.11", "--weight", "-1"],
            "tcp 192.0.2.10:80 192.0.2.11: weight: found -1; expected a weight from 0 to 65535\n",
        ),
        (
            &["server", "add", "tcp", "192.0.2.10:80", "192.0.2.12:8080"],
            "192.0.2.12:8080: direct routing can't change the port; expected 80 or none, as the ",
        ),
        (
            &["server", "add", "tcp", "192.0.2.10:80", "no-such-host.invalid"],
            "\"no-such-host.invalid\" is no address, and as a name: ",
        ),
        (&["service", "add", "tcp", "192.0.2.10"], "\"192.0.2.10\": expected ADDRESS:PORT, like "),
        (
            &["service", "add", "tcp", "192.0.2.10:nonsense"],
            "\"nonsense\" is no port of tcp: expected ADDRESS:PORT, like ",
        ),
        (
            &["service", "edit", "tcp", "192.0.2.10:80", "--set", "quorum"],
            "--set quorum: expected ",
        ),
    ] {
        let output = run(words);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {text}");
        assert!(text.starts_with(&format!("lvsctl: {error}")), "{words:?}: {text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

/// It goes on until none is left, which here never happens.
#[test]
fn a_drain_can_wait_but_not_for_ever() {
    let daemon = Daemon::start();
    let words = ["server", "drain", "tcp", "192.0.2.10:80", "192.0.2.11", "--wait"];
    let output = daemon.lvsctl(&words);
    let error = "lvsctl: 192.0.2.11 is no real server of it any more\n";
    assert_eq!((stderr(&output).as_str(), output.status.code()), (error, Some(2)));

    // The table of this daemon always has six connections there.
    let add = ["service", "add", "tcp", "10.77.0.100:80"];
    assert!(daemon.lvsctl(&add).status.success());
    let server = ["tcp", "10.77.0.100:80", "10.77.0.11"];
    assert!(daemon.lvsctl(&[&["server", "add"], &server[..]].concat()).status.success());
    let wait = ["--wait", "--timeout", "10ms"];
    let output = daemon.lvsctl(&[&["server", "drain"], &server[..], &wait].concat());
    let text = "10.77.0.11 still has 6 connections of tcp 10.77.0.100:80\n";
    assert_eq!((stdout(&output).as_str(), output.status.code()), (text, Some(1)));
}

#[test]
fn the_role_is_handed_over() {
    let daemon = Daemon::start();
    let output = daemon.lvsctl(&["failover"]);
    assert_eq!(stdout(&output), "this director is backup now\n");
    assert!(output.status.success());
    let output = daemon.lvsctl(&["failover", "--json"]);
    assert_eq!(stdout(&output), "{\n  \"role\": \"backup\"\n}\n");
    let output = daemon.lvsctl(&["failover", "--to", "estepe"]);
    assert_eq!(stderr(&output), "lvsctl: estepe can't\n");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn events_come_as_they_happen() {
    let daemon = Daemon::start();
    let mut child = lvsctl()
        .args(["--socket".as_ref(), daemon.socket().as_os_str(), "watch".as_ref()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let what = api::What::Configuration { by: "root".to_owned(), change: "+ it".to_owned() };
    // Once somebody listens.
    while daemon.events.send(api::Event::now(what.clone())).is_err() {
        std::thread::yield_now();
    }
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    assert!(line.ends_with(" + it (by root)"), "{line}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_needs_no_daemon() {
    let run = |words: &[&str]| lvsctl().args(words).output().unwrap();
    let reference = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/lvs.toml");
    let output = run(&["check-config", reference]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bad.toml");
    std::fs::write(&file, "[director]\nnome = 3\n").unwrap();
    let output = run(&["check-config", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("bad.toml:2:1: director.nome: there is no such key"));
    assert_eq!(run(&["check-config", "/nowhere"]).status.code(), Some(2));

    for shell in ["bash", "zsh", "fish"] {
        assert!(stdout(&run(&["completions", shell])).contains("COMPLETE"), "{shell}");
    }
    let output = run(&["completions", "csh"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(run(&["man", directory.path().to_str().unwrap()]).status.success());
    let page = std::fs::read_to_string(directory.path().join("lvsctl-server-drain.1")).unwrap();
    assert!(page.contains("Give it no new connections"), "{page}");
}

/// As a shell asks for it.
#[test]
fn services_and_real_servers_are_completed() {
    let daemon = Daemon::start();
    let words = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        let output = lvsctl()
            .env("COMPLETE", "bash")
            .env("LVS_SOCKET", daemon.socket())
            .env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string())
            .env("_CLAP_COMPLETE_COMP_TYPE", "9")
            .env("_CLAP_COMPLETE_SPACE", "false")
            .env("_CLAP_IFS", "\n")
            .arg("--")
            .args(words)
            .output()
            .unwrap();
        stdout(&output)
    };
    assert_eq!(words("lvsctl server drain tcp 10.7"), "10.77.0.100:80");
    assert_eq!(words("lvsctl server drain tcp 10.77.0.100:80 10"), "10.77.0.11");
    assert!(words("lvsctl ser").contains("service"));
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
    expect_test::expect_file!["../../docs/openapi.json"].assert_eq(&text);

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
    let _guard = daemon._runtime.enter();
    server::bind(&dead).unwrap();
    daemon.shutdown.cancel();
}

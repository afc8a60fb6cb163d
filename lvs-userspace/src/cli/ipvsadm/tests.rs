//! ipvsadm's words, and what they mean.

use expect_test::expect;

use super::*;
use crate::{
    config::Config,
    control::api::{self, Forwarding, Health, Services},
    model::{Protocol, Scheduler},
};

fn parsed(line: &str) -> Result<Ask, Failure> {
    let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
    parse(Path::new("ipvsadm"), &words)
}

#[test]
fn options_combine_as_with_popt() {
    let numeric = Ask::List(List { numeric: true, ..List::default() });
    for line in ["-L -n", "-Ln", "-l -n", "--list --numeric", "-L --sort -n --sort"] {
        assert_eq!(parsed(line), Ok(numeric.clone()), "{line}");
    }
    assert_eq!(parsed(""), Ok(Ask::List(List::default())));
    let stats = List { numeric: true, stats: true, exact: true, ..List::default() };
    assert_eq!(parsed("-Ln --stats --exact"), Ok(Ask::List(stats)));
    let ways = [
        "-L -t 192.0.2.10:80",
        "-Lt192.0.2.10:80",
        "-L --tcp-service=192.0.2.10:80",
        "-Lt=192.0.2.10:80",
    ];
    for line in ways {
        let Ok(Ask::List(List { service: Some(service), .. })) = parsed(line) else {
            panic!("{line}: no service");
        };
        assert_eq!(service.to_string(), "tcp 192.0.2.10:80", "{line}");
    }
    assert!(parsed("-L -t [2001:db8::1]:80").is_ok());
    let Ok(Ask::Zero(Some(service))) = parsed("-Z -u 192.0.2.10:domain") else {
        panic!("a port has a name");
    };
    assert_eq!(service.port, 53);
}

#[test]
fn what_is_wrong_is_said() {
    let hint = "Try `ipvsadm -h' or 'ipvsadm --help' for more information.";
    for (line, error, status) in [
        ("-q", hint, 255),
        ("-n -L", hint, 255),
        ("foo", hint, 255),
        ("-L -q", "-q: unknown option", 255),
        ("-L --stat", "--stat: unknown option", 255),
        ("-L --stats=1", "--stats=1: option does not take an argument", 255),
        ("-L -t", "-t: missing argument", 255),
        ("-L foo", "unexpected argument foo", 2),
        ("-L -L", "invalid option `-L'", 2),
        ("-A -D", "invalid option `-D'", 2),
        ("-L -n -n", "multiple 'numeric' options specified", 2),
        ("-L -w 3", "Illegal 'weight' option with the 'list' command", 2),
        (
            "-L -c -t 192.0.2.10:80",
            "The option 'service-address' conflicts with the 'connection' option in the 'list' \
             command",
            2,
        ),
        ("-L --timeout --stats", "options conflicts in the list command", 2),
        (
            "-A -s rr",
            "You need to supply the 'service-address' option for the 'add-service' command",
            2,
        ),
        (
            "-a -t 192.0.2.10:80",
            "You need to supply the 'real-server' option for the 'add-server' command",
            2,
        ),
        ("-A -t 192.0.2.10:80 -w 3", "Illegal 'weight' option with the 'add-service' command", 2),
        (
            "-D -t 192.0.2.10:80 -s rr",
            "Illegal 'scheduler' option with the 'delete-service' command",
            2,
        ),
        ("-C -t 192.0.2.10:80", "Illegal 'service-address' option with the 'flush' command", 2),
        ("-a -t 192.0.2.10:80 -r 192.0.2.11 -w -1", "illegal weight specified", 2),
        ("-a -t 192.0.2.10:80 -r 192.0.2.11 -x many", "illegal u_threshold specified", 2),
        (
            "-a -t 192.0.2.10:80 -r 192.0.2.11 -m",
            "there is no masquerading here: packets are forwarded by direct routing alone",
            2,
        ),
        ("-a -t 192.0.2.10:80 -r 192.0.2.11:", "illegal real server address[:port] specified", 2),
        (
            "-a -t 192.0.2.10:80 -r 2001:db8::1",
            "Different address family is allowed only for tunneling servers",
            2,
        ),
        (
            "-A -t 192.0.2.10:80 -p -M 255.0.255.0",
            "illegal virtual server persistent mask specified",
            2,
        ),
        ("-A -t [2001:db8::1]:80 -p -M 129", "illegal ipv6 netmask specified", 2),
        ("-d -t 192.0.2.10:80 -r 192.0.2.11:8080", "No such destination", 255),
        ("-A -t 192.0.2.10:80 -p 0", "invalid timeout value `0' specified", 2),
        ("-A -t 192.0.2.10:80 -s xyz", "Scheduler or persistence engine not found", 255),
        ("-A -t 192.0.2.10", "Zero port specified for non-persistent service", 2),
        ("-A -t 192.0.2.10:80 -o", "One-Packet Scheduling is only for UDP virtual services", 2),
        ("-A -t 192.0.2.10:http2000", "illegal virtual server address[:port] specified", 2),
        (
            "-A -f 1",
            "there is no firewall mark here: packets are forwarded by direct routing alone",
            2,
        ),
        ("--set 1 2", "--set option requires 3 timeout values", 2),
        ("--set 1 2 x", "invalid timeout value `x' specified", 2),
    ] {
        let failure = parsed(line).unwrap_err();
        assert_eq!((failure.text.as_str(), failure.status), (error, status), "{line}");
    }
}

/// What `-S` prints, `-R` reads: the same services again.
#[test]
fn what_is_saved_is_restored() {
    let saved = "\
-A -t 192.0.2.10:80 -s wlc -p 300 -M 255.255.255.0
-a -t 192.0.2.10:80 -r 192.0.2.11:80 -g -w 3
-a -t 192.0.2.10:80 -r 192.0.2.12:80 -g -w 0 -x 100 -y 75
-A -u 192.0.2.10:53 -s sh -o
-A -u [2001:db8::10]:53 -s rr -p 360 -M 64
-a -u [2001:db8::10]:53 -r [2001:db8::11]:53 -g -w 1
";
    let empty = "director = { name = \"x\", interfaces = [\"x\"] }";
    let config = Config::parse(empty, "").unwrap();
    let text = format!("# a comment\n\nipvsadm {}", saved.replace(" -p 360", " -p"));
    let config = config.edited(&parse_saved(&text).unwrap()).unwrap();
    let services = config.virtual_services.iter().map(|it| api::Service {
        scheduler: it.scheduler,
        persistence_timeout_s: it.persistence.map(|it| it.timeout.as_secs()),
        persistence_granularity: it.persistence.map(|it| it.granularity),
        one_packet: it.one_packet,
        stateless: it.stateless,
        real_servers: it
            .real_servers
            .iter()
            .map(|server| api::RealServer {
                address: server.address,
                port: it.id.port,
                upper_threshold: server.upper_threshold,
                lower_threshold: server.lower_threshold,
                ..real_server("192.0.2.1", server.weight.0.into(), [0; 5])
            })
            .collect(),
        ..service(it.id.protocol, &it.id.address.to_string(), it.id.port, vec![])
    });
    assert_eq!(save::save(Services { services: services.collect() }, true), saved);
    for (text, error) in [
        ("-A -t 192.0.2.10:80\n-L", "line 2: \"-L\" changes nothing"),
        (
            "-A",
            "line 1: You need to supply the 'service-address' option for the 'add-service' command",
        ),
    ] {
        assert_eq!(parse_saved(text).unwrap_err(), error);
    }
}

#[test]
fn timeouts_of_0_stay() {
    let Ok(Ask::Edit(edit)) = parsed("--set 100 0 30") else { panic!("an edit") };
    let empty = "director = { name = \"x\", interfaces = [\"x\"] }";
    let config = Config::parse(empty, "").unwrap().edited(&[edit]).unwrap();
    let timeouts = config.connections.timeouts;
    let seconds = [timeouts.established, timeouts.fin_wait, timeouts.udp].map(|it| it.as_secs());
    assert_eq!(seconds, [100, 120, 30]);
}

fn real_server(address: &str, weight: u32, counters: [u64; 5]) -> api::RealServer {
    let [active_connections, inactive_connections, connections, packets_in, bytes_in] = counters;
    api::RealServer {
        address: address.parse().unwrap(),
        port: 80,
        weight,
        effective_weight: weight,
        forwarding: Forwarding::Dr,
        health: Health::Up,
        state: None,
        why: None,
        upper_threshold: 0,
        lower_threshold: 0,
        persistent_connections: 0,
        active_connections,
        inactive_connections,
        connections,
        packets_in,
        bytes_in,
    }
}

fn service(
    protocol: Protocol,
    address: &str,
    port: u16,
    real_servers: Vec<api::RealServer>,
) -> api::Service {
    api::Service {
        protocol,
        address: address.parse().unwrap(),
        port,
        scheduler: Scheduler::Wrr,
        persistence_timeout_s: None,
        persistence_granularity: None,
        one_packet: false,
        stateless: false,
        connections: real_servers.iter().map(|rs| rs.connections).sum(),
        packets_in: real_servers.iter().map(|rs| rs.packets_in).sum(),
        bytes_in: real_servers.iter().map(|rs| rs.bytes_in).sum(),
        real_servers,
    }
}

/// Not in ipvsadm's order.
fn services() -> Services {
    let lost = api::RealServer {
        health: Health::Down,
        why: Some("it fails its checks".to_owned()),
        effective_weight: 0,
        upper_threshold: 100,
        lower_threshold: 75,
        ..real_server("10.77.0.12", 2, [0, 3, 30, 99_999_999, 100_000_000])
    };
    let good = real_server("10.77.0.11", 3, [12, 40, 66, 999_999_999, 1_000_000_000]);
    let large = real_server("2001:db8::11", 1, [0, 1, 2, 99_999_999_999, 150_000_000_000_000]);
    Services {
        services: vec![
            api::Service {
                persistence_timeout_s: Some(300),
                persistence_granularity: Some(24),
                one_packet: true,
                ..service(Protocol::Udp, "10.77.0.100", 53, vec![])
            },
            service(Protocol::Udp, "2001:db8::100", 80, vec![large]),
            service(Protocol::Tcp, "10.77.0.100", 80, vec![lost, good]),
        ],
    }
}

fn shown(list: List) -> String {
    let list = List { numeric: true, ..list };
    show::services(&show::sorted(services(), &list), &list)
}

#[test]
fn lists_are_shown_to_the_letter() {
    expect![[r#"
        Prot LocalAddress:Port Scheduler Flags
          -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
        TCP  10.77.0.100:80 wrr
          -> 10.77.0.11:80                Route   3      12         40        
          -> 10.77.0.12:80                Route   0      0          3         
        UDP  10.77.0.100:53 wrr persistent 300 mask 255.255.255.0 ops
        UDP  [2001:db8::100]:80 wrr
          -> [2001:db8::11]:80            Route   1      0          1         
    "#]]
    .assert_eq(&shown(List::default()));
    expect![[r#"
        Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes
          -> RemoteAddress:Port
        TCP  10.77.0.100:80                     96    1099M        0    1100M        0
          -> 10.77.0.11:80                      66  999999K        0    1000M        0
          -> 10.77.0.12:80                      30 99999999        0  100000K        0
        UDP  10.77.0.100:53                      0        0        0        0        0
        UDP  [2001:db8::100]:80                  2   99999M        0     150T        0
          -> [2001:db8::11]:80                   2   99999M        0     150T        0
    "#]]
    .assert_eq(&shown(List { stats: true, ..List::default() }));
    expect![[r#"
        Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes
          -> RemoteAddress:Port
        TCP  10.77.0.100:80                     96 1099999998        0 1100000000        0
          -> 10.77.0.11:80                      66 999999999        0 1000000000        0
          -> 10.77.0.12:80                      30 99999999        0 100000000        0
        UDP  10.77.0.100:53                      0        0        0        0        0
        UDP  [2001:db8::100]:80                  2 99999999999        0 150000000000000        0
          -> [2001:db8::11]:80                   2 99999999999        0 150000000000000        0
    "#]]
    .assert_eq(&shown(List { stats: true, exact: true, ..List::default() }));
    expect![[r#"
        Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn 
          -> RemoteAddress:Port
        TCP  10.77.0.100:80 wrr
          -> 10.77.0.11:80                0          0          12         40        
          -> 10.77.0.12:80                100        75         0          3         
        UDP  10.77.0.100:53 wrr persistent 300 mask 255.255.255.0 ops
        UDP  [2001:db8::100]:80 wrr
          -> [2001:db8::11]:80            0          0          0          1         
    "#]]
    .assert_eq(&shown(List { thresholds: true, ..List::default() }));
    expect![[r#"
        Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn 
          -> RemoteAddress:Port
        TCP  10.77.0.100:80 wrr
          -> 10.77.0.11:80                3         0           12         40        
          -> 10.77.0.12:80                0         0           0          3         
        UDP  10.77.0.100:53 wrr persistent 300 mask 255.255.255.0 ops
        UDP  [2001:db8::100]:80 wrr
          -> [2001:db8::11]:80            1         0           0          1         
    "#]]
    .assert_eq(&shown(List { persistent: true, ..List::default() }));
    let unsorted = shown(List { unsorted: true, ..List::default() });
    assert!(unsorted.lines().nth(2).unwrap().starts_with("UDP  10.77.0.100:53"), "{unsorted}");
}

#[test]
fn rates_are_shown_to_the_letter() {
    let rate =
        api::Rate { connections_per_s: 12, packets_in_per_s: 345, bytes_in_per_s: 123_456_789 };
    let rates = api::Rates {
        services: vec![api::ServiceRates {
            protocol: Protocol::Tcp,
            address: "10.77.0.100".parse().unwrap(),
            port: 80,
            rate,
            real_servers: vec![api::RealServerRates {
                address: "10.77.0.11".parse().unwrap(),
                port: 80,
                rate,
            }],
        }],
    };
    expect![[r#"
        Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS
          -> RemoteAddress:Port
        TCP  10.77.0.100:80                     12      345        0  123456K        0
          -> 10.77.0.11:80                      12      345        0  123456K        0
    "#]]
    .assert_eq(&show::rates(&rates, &List { numeric: true, ..List::default() }));
}

#[test]
fn connections_are_shown_to_the_letter() {
    let connections = api::Connections {
        connections: vec![api::Connection {
            protocol: Protocol::Tcp,
            state: "ESTABLISHED".to_owned(),
            client: "10.0.0.7:51234".parse().unwrap(),
            virtual_address: "192.168.0.100:80".parse().unwrap(),
            real_server: "192.168.0.11".parse().unwrap(),
            expires_in_s: 898,
        }],
    };
    let persistence = api::Persistence {
        clients: vec![api::Stay {
            protocol: Protocol::Tcp,
            client: "10.0.0.7".parse().unwrap(),
            address: "192.168.0.100".parse().unwrap(),
            port: 80,
            real_server: "192.168.0.11".parse().unwrap(),
            expires_in_s: 61,
        }],
    };
    let list = List { numeric: true, ..List::default() };
    expect![[r#"
        IPVS connection entries
        pro expire state       source             virtual            destination
        TCP 14:58  ESTABLISHED 10.0.0.7:51234     192.168.0.100:80   192.168.0.11:80
        TCP 01:01  ASSURED     10.0.0.7:0         192.168.0.100:80   192.168.0.11:80
    "#]]
    .assert_eq(&show::connections(&connections, &persistence, &list));
    let timeouts = api::Timeouts { tcp_established_s: 900, tcp_fin_wait_s: 120, udp_s: 300 };
    assert_eq!(show::timeouts(&timeouts), "Timeout (tcp tcpfin udp): 900 120 300\n");
}
